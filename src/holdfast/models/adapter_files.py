"""Adapter folders in PEFT's format, read and checked before a model is touched: what cannot be applied exactly is refused."""

from __future__ import annotations

import dataclasses
import json
import math
import typing
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from holdfast.errors import ModelError
from holdfast.escape import few, reason
from holdfast.store import unique_fields

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
TOKEN_FIELDS = ("trainable_token_indices", "token_indices")
MERGE_FIRST = "merge it into its base with PEFT's merge_and_unload(), save that, and name it as model.name"

# Kinds whose layers work on each token alone, and are checked against PEFT's forward (tests/models/test_adapter_kinds.py).
_CARRIED = frozenset(
    ("LORA", "ADALORA", "VERA", "IA3", "LOHA", "LOKR", "OFT", "BOFT", "HRA", "LN_TUNING", "FOURIERFT", "RANDLORA", "TRAINABLE_TOKENS")
)
_VIRTUAL = frozenset(("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE", "ADAPTION_PROMPT"))
# Fields that make a LoRA layer look at other tokens, change the base or draw at random, where they are set.
_NOT_CARRIED = {
    "alora_invocation_tokens": "an activated LoRA acts only after its invocation tokens, which holdfast does not carry and no merge can; "
    "serve the model, name it endpoint:URL",
    "layer_replication": f"it repeats layers of the base; {MERGE_FIRST}",
    "arrow_config": f"it chooses among adapters at every token, which holdfast does not carry; {MERGE_FIRST}",
    "monteclora_config": f"it draws its weights at random; {MERGE_FIRST}",
    "kasa_config": f"it changes the base's weights; {MERGE_FIRST}",
    "velora_config": f"holdfast does not carry this kind; {MERGE_FIRST}",
    "use_bdlora": f"holdfast does not carry layers split over devices; {MERGE_FIRST}",
    "use_qalora": f"holdfast carries no base quantized by GPTQ; {MERGE_FIRST}",
    "megatron_config": f"holdfast carries no layers of Megatron; {MERGE_FIRST}",
}
_HARMLESS_INIT = (True, False, None, "gaussian", "eva", "orthogonal")  # the others take something from the base's weights
_NEEDED = {"LORA": ("r", "lora_alpha"), "LOHA": ("r", "alpha"), "LOKR": ("r", "alpha"), "VERA": ("r",), "ADALORA": ("lora_alpha",)}
_RANKS, _SIZES = ("r", "init_r"), ("lora_alpha", "alpha", "randlora_alpha", "scaling")


@dataclass(frozen=True)
class AdapterFiles:
    """A folder's PeftConfig and tensors, by their names in the file."""

    folder: Path
    config: Any
    tensors: dict[str, Tensor]

    @property
    def plain(self) -> bool:
        """LoRA matrices and nothing else."""
        return self.config.peft_type == "LORA" and all(".lora_A." in name or ".lora_B." in name for name in self.tensors)

    def notes(self, base_name: str) -> list[str]:
        """Remarks on an adapter that is otherwise sound."""
        out, named = [], PurePath(self.config.base_model_name_or_path or "").name
        here = PurePath(base_name.partition("@")[0]).name
        if named and here and named != here:
            out.append(
                f"adapter: {self.folder}: says it was trained on {self.config.base_model_name_or_path!r}; it is put on {base_name!r}"
            )
        ends = [t for name, t in self.tensors.items() if ".lora_B." in name or name.endswith("lora_embedding_B")]
        if self.plain and ends and not any(bool(t.any()) for t in ends):
            out.append(f"adapter: {self.folder}: every matrix B is zero: it equals the base")
        return out


