"""Adapter folders that do not fit, are damaged or say what PEFT would not understand: refused in one line that names what is wrong."""

import json
import shutil

import pytest
import torch
from adapter_kinds import CARRIED, REQUESTS, gap, logliks, lora, other, pefts_own, toy, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import OPTConfig, OPTForCausalLM

from holdfast.engine.local import LocalEngine, ScoreRequest
from holdfast.errors import ModelError
from holdfast.models import adapter_files
from holdfast.models.adapters import adapted, fingerprint

WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
FIRST = "base_model.model."


@pytest.fixture(scope="module")
def base():
    return toy(tied=False)


@pytest.fixture(scope="module")
def plain(base, tmp_path_factory):
    return write(CARRIED["LoRA"], base, tmp_path_factory.mktemp("plain"))


@pytest.fixture
def folder(plain, tmp_path):
    return shutil.copytree(plain, tmp_path / "copy")


def renamed(folder, change):
    tensors = load_file(folder / WEIGHTS)
    save_file({change(name, i): t for i, (name, t) in enumerate(sorted(tensors.items()))}, folder / WEIGHTS)


def configured(folder, **fields):
    held = json.loads((folder / CONFIG).read_text())
    for name, value in fields.items():
        held.pop(name, None) if value is KeyError else held.update({name: value})
    (folder / CONFIG).write_text(json.dumps(held))


def refusal(base, folder):
    before, modules = fingerprint(base), list(base.modules())
    with pytest.raises(ModelError) as error, adapted(base, folder):
        pass
    assert fingerprint(base) == before and list(base.modules()) == modules
    said = str(error.value)
    assert "\n" not in said and said.startswith("adapter: ") and len(said) < 600
    return said


PREFIXES = {
    "compiled": (lambda n, _: "_orig_mod." + n, "strip '_orig_mod.' from"),
    "parallel": (lambda n, _: "module." + n, "strip 'module.' from"),
    "both": (lambda n, _: "module._orig_mod." + n, "strip 'module._orig_mod.' from"),
    "twice": (lambda n, _: FIRST + n, "strip 'base_model.model.' from"),
    "one more model": (lambda n, _: n.replace("model.model.layers", "model.model.model.layers"), "strip 'model.' from"),
    "bare": (lambda n, _: n.removeprefix(FIRST), "put 'base_model.model.' before"),
    "bare body": (lambda n, _: n.removeprefix(FIRST + "model."), "put 'base_model.model.model.' before"),
    "compiled inside": (lambda n, _: n.replace("model.layers", "model._orig_mod.layers"), "strip '_orig_mod.' from"),
    "other layers": (lambda n, _: n.replace("layers", "h"), "belong to no layer"),
    "other spelling": (lambda n, _: n.replace("lora_A", "lora_down"), "belong to no layer"),
    "one only": (lambda n, i: "_orig_mod." + n if i == 0 else n, "1 of 8"),
    "one layer too far": (lambda n, _: n.replace("layers.1", "layers.7"), "layers.7"),
    "upper case": (lambda n, _: n.upper(), "belong to no layer"),
}


@pytest.mark.parametrize("name", PREFIXES)
def test_names_that_are_not_this_bases_are_refused_with_the_likely_prefix(name, base, folder):
    change, says = PREFIXES[name]
    before = load_file(folder / WEIGHTS)
    renamed(folder, change)
    said = refusal(base, folder)
    assert says in said and any(t in said for t in load_file(folder / WEIGHTS).keys() - before.keys())


def test_names_that_hold_the_adapters_own_name_are_read_as_by_peft(base, plain, folder):
    renamed(folder, lambda n, _: n.replace(".weight", ".default.weight"))
    want = logliks(pefts_own(base, str(folder)))
    with adapted(base, folder) as model:
        assert gap(logliks(model), want) < 1e-4 and gap(want, logliks(pefts_own(base, str(plain)))) < 1e-6


@pytest.mark.parametrize("less", [1, 3, 7])
def test_tensors_that_are_not_in_the_file_are_named(less, base, folder):
    tensors = dict(sorted(load_file(folder / WEIGHTS).items())[less:])
    gone = sorted(load_file(folder / WEIGHTS))[0]
    save_file(tensors, folder / WEIGHTS)
    assert gone in refusal(base, folder)


