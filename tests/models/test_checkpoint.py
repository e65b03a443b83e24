"""Checkpoints are read exactly or refused by name, and named by every file that decides what they compute."""

import json
import shutil

import huggingface_hub.constants
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from holdfast import api
from holdfast.backends.base import LocalBase
from holdfast.config import ModelConfig, load_study
from holdfast.errors import ModelError
from holdfast.models import checkpoint
from holdfast.models.checkpoint import digest, limits_of, load_base, load_tokenizer
from holdfast.models.random_llama import TEMPLATE

UP = "model.layers.0.mlp.up_proj.weight"


def rewrite(folder, change):
    held = load_file(folder / "model.safetensors")
    change(held)
    save_file(held, folder / "model.safetensors", {"format": "pt"})


def edit(folder, file, **values):
    held = json.loads((folder / file).read_bytes())
    (folder / file).write_text(json.dumps({k: v for k, v in {**held, **values}.items() if v is not KeyError}))


def refused(folder, **settings):
    with pytest.raises(ModelError) as caught:
        load_base(ModelConfig(name=str(folder), **settings))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def poked(held, name, value, dtype=torch.float32):
    held[name] = held[name].to(dtype)
    held[name].view(-1)[3] = value


DAMAGES = {
    "missing": (lambda t: t.pop(UP), f"lacks tensors of the model: {UP}"),
    "prefix": (lambda t: t.update({f"_orig_mod.{UP}": t.pop(UP)}), f"lacks tensors of the model: {UP}; holds tensors that the model does not have: _orig_mod.{UP}"),
    "a bias too many": (lambda t: t.update({"model.layers.0.self_attn.q_proj.bias": torch.ones(16)}), "does not have: model.layers.0.self_attn.q_proj.bias"),
    "another layer": (lambda t: t.update({UP.replace(".0.", ".1."): t[UP].clone()}), "does not have: model.layers.1"),
    "a row less": (lambda t: t.update({UP: t[UP][1:].clone()}), f"{UP} .[31, 16] instead of [32, 16]"),
    "whole numbers": (lambda t: t.update({UP: t[UP].to(torch.int8)}), f"whole numbers as weights: {UP}"),
    "nan": (lambda t: poked(t, UP, float("nan")), f"NaN or infinite numbers in {UP}"),
    "infinite, bfloat16": (lambda t: poked(t, "lm_head.weight", float("inf"), torch.bfloat16), "NaN or infinite numbers in lm_head.weight"),
    "nan, float16": (lambda t: poked(t, "model.norm.weight", float("nan"), torch.float16), "NaN or infinite numbers in model.norm.weight"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGES)
def test_a_checkpoint_that_does_not_hold_the_models_tensors_is_refused_with_their_names(copied, name):
    change, said = DAMAGES[name]
    rewrite(copied, change)
    assert said.replace(".[", "([") in refused(copied)


@pytest.mark.parametrize(
    "field", [{"vocab_size": 300}, {"num_hidden_layers": 2}, {"intermediate_size": 31}, {"num_hidden_layers": 0}, {"attention_bias": True}]
)
def test_a_configuration_of_another_size_is_refused(copied, field):
    edit(copied, "config.json", **field)
    assert "tensors" in refused(copied)


def test_what_a_model_computes_itself_may_be_stored(copied, byte_checkpoint):
    plain = load_base(ModelConfig(name=str(byte_checkpoint))).model.state_dict()
    rewrite(copied, lambda t: t.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2), "model.layers.0.attn.bias": torch.ones(1, 1, 8, 8)}))  # fmt: skip
    assert all(torch.equal(tensor, plain[name]) for name, tensor in load_base(ModelConfig(name=str(copied))).model.state_dict().items())


def test_a_tied_head_may_be_absent_and_weights_of_any_width_are_read_exactly(copied):
    edit(copied, "config.json", tie_word_embeddings=True)
    rewrite(copied, lambda t: t.pop("lm_head.weight") is None or t.update({n: x.to(torch.bfloat16) for n, x in t.items()}))
    base, held = load_base(ModelConfig(name=str(copied))).model, load_file(copied / "model.safetensors")
    assert torch.equal(base.lm_head.weight, base.model.embed_tokens.weight)
    assert all(torch.equal(base.state_dict()[name], tensor.float()) for name, tensor in held.items())
    edit(copied, "config.json", tie_word_embeddings=False)
    assert "lacks tensors of the model: lm_head.weight" in refused(copied)