def read(folder: str | Path) -> AdapterFiles:
    """Read and check both files. Raises ModelError if there is anything that PEFT, or holdfast, would not apply exactly."""
    place = Path(folder)
    if not (place / WEIGHTS).is_file():
        pickled = (place / "adapter_model.bin").is_file()
        held = "holds a pickle, adapter_model.bin; load it with PEFT and save it again" if pickled else f"holds no {WEIGHTS}"
        raise ModelError(f"adapter: {place} {held if place.is_dir() else 'is not a folder'}; name a folder in PEFT's format")
    config = _config(place)
    return AdapterFiles(place, config, _tensors(place))


def refuse_names(folder: Path, file: Iterable[str], expected: Iterable[str]) -> ModelError:
    """For names of a file that are not those of the adapter's layers on this base: the first few, and what is likely wrong with them."""
    found, wanted = set(file), set(expected)
    strange, missing = found - wanted, wanted - found
    said = [f"{len(strange)} of {len(found)} tensors belong to no layer of this base ({few(strange, 2)})"] if strange else []
    fixes = {_prefix(name, missing) for name in sorted(strange)[:50]}
    if len(fixes) == 1 and (fix := fixes.pop()):
        advice = f"{fix} every name"
    else:
        said += [f"{len(missing)} tensors are missing ({few(missing, 2)})"] if missing else []
        advice = f"take the {CONFIG} it was saved with, or name the base it was trained on as model.name"
    return ModelError(f"adapter: {folder}: {'; '.join(said)}: {advice}")


def _prefix(name: str, missing: set[str]) -> str | None:
    """How a strange name becomes one that is missing: by whole components less or more in front or inside."""
    for want in sorted(missing):
        longer, shorter = (name, want) if len(name) > len(want) else (want, name)
        same = next((i for i, (a, b) in enumerate(zip(longer, shorter, strict=False)) if a != b), len(shorter))
        piece = longer[same : len(longer) - len(shorter) + same]
        if piece and longer.endswith(shorter[same:]) and not name.rpartition(".lora")[0].endswith(piece):
            # "a.b.a.c" less "a.c" is "b.a." from a's end: begin where a component begins
            start = longer.rfind(".", 0, same) + 1
            piece = longer[start : len(longer) - len(shorter) + start]
            if piece.endswith("."):
                return f"strip {piece!r} from" if longer is name else f"put {piece!r} before" if start == 0 else f"add {piece!r} to"
    return None


def _config(place: Path) -> Any:
    from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING

    given = _fields(place)
    kind, known = given.get("peft_type"), {str(k.value): c for k, c in PEFT_TYPE_TO_CONFIG_MAPPING.items()}

    def refuse(field: str, why: str) -> ModelError:
        return ModelError(f"adapter: {place / CONFIG}: {field} = {json.dumps(given.get(field))[:80]}: {why}")

    if not isinstance(kind, str) or kind not in known:
        raise refuse("peft_type", "must name one of PEFT's kinds, such as LORA")
    if kind in _VIRTUAL:
        raise refuse("peft_type", "holdfast does not carry virtual tokens before a prompt, and no merge can; serve the model, name it endpoint:URL")  # fmt: skip
    if kind not in _CARRIED:
        raise refuse("peft_type", f"holdfast does not carry this kind; {MERGE_FIRST}")
    if given.get("task_type") not in (None, "CAUSAL_LM"):
        raise refuse("task_type", "must be CAUSAL_LM: only language models are measured")
    known_fields = {f.name: f for f in dataclasses.fields(known[kind]) if f.init}
    hints = typing.get_type_hints(known[kind])
    for field, value in given.items():
        if field not in known_fields:
            if value and field != "runtime_config":
                raise refuse(field, "this PEFT does not know the field and would ignore it; install the PEFT that wrote it, or remove the field if it changes nothing")  # fmt: skip
        elif field in _NOT_CARRIED and value not in (None, False):
            raise refuse(field, _NOT_CARRIED[field])
        elif field == "init_lora_weights" and value not in _HARMLESS_INIT:
            raise refuse(field, "this start changes the base; save it as plain LoRA (save_pretrained's path_initial_model_for_weight_conversion)")  # fmt: skip
        elif not _is(value, hints[field], field):
            raise refuse(field, "is not of this field's type; take the value with which the adapter was trained")
    for field in _NEEDED.get(kind, ()):
        if field not in given:
            raise ModelError(f"adapter: {place / CONFIG}: {field} is missing, and without it the update's size is not known; add it")
    for field in (*_RANKS, *_SIZES):
        value = given.get(field, 1)
        if value != value or (value == 0 if field in _SIZES else not value > 0 and kind != "OFT"):
            raise refuse(field, "must be above 0" if field in _RANKS else "must be above 0, or the adapter is its base")
    for field, kinds in (("rank_pattern", int), ("alpha_pattern", (int, float))):
        for value in (given.get(field) or {}).values() if kind != "ADALORA" else ():
            if (
                isinstance(value, bool)
                or not isinstance(value, kinds)
                or not (value >= 1 if kinds is int else value and math.isfinite(value))
            ):
                raise refuse(
                    field,
                    "must give a rank above 0 for each module" if kinds is int else "must give a number that is not 0 for each module",
                )
    for field in TOKEN_FIELDS:
        value = given.get(field) or []
        for ids in value.values() if isinstance(value, dict) else [value]:
            if min(ids, default=0) < 0 or len({*ids}) < len(ids):
                raise refuse(field, "must be ids of tokens, from 0, each once; take the ids with which the adapter was trained")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return known[kind](**{name: value for name, value in given.items() if name in known_fields})
    except Exception as error:
        raise ModelError(f"adapter: {place / CONFIG}: {reason(error)}") from None


