"""Adapter folders in PEFT's format, damaged field by field and tensor by tensor: refused, or PEFT's own numbers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.malformed_cases.common import HOSTILE, Case, put

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
ROWS = '{"prompt": [{"type": "human", "content": "Comment on this."}], "base": {"dataset": "arguments", "text": "Trees give shade, hence towns need trees."}, "metadata": {}}\n'  # noqa: E501
STUDY = """name: small
seeds: 1
domains: [{name: none, role: "null", identity: true}]
instruments: [{kind: feedback, data: rows.jsonl, form: sycophancy_eval}]
data: {root: .}
"""
Change = Callable[[Path], object]

# A field with a value that no adapter of these tensors (LoRA of rank 4 on q_proj and v_proj) can have; how PEFT would take it is not asked.
WRONG: dict[str, list[Any]] = {
    "peft_type": [*HOSTILE[:5], "LORA ", "lora", "LoRA", "XLORA", "POLY", "PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "VERA", "IA3", "LOHA", "LOKR", "OFT",
                  "BOFT", "ADALORA", "HRA", "LN_TUNING", "FOURIERFT", "VBLORA", "TRAINABLE_TOKENS", "CPT", "MISS", ["LORA"], {"LORA": 1}],
    "task_type": [True, 1, "x", "", "causal_lm", "SEQ_CLS", "TOKEN_CLS", "SEQ_2_SEQ_LM", "QUESTION_ANS", "FEATURE_EXTRACTION", ["CAUSAL_LM"]],
    "r": [None, True, False, 0, -1, 1, 2, 3, 5, 8, 1e9, 4.5, "4", "", [4], {"r": 4}, 10**30, float("nan")],
    "lora_alpha": [None, True, "8", "", [8], {}, float("nan"), float("inf"), 0, -8],
    "target_modules": [None, True, 3, "", [], [1], {}, ["nosuch"], ["q_proj"], ["k_proj", "v_proj"], ["q_proj", "v_proj", "o_proj"], "nosuch.*", "all-linear",
                       ["Q_PROJ", "V_PROJ"], ["q_proj", None], "([", ["model"]],
    "exclude_modules": [["q_proj"], "v_proj", 3, [1], ["q_proj", "v_proj"], ".*q_proj"],
    "use_rslora": ["true", "false", 1, 0, None, [], "yes"],
    "use_dora": ["false", 1, None, [], True],
    "lora_bias": ["false", 1, None, True],
    "fan_in_fan_out": ["false", 1, None, []],
    "bias": [None, True, "", "some", "ALL", 1, ["all"]],
    "lora_dropout": ["0.1", None, True, [], float("nan"), "x"],
    "rank_pattern": [3, "q_proj", [4], {"q_proj": 2}, {"q_proj": "4"}, {"q_proj": 0}, {"q_proj": -4}, {"v_proj": None}, {"q_proj": True}, {"q_proj": [4]},
                     {"layers.0.self_attn.q_proj": 8}, {"q_proj": 4.5}],
    "alpha_pattern": [3, "q_proj", [4], {"q_proj": "8"}, {"q_proj": None}, {"q_proj": True}, {"q_proj": [8]}, {"v_proj": float("nan")}],
    "layers_to_transform": ["0", [0], 0, 1, [1], True, ["0"], [7], 7, {"0": 1}],
    "layers_pattern": [3, {}, [1]],
    "modules_to_save": ["lm_head", ["lm_head"], ["embed_tokens"], 3, [1], ["norm"], {"lm_head": 1}],
    "trainable_token_indices": [[3], [0, 1], {"embed_tokens": [2]}, "3", 3, {"nosuch": [1]}, [-1], [10**6], ["a"]],
    "init_lora_weights": ["pissa", "pissa_niter_4", "olora", "corda", "loftq", "lora_ga", "x", 3, []],
    "alora_invocation_tokens": [[5], [], [5, 6], "x", 5],
    "layer_replication": [[[0, 1], [0, 1]], "x", 3],
    "megatron_config": [{"tensor_model_parallel_size": 2}],
    "target_parameters": [["q_proj.weight"], "x", 3],
    "use_qalora": [True, "x", 1],
    "arrow_config": [{"top_k": 3}],
    "inference_mode": ["no", 1, None],
    "future_field": [True, 1, "x", ["q_proj"], {"a": 1}],
    "enable_lora": [[True, False, True], True],
    "alora_invocation_string": ["<start>"],
    "use_lora_plus_plus": [True],
}  # fmt: skip
LACKING = ("peft_type", "r", "lora_alpha")
# A field with a value that PEFT reads; the numbers are PEFT's.
READ: dict[str, list[Any]] = {
    "use_dora": [KeyError, False], "lora_bias": [KeyError, False], "megatron_config": [KeyError, None], "loftq_config": [KeyError, {}],
    "lora_alpha": [1, 8, 16, 16.0, 0.5, 2.75], "use_rslora": [True, False], "lora_dropout": [0, 0.0, 0.1, 0.9], "inference_mode": [True, False],
    "base_model_name_or_path": [None, "", "other/base", "/nowhere/base"], "task_type": [None, "CAUSAL_LM"], "alpha_pattern": [{}, {"q_proj": 2}, {"nosuch": 3}, {"v_proj": 0.5}],
    "rank_pattern": [{}, {"q_proj": 4}, {"nosuch": 9}], "target_modules": [["q_proj", "v_proj"], ["v_proj", "q_proj"], ["self_attn.q_proj", "v_proj"], r".*\.(q|v)_proj"],
    "init_lora_weights": [True, False, "gaussian", "orthogonal"], "modules_to_save": [None, []], "bias": ["none", "all", "lora_only"], "layers_to_transform": [None, [0], 0],
    "revision": [None, "main", KeyError], "peft_version": [None, "0.3.0", "99.0.0"], "auto_mapping": [None, KeyError], "future_field": [None, False, [], {}, ""],
    "enable_lora": [None],
    "merge_weights": [False], "exclude_modules": [None, [], ["k_proj"]], "fan_in_fan_out": [False], "megatron_core": ["megatron.core", None],
}  # fmt: skip


@cache
def _adapter(base: Path) -> Path:
    """A LoRA of a checkpoint, every value drawn."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    folder = base.parent / "adapter of the base"
    torch.manual_seed(3)
    net: Any = AutoModelForCausalLM.from_pretrained(base)
    made = get_peft_model(net, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    with torch.no_grad():
        for p in made.parameters():
            if p.requires_grad:
                p.normal_(std=0.5)
    made.save_pretrained(str(folder))
    return folder


def _field(name: str, value: Any) -> Change:
    def change(place: Path) -> None:
        held = json.loads((place / CONFIG).read_bytes())
        held.pop(name, None) if value is KeyError else held.update({name: value})
        (place / CONFIG).write_text(json.dumps(held))

    return change


def _tensors(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Change:
    def write(place: Path) -> None:
        from safetensors.torch import load_file, save_file

        held = load_file(place / WEIGHTS)
        save_file({n: t.contiguous() for n, t in change(dict(sorted(held.items()))).items()}, place / WEIGHTS)

    return write


def _named(change: Callable[[str], str]) -> Change:
    return _tensors(lambda held: {change(name): t for name, t in held.items()})


def _one(which: int, change: Callable[[Any], Any]) -> Change:
    return _tensors(lambda held: {name: change(t) if i == which else t for i, (name, t) in enumerate(held.items())})


def _filled(which: int, at: int, value: float) -> Change:
    def change(t: Any) -> Any:
        t = t.clone()
        t.view(-1)[at] = value
        return t

    return _one(which, change)


def _names() -> Iterator[tuple[str, Change]]:
    first = "base_model.model."
    for piece in (
        "_orig_mod.",
        "module.",
        first,
        "base_model.",
        "model.",
        "_fsdp_wrapped_module.",
        "default.",
        "lora.",
        "x.",
        "transformer.",
        ".",
    ):
        yield f"{piece!r} before every name", _named(lambda n, p=piece: p + n)
        yield f"{piece!r} after the first two parts", _named(lambda n, p=piece: n.replace(first, first + p))
        yield f"{piece!r} before layers", _named(lambda n, p=piece: n.replace("layers.", p + "layers."))
        yield f"{piece!r} before one name", _tensors(lambda h, p=piece: {p + n if i == 1 else n: t for i, (n, t) in enumerate(h.items())})
    for old, new in (
        (first, ""), (first + "model.", ""), ("base_model.", ""), ("layers", "h"), ("layers.0", "layers.1"), ("layers.0", "layers"), ("self_attn", "attn"),
        ("self_attn", "attention"), ("q_proj", "k_proj"), ("q_proj", "c_attn"), ("v_proj", "V_proj"), ("lora_A", "lora_a"), ("lora_A", "lora_down"),
        ("lora_", "lora_magnitude_"), ("lora_A", "lora_C"), (".weight", ""), (".weight", ".bias"), (".weight", ".weight.weight"), (".", "_"), (".", "/"), ("q_proj", "q_proj "),
        ("lora_A", "lora_A.other"), ("lora_A", "hada_w1_a"), ("lora_A", "lora_embedding_A"), ("model.layers", "language_model.layers"),
    ):  # fmt: skip
        yield f"{old!r} as {new!r}", _named(lambda n, a=old, b=new: n.replace(a, b))
    for which in range(4):
        yield f"tensor {which} left out", _tensors(lambda h, k=which: {n: t for i, (n, t) in enumerate(h.items()) if i != k})
        yield f"tensor {which} alone", _tensors(lambda h, k=which: {n: t for i, (n, t) in enumerate(h.items()) if i == k})
    for extra in (
        "extra",
        first + "model.layers.0.self_attn.k_proj.lora_A.weight",
        first + "model.layers.7.self_attn.q_proj.lora_A.weight",
        first + "score.weight",
    ):
        yield f"{extra} too many", _tensors(lambda h, e=extra: h | {e: next(iter(h.values())).clone()})
    yield "no tensor", _tensors(lambda _: {})


def _values() -> Iterator[tuple[str, Change]]:
    import torch

    for which in range(4):
        for value in (float("nan"), float("inf"), -float("inf")):
            for at in (0, 7, -1):
                yield f"{value} at {at} of tensor {which}", _filled(which, at, value)
        for name, change in (
            ("a row less", lambda t: t[:-1]), ("a column less", lambda t: t[:, :-1]), ("turned", lambda t: t.t()), ("flat", lambda t: t.flatten()),
            ("deeper", lambda t: t[None]), ("empty", lambda t: t[:0]), ("twice as high", lambda t: torch.cat([t, t])), ("twice as wide", lambda t: torch.cat([t, t], 1)),
            ("one number", lambda t: t.sum()), ("one by one", lambda t: t[:1, :1]),
        ):  # fmt: skip
            yield f"tensor {which} {name}", _one(which, change)
        for dtype in (torch.int8, torch.uint8, torch.int32, torch.int64, torch.bool):
            yield f"tensor {which} as {dtype}", _one(which, lambda t, d=dtype: t.to(d))


def _bytes() -> Iterator[tuple[str, Change]]:
    for share in (0.0, 0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999):
        yield (
            f"cut at {share}",
            lambda p, s=share: (p / WEIGHTS).write_bytes((p / WEIGHTS).read_bytes()[: int(s * (p / WEIGHTS).stat().st_size)]) and None,
        )
        yield f"configuration cut at {share}", lambda p, s=share: (p / CONFIG).write_bytes((p / CONFIG).read_bytes()[: int(s * (p / CONFIG).stat().st_size)]) and None  # fmt: skip # noqa: E501
    yield "bytes after the end", lambda p: (p / WEIGHTS).write_bytes((p / WEIGHTS).read_bytes() + b"more") and None
    yield "a folder for weights", lambda p: (p / WEIGHTS).unlink() or (p / WEIGHTS).mkdir()
    yield "a folder for the configuration", lambda p: (p / CONFIG).unlink() or (p / CONFIG).mkdir()
    for text in (
        '{"peft_type": "LORA", "peft_type": "LORA"}',
        '{"peft_type": "LORA"}',
        "{}",
        '{"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}',
    ):
        yield f"configuration {text}", lambda p, t=text: (p / CONFIG).write_text(t) and None


def _differs(base: Path) -> Callable[[Path, str], str | None]:
    """An accepted adapter's log-probabilities compared with those of PEFT's own forward."""

    def right(folder: Path, out: str) -> str | None:
        import warnings

        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM

        from holdfast.models.adapters import adapted

        def logprobs(net: Any) -> Any:
            with torch.inference_mode():
                return net(input_ids=torch.tensor([[1, 9, 30, 17, 25, 40]]), use_cache=False).logits.log_softmax(-1)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            load: Any = AutoModelForCausalLM.from_pretrained
            with adapted(load(base).eval(), folder / "copy") as net:
                found = logprobs(net)
            want = logprobs(PeftModel.from_pretrained(load(base), str(folder / "copy")).eval())
        gap = float((found - want).abs().max())
        return None if gap < 1e-4 and "copy" in json.loads(out) else f"{gap:.1e} nats off PEFT"

    return right


def adapter_folders(base: Path) -> Iterator[Case]:
    """Cases on a checkpoint of one layer."""
    good, right = _adapter(base), _differs(base)

    def case(name: str, change: Change, must: bool = True) -> Case:
        def make(folder: Path) -> list[str]:
            change(Path(shutil.copytree(good, folder / "copy")))
            put(folder / "rows.jsonl", ROWS + ROWS.replace("Trees", "Roofs"))
            study = put(folder / "s.yaml", STUDY)
            return ["probe", str(base), "--study", str(study), "--device", "cpu", "--json", "--adapter", str(folder / "copy")]

        return Case("adapter folders", name, make, must, right)

    for field, values in WRONG.items():
        for value in values:  # PEFT is the judge of what is accepted
            yield case(f"{field} = {str(value)[:24]!r}", _field(field, value), must=False)
    for field in LACKING:
        yield case(f"no {field}", _field(field, KeyError))
    for field, values in READ.items():
        for value in values:
            yield case(f"{field} = {str(value)[:24]!r}, which PEFT reads", _field(field, value), must=False)
    for name, change in (*_names(), *_values(), *_bytes()):
        yield case(name, change)