def test_tensors_too_many_are_named(base, folder):
    tensors = load_file(folder / WEIGHTS)
    save_file(tensors | {"extra": torch.zeros(3)}, folder / WEIGHTS)
    assert "extra" in refusal(base, folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_values_that_are_not_finite_are_refused_by_tensor(value, dtype, base, folder):
    tensors = {name: t.to(dtype) for name, t in load_file(folder / WEIGHTS).items()}
    name = sorted(tensors)[3]
    tensors[name].view(-1)[5] = value
    save_file(tensors, folder / WEIGHTS)
    said = refusal(base, folder)
    assert name in said and "NaN or infinite" in said


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.uint8, torch.bool])
def test_values_that_are_no_fractions_are_refused(dtype, base, folder):
    tensors = load_file(folder / WEIGHTS)
    name = sorted(tensors)[0]
    save_file(tensors | {name: tensors[name].to(dtype)}, folder / WEIGHTS)
    assert name in refusal(base, folder)


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t.T.contiguous(), lambda t: t[None].contiguous(), lambda t: t.flatten(), lambda t: t[:0]])  # fmt: skip
def test_another_shape_is_refused_by_name(change, base, folder):
    tensors = load_file(folder / WEIGHTS)
    name = sorted(tensors)[1]
    save_file(tensors | {name: change(tensors[name])}, folder / WEIGHTS)
    said = refusal(base, folder)
    assert name in said and "does not fit" in said


def test_an_adapter_of_a_base_with_more_tokens_says_what_to_do(base, folder):
    tensors = load_file(folder / WEIGHTS)
    for name in ("model.embed_tokens", "lm_head"):
        tensors[f"{FIRST}{name}.weight"] = torch.zeros(40, 32)
    save_file(tensors, folder / WEIGHTS)
    assert "resize_token_embeddings" in refusal(base, folder)


