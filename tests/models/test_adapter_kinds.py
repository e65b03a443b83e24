"""Every kind of adapter, on tied and untied bases, in float32 and bfloat16, merged and carried: PEFT's own numbers, or refused in one line."""

import pytest
import torch
from adapter_kinds import CARRIED, REFUSED, REQUESTS, gap, logliks, lora, pefts_own, toy, write

from holdfast.engine.generation import GenerateRequest
from holdfast.engine.local import LocalEngine
from holdfast.errors import ModelError
from holdfast.models.adapters import adapted, fingerprint

FAST = ("LoRA", "LoRA on the head", "LoRA on the embedding", "biases of LoRA", "the head saved", "some tokens", "DoRA")


def scored(model, chat):
    return [x for values in LocalEngine(model, chat, packing=True).score(REQUESTS) for x in values]


def carried_as_by_peft(name, tied, folder, chat):
    base = toy(tied)
    folder = str(write(CARRIED[name], base, folder))
    reference, own = pefts_own(base, folder), logliks(base)
    exact = logliks(reference)
    assert gap(exact, own) > 1e-2  # it does something
    for merge in (True, False):
        with adapted(base, folder, merge=merge) as model:
            assert gap(scored(model, chat), exact) < 1e-4
            if not merge:
                (reply,) = LocalEngine(model, chat, packing=True).generate([GenerateRequest((1, 5, 9), 6)])
        assert logliks(base) == own  # the base is as it was
    ids = reference.generate(input_ids=torch.tensor([[1, 5, 9]]), max_new_tokens=6, do_sample=False, eos_token_id=2, pad_token_id=0)
    want = ids[0, 3:].tolist()
    assert list(reply[0].ids) == (want[: want.index(2)] if 2 in want else want)
    rough = toy(tied, torch.bfloat16)
    in_bf16 = logliks(pefts_own(rough, folder))
    noise = gap(in_bf16, exact)  # what rounding does to PEFT's own numbers
    with adapted(rough, folder, merge=True) as model:
        assert gap(scored(model, chat), in_bf16) < 4 * noise + 0.05


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("name", FAST)
def test_scores_and_text_equal_pefts(name, tied, tmp_path, chat):
    carried_as_by_peft(name, tied, tmp_path, chat)


@pytest.mark.slow
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("name", [n for n in CARRIED if n not in FAST])
def test_scores_and_text_of_every_other_kind_equal_pefts(name, tied, tmp_path, chat):
    carried_as_by_peft(name, tied, tmp_path, chat)


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_carried_is_refused_in_one_line_and_leaves_the_base(name, tmp_path):
    config, why = REFUSED[name]
    base = toy(tied=False)
    before, modules = fingerprint(base), list(base.modules())
    write(config, base, tmp_path)
    with pytest.raises(ModelError, match=why) as error, adapted(base, tmp_path):
        pass
    assert "\n" not in str(error.value) and len(str(error.value)) < 500
    assert fingerprint(base) == before and list(base.modules()) == modules


def test_adapters_on_one_base_one_after_the_other_do_not_see_each_other(tmp_path, chat):
    """Biases, norms and the embedding are replaced in place by some; the next adapter finds the base as it was."""
    base = toy(tied=True)
    names = ("all biases", "the embedding saved", "norms", "tokens alone", "LoRA")
    folders = [str(write(CARRIED[name], base, tmp_path / name)) for name in names]
    want = [logliks(pefts_own(base, folder)) for folder in folders]
    modules, attributes = list(base.modules()), set(vars(base))
    for _ in range(2):
        for folder, exact in zip(folders, want, strict=True):
            with adapted(base, folder, merge=False) as model:
                assert gap(scored(model, chat), exact) < 1e-4
    assert list(base.modules()) == modules and set(vars(base)) == attributes
    assert base.lm_head.weight is base.model.embed_tokens.weight


def test_embeddings_saved_with_an_adapter_replace_the_bases_while_it_is_on(tmp_path, chat):
    """PEFT saves the embedding beside the adapter when tokens were added; of the same size it takes the base's place."""
    from safetensors.torch import load_file, save_file

    for tied in (True, False):
        base = toy(tied)
        folder = write(CARRIED["LoRA"], base, tmp_path / str(tied))
        tensors = load_file(folder / "adapter_model.safetensors")
        for name, weight in (("model.embed_tokens", base.model.embed_tokens.weight), ("lm_head", base.lm_head.weight)):
            tensors[f"base_model.model.{name}.weight"] = weight.detach() * 1.1
        save_file(tensors, folder / "adapter_model.safetensors")
        own, exact = logliks(base), logliks(pefts_own(base, str(folder)))
        with adapted(base, folder) as model:
            assert gap(scored(model, chat), exact) < 1e-4
        assert logliks(base) == own


@pytest.mark.parametrize("scale", [0.25, 2.0])
def test_the_update_of_plain_lora_is_scaled_and_no_other(scale, tmp_path, chat):
    base = toy(tied=False)
    folder = str(write(CARRIED["LoRA"], base, tmp_path / "plain"))
    reference = pefts_own(base, folder)
    for module in reference.modules():
        if hasattr(module, "scale_layer"):
            module.scale_layer(scale)
    for merge in (True, False):
        with adapted(base, folder, scale, merge) as model:
            assert gap(scored(model, chat), logliks(reference)) < 1e-4
    for name in ("DoRA", "the head saved", "IA3", "LoHa", "all biases", "some tokens"):
        write(CARRIED[name], base, tmp_path / name)
        with pytest.raises(ModelError, match="scaled"), adapted(base, tmp_path / name, scale):
            pass


def test_a_conv1d_layer_is_carried_as_by_peft(tmp_path, chat):
    """GPT-2's layers are stored transposed (fan_in_fan_out)."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    base = GPT2LMHeadModel(GPT2Config(vocab_size=31, n_embd=32, n_layer=2, n_head=4, n_positions=64, initializer_range=0.3)).eval()
    for fan in (True, False):
        folder = str(write(lambda fan=fan: lora(["c_attn", "c_fc"], fan_in_fan_out=fan), base, tmp_path / str(fan)))
        exact = logliks(pefts_own(base, folder))
        for merge in (True, False):
            with adapted(base, folder, merge=merge) as model:
                assert gap([x for values in LocalEngine(model, chat).score(REQUESTS) for x in values], exact) < 1e-4