def _fields(place: Path) -> dict[str, Any]:
    def constant(text: str) -> Any:
        raise ValueError(f"{text} is not a number of JSON")

    try:
        given = json.loads((place / CONFIG).read_bytes().decode("utf-8-sig"), object_pairs_hook=unique_fields, parse_constant=constant)
        if not isinstance(given, dict):
            raise ValueError("not an object")
    except FileNotFoundError:
        raise ModelError(f"adapter: {place} holds no {CONFIG}; name a folder in PEFT's format") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"adapter: {place / CONFIG} is not an adapter's configuration ({reason(error)}); save the adapter again") from None
    return given


def _is(value: Any, hint: Any, field: str) -> bool:
    """Whether a value is of PEFT's declared type, strictly: "false" is not a boolean and true is not a number."""
    from pydantic import ConfigDict, TypeAdapter, ValidationError
    from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

    if field in ("lora_alpha", "alpha") and type(value) is float:  # declared as whole numbers, used as any
        return math.isfinite(value)
    if field in ("target_modules", "exclude_modules", "modules_to_save") and isinstance(value, list):
        return all(isinstance(name, str) for name in value)
    if field == "loftq_config" or field == "init_lora_weights":
        return value is None or isinstance(value, (dict, bool, str))
    try:
        TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True)).validate_json(json.dumps(value), strict=True)
    except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation):
        return True  # a type that only PEFT can read
    except (ValidationError, ValueError):
        return False
    return True


def _tensors(place: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    file = place / WEIGHTS
    try:
        tensors = load_file(file)
    except Exception as error:
        raise ModelError(f"adapter: {file} is not a complete safetensors file ({reason(error)}); copy or save it again") from None
    if not tensors:
        raise ModelError(f"adapter: {file} holds no tensor; save the adapter again")
    if other := [name for name, t in tensors.items() if not t.is_floating_point()]:
        raise ModelError(f"adapter: {file}: {few(other)}: not floating point ({tensors[other[0]].dtype}); save the adapter again")
    if wrong := [name for name, t in tensors.items() if not bool(t.float().isfinite().all())]:
        raise ModelError(f"adapter: {file}: {few(wrong)}: NaN or infinite values; its training diverged or the file is damaged")
    return tensors