FIELDS = {
    "a rank that is text": {"r": "4"}, "no rank": {"r": KeyError}, "rank 0": {"r": 0}, "a rank below 0": {"r": -4}, "true for a rank": {"r": True},
    "another rank": {"r": 8}, "no alpha": {"lora_alpha": KeyError}, "alpha of text": {"lora_alpha": "8"}, "alpha null": {"lora_alpha": None},
    "alpha 0": {"lora_alpha": 0}, "alpha 0.0": {"lora_alpha": 0.0}, "alpha -0.0 of rsLoRA": {"lora_alpha": -0.0, "use_rslora": True},
    "alpha 0 for a module": {"alpha_pattern": {"q_proj": 0}}, "alpha true": {"lora_alpha": True},
    "rsLoRA as text": {"use_rslora": "false"}, "rsLoRA as a number": {"use_rslora": 1},
    "DoRA without magnitudes": {"use_dora": True}, "DoRA as text": {"use_dora": "no"}, "fan as text": {"fan_in_fan_out": "false"},
    "bias of another kind": {"bias": "some"}, "bias true": {"bias": True}, "lora_bias without them": {"lora_bias": True},
    "no kind": {"peft_type": KeyError}, "an unknown kind": {"peft_type": "LORA2"}, "kind null": {"peft_type": None}, "kind a list": {"peft_type": ["LORA"]},
    "another task": {"task_type": "SEQ_2_SEQ_LM"}, "no such task": {"task_type": "x"}, "other modules": {"target_modules": ["k_proj"]},
    "fewer modules": {"target_modules": ["q_proj"]}, "modules that are not there": {"target_modules": ["c_attn"]}, "no modules": {"target_modules": []},
    "modules of numbers": {"target_modules": [1]}, "modules a number": {"target_modules": 3}, "more modules": {"target_modules": "all-linear"},
    "a pattern of ranks": {"rank_pattern": {"q_proj": 2}}, "a pattern of text": {"alpha_pattern": {"q_proj": "8"}},
    "a pattern true": {"alpha_pattern": {"q_proj": True}}, "a pattern that is a list": {"alpha_pattern": [4]}, "rank pattern 0": {"rank_pattern": {"q_proj": 0}},
    "fewer layers": {"layers_to_transform": [0]}, "a layer as text": {"layers_to_transform": "0"}, "saved modules missing": {"modules_to_save": ["lm_head"]},
    "saved modules as text": {"modules_to_save": "lm_head"}, "tokens missing": {"trainable_token_indices": [3]},
    "a field of the future": {"use_superlora": True}, "older PEFT's switches": {"enable_lora": [True, False, True]},
    "a start that changes the base": {"init_lora_weights": "corda"}, "an invocation": {"alora_invocation_tokens": [5]}, "an invocation text": {"alora_invocation_string": "x"},
    "VeRA's": {"peft_type": "VERA"}, "IA3's": {"peft_type": "IA3"}, "LoHa's": {"peft_type": "LOHA"},
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_a_configuration_that_is_not_the_adapters_is_refused(name, base, folder):
    configured(folder, **FIELDS[name])
    said = refusal(base, folder)
    told = ("belong to no layer", "are missing", "does not fit", "does not know the field")
    assert any(field in said for field in (*FIELDS[name], *told))


SOUND = {
    "of the first PEFT": {k: KeyError for k in ("use_rslora", "use_dora", "lora_bias", "rank_pattern", "alpha_pattern", "layer_replication",
                                                "loftq_config", "megatron_core", "exclude_modules", "peft_version", "eva_config", "target_parameters")}
    | {"enable_lora": None, "merge_weights": False},
    "empty fields of the future": {"use_superlora": False, "future_config": None, "future_list": []},
    "alpha 16.0": {"lora_alpha": 16.0}, "alpha 0.5": {"lora_alpha": 0.5}, "rsLoRA": {"use_rslora": True}, "alpha by module": {"alpha_pattern": {"q_proj": 3}},
    "a name with dots": {"target_modules": ["self_attn.q_proj", "self_attn.v_proj"]}, "as a pattern": {"target_modules": r".*\.[qv]_proj"},
    "dropout, which is off": {"lora_dropout": 0.5}, "in training": {"inference_mode": False}, "without a task": {"task_type": None},
    "of another name": {"base_model_name_or_path": "someone/else"}, "a start of no effect": {"init_lora_weights": "gaussian"},
}  # fmt: skip


@pytest.mark.parametrize("name", SOUND)
def test_a_configuration_that_peft_reads_gives_pefts_numbers(name, base, folder, chat):
    configured(folder, **SOUND[name])
    with adapted(base, folder) as model:
        found = [x for values in LocalEngine(model, chat, packing=True).score(REQUESTS) for x in values]
    assert gap(found, logliks(pefts_own(base, str(folder)))) < 1e-4


def test_the_other_base_that_an_adapter_names_is_said_and_an_adapter_of_no_effect(base, folder):
    said = []
    configured(folder, base_model_name_or_path="org/other-base")
    base.name_or_path = "/models/this-base"
    try:
        with adapted(base, folder, say=said.append):
            pass
        configured(folder, base_model_name_or_path="org/this-base")  # the same, by its hub id
        tensors = load_file(folder / WEIGHTS)
        save_file({n: t.zero_() if "lora_B" in n else t for n, t in tensors.items()}, folder / WEIGHTS)
        with adapted(base, folder, say=said.append) as model:
            assert gap(logliks(model), logliks(base)) < 1e-6
    finally:
        base.name_or_path = ""
    assert len(said) == 2 and "org/other-base" in said[0] and "every matrix B is zero" in said[1]


@pytest.mark.parametrize(
    "data", [b"", b"17", b"null", b"[1]", b'{"a": [1', b"\xff\xfe", b"[" * 100_000, b'{"r": 4, "r": 8}', b'{"r": NaN}']
)
def test_a_configuration_that_is_no_object_is_refused(data, base, folder):
    (folder / CONFIG).write_bytes(data)
    assert CONFIG in refusal(base, folder)


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(share, base, folder):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: int(share * len(data))])
    assert "not a complete safetensors file" in refusal(base, folder)