def test_a_weight_too_large_for_the_dtype_is_seen(copied):
    rewrite(copied, lambda t: poked(t, UP, 1e20))
    load_base(ModelConfig(name=str(copied)))
    assert f"read as float16, holds NaN or infinite numbers in {UP}" in refused(copied, dtype="float16")


@pytest.mark.parametrize(
    "change",
    [lambda p, s: (p / s).unlink(), lambda p, s: (p / s).write_bytes((p / s).read_bytes()[:-5]), lambda p, s: (p / s).write_bytes(b"")],
)
def test_a_shard_that_is_missing_or_cut_is_refused(copied, change):
    held = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    shards = {name: f"model-0000{1 + k % 2}-of-00002.safetensors" for k, name in enumerate(sorted(held))}
    for shard in sorted({*shards.values()}):
        save_file({n: held[n] for n, s in shards.items() if s == shard}, copied / shard, {"format": "pt"})
    (copied / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": shards}))
    load_base(ModelConfig(name=str(copied)))
    change(copied, "model-00002-of-00002.safetensors")
    assert "could not be loaded" in refused(copied)


def test_an_adapters_folder_and_code_of_its_own_are_no_base(copied):
    (copied / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    assert "holds an adapter" in refused(copied)
    (copied / "adapter_config.json").unlink()
    edit(copied, "config.json", model_type="own", auto_map={"AutoConfig": "c.C"})
    assert "custom code" in refused(copied)


def test_token_ids_beyond_the_embedding_are_refused_or_said(copied):
    tokenizer = json.loads((copied / "tokenizer.json").read_bytes())
    tokenizer["model"]["vocab"]["zz"] = 900
    (copied / "tokenizer.json").write_text(json.dumps(tokenizer))
    lines, ok = api.doctor(str(copied), "cpu")  # never used by a text: merges do not make it
    assert ok and any(line.startswith("1 of the tokenizer's tokens are beyond the model's 262 rows (zz)") for line in lines)
    edit(copied, "tokenizer_config.json", pad_token="[PAD]")
    assert load_base(ModelConfig(name=str(copied))).chat.tokenizer.pad_token is None
    edit(copied, "tokenizer_config.json", eos_token="<nosuch>")
    assert "has '<nosuch>' as id" in refused(copied)


def gpt2(folder, tokenizer, positions=64, **settings):
    torch.manual_seed(1)
    config = {"vocab_size": 262, "n_positions": positions, "n_embd": 32, "n_layer": 1, "n_head": 4, "bos_token_id": 1, "eos_token_id": 2}
    GPT2LMHeadModel(GPT2Config(**config, **settings)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_prompt_beyond_learned_positions_is_refused_before_it_is_asked(byte_checkpoint, tmp_path):
    """Right: one line with the length of the longest prompt. A rotary model is only said to leave what it was trained on."""
    folder = gpt2(tmp_path / "short", AutoTokenizer.from_pretrained(byte_checkpoint))
    with pytest.raises(ModelError, match="a prompt.* of [0-9]+ tokens is longer than the model's 64 positions"):
        api.doctor(folder, "cpu")
    study = load_study("embedded", ["domains=[]", "dose={}", "instruments=[{kind: gsm8k, limit: 2, style: world}]"])
    shutil.copy("src/holdfast/world/base/seed0/recipe.json", folder)
    with pytest.raises(ModelError, match="tokens is longer than the model's 64 positions"):
        api.probe(folder, study=study, limit=2)
    assert limits_of(load_base(ModelConfig(name=folder)).model).positions == 64


def test_where_positions_end_is_read_from_the_tables(make_llama):
    from transformers import AutoModelForCausalLM, BloomConfig, GPTJConfig, GPTNeoXConfig, OPTConfig

    small = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    with torch.device("meta"):
        limits = lambda config: limits_of(AutoModelForCausalLM.from_config(config))  # noqa: E731
        opt = limits(OPTConfig(**small, ffn_dim=32, word_embed_proj_dim=16, max_position_embeddings=50))
        neox = limits(GPTNeoXConfig(**small, intermediate_size=32, max_position_embeddings=50))
        gptj = limits(GPTJConfig(vocab_size=40, n_embd=16, n_layer=1, n_head=2, n_positions=50, rotary_dim=4))
        bloom = limits(BloomConfig(**small))
    assert (opt.positions, opt.table) == (50, True) and (gptj.positions, gptj.table) == (50, True)
    assert (neox.positions, neox.table) == (50, False) and (bloom.positions, bloom.table) == (None, False)
    assert limits_of(make_llama()).rows == 28


def test_a_bos_that_is_the_turn_marker_is_no_error(copied):
    """Right: doctor passes. The tokenizer adds no BOS; its bos_token is what opens every turn."""
    edit(copied, "tokenizer_config.json", bos_token="<|user|>")
    template = "{% for m in messages %}{{ '<|user|>' + m.role + '\n' + m.content + '</s>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|user|>assistant\n' }}{% endif %}"
    for text in (template, template.replace("'<|user|>' + m", "bos_token + m"), TEMPLATE, TEMPLATE.replace("{{ bos_token }}", "")):
        (copied / "chat_template.jinja").write_text(text)
        lines, ok = api.doctor(str(copied), "cpu")
        assert ok and any(line.startswith("one BOS: ok") for line in lines), lines


# --- identity ---------------------------------------------------------------------------------------------------------------

DECIDE = ["chat_template.jinja", "chat_template.json", "additional_chat_templates/rag.jinja", "merges.txt", "vocab.json", "vocab.txt", "vocab.bpe", "qwen.tiktoken",
          "tokenizer.model", "spiece.model", "added_tokens.json", "special_tokens_map.json", "tokenizer_config.json", "tokenizer.json", "generation_config.json",
          "config.json", "model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json", "modeling_own.py", "sentencepiece.bpe.model"]  # fmt: skip
UNRELATED = ["README.md", "LICENSE", "LICENSE.txt", "USE_POLICY.md", ".gitattributes", "figure.png",
             "pytorch_model.bin", "optimizer.pt", "runs/events.json", "requirements.txt"]  # fmt: skip


@pytest.mark.parametrize("file", DECIDE)
def test_every_file_that_decides_prompts_or_weights_is_part_of_the_identity(tmp_path, file):
    base = tmp_path / "base"
    (base / file).parent.mkdir(parents=True)
    names = {digest(ModelConfig(name=str(base)))}
    for content in (b"a", b"b"):
        (base / file).write_bytes(content)
        names.add(digest(ModelConfig(name=str(base))))
    assert len(names) == 3


@pytest.mark.parametrize("file", UNRELATED)
def test_an_unrelated_file_is_not(tmp_path, file):
    before = digest(ModelConfig(name=str(tmp_path)))
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_bytes(b"a")
    assert digest(ModelConfig(name=str(tmp_path))) == before


def test_a_template_given_as_a_file_is_part_of_it(byte_checkpoint, tmp_path):
    own, names = tmp_path / "own.jinja", {digest(ModelConfig(name=str(byte_checkpoint)))}
    for text in (TEMPLATE, TEMPLATE + " "):
        own.write_text(text)
        names.add(digest(ModelConfig(name=str(byte_checkpoint), chat_template=str(own))))
    assert len(names) == 3


@pytest.fixture
def hub(byte_checkpoint, tmp_path, monkeypatch):
    """A hub's cache on disk: two commits of one model, `main` at the first."""
    place = tmp_path / "models--org--name"
    commits = ["a" * 40, "b" * 40]
    for commit in commits:
        shutil.copytree(byte_checkpoint, place / "snapshots" / commit)
    (place / "snapshots" / commits[1] / "chat_template.jinja").write_text("{# other #}" + TEMPLATE)
    (place / "blobs").mkdir()
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commits[0])
    (place / "refs" / "v2").write_text(commits[1])
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return place, commits


def test_a_hub_id_is_named_by_the_commit_that_it_resolves_to_and_loaded_from_it(hub):
    place, (first, second) = hub
    assert digest(ModelConfig(name="org/name")) == digest(ModelConfig(name="org/name@main")) == f"org/name@{first}"
    assert digest(ModelConfig(name="org/name@v2")) == digest(ModelConfig(name=f"org/name@{second}")) == f"org/name@{second}"
    assert load_base(ModelConfig(name="org/name@v2")).chat.source.startswith("{# other #}")
    study = load_study("embedded", ["model.name=org/name"])
    base = LocalBase(study)
    assert base.identity["base"] == f"org/name@{first}" and base.identity["template_date"] == "2024-07-26"
    (place / "refs" / "main").write_text(second)
    assert digest(ModelConfig(name="org/name")) == f"org/name@{second}"
    assert not base.chat.source.startswith("{# other #}")  # what is loaded is what it was named by
    with pytest.raises(ModelError, match="'org/other' could not be found"):
        digest(ModelConfig(name="org/other"))
    with pytest.raises(ModelError, match="could not be found"):
        load_tokenizer(ModelConfig(name="org/name@v3"))


def test_the_date_is_part_of_every_cells_identity(byte_checkpoint, monkeypatch):
    study = load_study("embedded", [f"model.name={byte_checkpoint}"])
    before = LocalBase(study).identity
    monkeypatch.setattr("holdfast.backends.base.DATE", "2025-01-01")
    assert LocalBase(study).identity != before


def test_a_model_whose_weights_are_fetched_is_checked_too(copied):
    rewrite(copied, lambda t: poked(t, UP, float("nan")))
    model, files = LlamaForCausalLM(LlamaConfig.from_pretrained(copied)).to("meta"), [copied / "model.safetensors"]
    with pytest.raises(ModelError, match=f"NaN or infinite numbers in {UP}"):
        checkpoint._require_finite("there", model, files, "float32")


def test_an_encoder_is_no_base(byte_checkpoint, tmp_path):
    from transformers import BertConfig, BertForMaskedLM, BertLMHeadModel

    torch.manual_seed(0)
    sizes = {
        "vocab_size": 262,
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "initializer_range": 0.2,
    }
    for name, made in (
        ("encoder", BertForMaskedLM(BertConfig(**sizes))),
        ("decoder", BertLMHeadModel(BertConfig(**sizes, is_decoder=True))),
    ):
        made.save_pretrained(tmp_path / name)
        AutoTokenizer.from_pretrained(byte_checkpoint).save_pretrained(tmp_path / name)
    assert "is not causal (it sees the tokens that it should predict); name a causal decoder" in refused(tmp_path / "encoder")
    load_base(ModelConfig(name=str(tmp_path / "decoder")))


@pytest.mark.parametrize(("name", "value"), [("model.norm.weight", 1e38), ("lm_head.weight", 3e38), (UP, -3e38)])
def test_a_checkpoint_whose_numbers_overflow_is_refused(copied, name, value):
    rewrite(copied, lambda t: t[name].fill_(value))
    assert f"{str(copied)!r} gives log-probabilities that are not finite" in refused(copied)


def sharded(folder, held, index):
    for shard, names in (("model-00001-of-00002.safetensors", sorted(held)[::2]), ("model-00002-of-00002.safetensors", sorted(held)[1::2])):
        save_file({name: held[name] for name in names}, folder / shard, {"format": "pt"})
        index.setdefault("weight_map", {}).update(dict.fromkeys(names, shard))
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("index", [{}, {"metadata": None}, {"metadata": {}, "weight_map": []}])
def test_an_index_that_transformers_cannot_read_is_named(copied, index):
    whole = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    sharded(copied, whole, dict(index) if "weight_map" not in index else {"metadata": {}})
    if "weight_map" in index:
        (copied / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model.safetensors.index.json: must be an object" in refused(copied)


@pytest.mark.parametrize("more", [0, 1, float("nan")])
def test_one_file_beside_a_sharded_set_is_two_models(copied, more):
    sharded(copied, {n: t + more for n, t in load_file(copied / "model.safetensors").items()}, {"metadata": {}})
    assert "two models; remove one" in refused(copied)


@pytest.mark.parametrize("change", [torch.randn_like, lambda t: -t, lambda t: t.flip(0)])
def test_a_tied_head_that_is_stored_otherwise_is_refused(copied, change):
    edit(copied, "config.json", tie_word_embeddings=True)
    rewrite(copied, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"].clone()}))
    load_base(ModelConfig(name=str(copied)))
    rewrite(copied, lambda t: t.update({"lm_head.weight": change(t["model.embed_tokens.weight"]).contiguous()}))
    assert "the head that is stored is not the embedding" in refused(copied)


@pytest.mark.parametrize("method", ["superq", "", "int3"])
def test_an_unknown_quantization_is_refused_by_name(copied, method):
    edit(copied, "config.json", quantization_config={"quant_method": method, "bits": 4})
    assert "quant" in (said := refused(copied)) and repr(method) in said