def test_what_is_no_adapter_folder_is_refused(base, folder, tmp_path):
    assert "is not a folder" in refusal(base, tmp_path / "nowhere")
    assert "holds no adapter_model.safetensors" in refusal(base, tmp_path)
    tensors = load_file(folder / WEIGHTS)
    (folder / WEIGHTS).unlink()
    torch.save(tensors, folder / "adapter_model.bin")
    assert "pickle" in refusal(base, folder)
    save_file({}, folder / WEIGHTS)
    assert "no tensor" in refusal(base, folder)
    (folder / CONFIG).unlink()
    save_file(tensors, folder / WEIGHTS)
    assert f"holds no {CONFIG}" in refusal(base, folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 40) | st.floats(-4, 40) | st.sampled_from(["", "none", "all", "q_proj", "LORA", "pissa"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["q_proj", "v_proj"]), inner, max_size=2),
    max_leaves=3,
)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_value_of_any_field_gives_pefts_numbers_or_is_refused(base, plain, tmp_path_factory, data):
    fields = json.loads((plain / CONFIG).read_text())
    field = data.draw(st.sampled_from(sorted(fields)))
    folder = shutil.copytree(plain, tmp_path_factory.mktemp("drawn") / "copy")
    configured(folder, **{field: data.draw(JSON)})
    before = fingerprint(base)
    try:
        with adapted(base, folder, merge=False) as model:
            found = logliks(model)
    except ModelError as error:
        assert "\n" not in str(error)
    else:
        assert gap(found, logliks(pefts_own(base, str(folder)))) < 1e-4
    assert fingerprint(base) == before


def test_the_head_of_a_list_of_names():
    assert adapter_files.few(["c", "a", "d", "b"]) == "a, b, c and 1 more" and adapter_files.few(["a"]) == "a"


@pytest.mark.parametrize("change", [
    lambda n, _: n.replace("lora_A.weight", "lora_A.2.weight") if "q_proj" in n else "x." + n, lambda n, _: n.replace("lora_", "lolora_"),
    lambda n, i: ("_orig_mod." if i % 2 else "module.") + n, lambda n, _: n.replace(".weight", "_w.weight"),
])  # fmt: skip
def test_no_prefix_is_advised_that_does_not_explain_every_name(change, base, folder):
    renamed(folder, change)
    assert not any(word in refusal(base, folder) for word in ("strip", "put ", " add "))


OUT_OF_PLACE = {"below 0": ([3, 9, 12], [-3, 9, 12]), "beyond": ([3, 9, 12], [3, 9, 31]), "far beyond": ([3, 9, 12], [3, 9, 2**40]), "twice": ([3, 9, 12], [3, 9, 9])}  # fmt: skip


@pytest.mark.parametrize("name", OUT_OF_PLACE)
@pytest.mark.parametrize("how", ["of LoRA", "of LoRA, by module", "alone"])
def test_trained_tokens_that_the_base_does_not_have_are_refused(name, how, base, tmp_path):
    ids, wrong = OUT_OF_PLACE[name]
    put = (lambda ids: {"embed_tokens": ids}) if how == "of LoRA, by module" else (lambda ids: ids)
    config = other("TrainableTokens", ["embed_tokens"], token_indices=ids) if how == "alone" else lora(trainable_token_indices=put(ids))
    folder = write(config, base, tmp_path)
    configured(folder, **{"token_indices" if how == "alone" else "trainable_token_indices": put(wrong)})
    assert "token_indices" in refusal(base, folder)


@pytest.mark.parametrize("target", [["embed_positions"], ["embed_positions", "q_proj"], ["embed_positions", "fc1"]])
def test_an_adapter_that_peft_cannot_run_is_refused(target, tmp_path):
    """PEFT takes OPT's table of positions for an embedding, and fails at the first call."""
    sizes = {"hidden_size": 16, "ffn_dim": 16, "word_embed_proj_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    opt = OPTForCausalLM(OPTConfig(vocab_size=31, max_position_embeddings=64, **sizes)).eval()
    said = refusal(opt, write(lora(target), opt, tmp_path))
    assert str(tmp_path) in said and "cannot be run on this base" in said


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("value", [3e38, -3e38, 2e38])
@pytest.mark.parametrize("target", [["q_proj", "v_proj"], ["embed_tokens"]])
def test_an_adapter_whose_numbers_overflow_is_refused(merge, value, target, base, chat, tmp_path):
    """Where only some tokens do, when they are asked."""
    folder = write(lora(target), base, tmp_path)
    tensors = load_file(folder / WEIGHTS)
    name = next(n for n in sorted(tensors) if "lora_B" in n or "embedding_A" in n)
    tensors[name].view(-1)[20] = value  # of an embedding's A: of token 20 alone
    save_file(tensors, folder / WEIGHTS)
    with pytest.raises(ModelError, match=f"adapter: {tmp_path}.*not finite"), adapted(base, folder, merge=merge) as model:
        LocalEngine(model, chat).score([ScoreRequest((1, 20, 9), ((20, 5), (6,)))])
