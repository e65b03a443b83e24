"""A model as `init` sees it: from its folder's files, or from the facts shipped for known hub models. Nothing is loaded or requested."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.config import ModelConfig
from holdfast.errors import ConfigError, ModelError

LARGE = 1_000_000_000  # parameters from which float32 is rarely wanted


class ModelSummary(NamedTuple):
    """`parameters`: None if unknown; `remarks`: what a user should know of this model, one line each."""

    name: str
    parameters: int | None
    dtype: str
    remarks: tuple[str, ...]


def look(name: str) -> ModelSummary:
    """Raises ConfigError for a name that no study of rows can use, ModelError for a folder that lacks what a model needs."""
    kind = name.partition(":")[0]
    if kind == "world":
        raise ConfigError(f"model {name!r}: an embedded world has its own study without a file: holdfast run embedded model.name={name}")
    if kind == "random":
        return ModelSummary(name, _parameters(name), "float32", ("Random weights: what is measured is chance.",))
    folder = Path(name)
    if folder.is_dir():
        return _folder(name, folder)
    if name.startswith((".", "/", "~")) or not re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w./-]+)?", name):
        raise ConfigError(f"model {name!r}: neither an existing folder nor a hub id org/name[@revision]")
    from holdfast.planning.device import known

    if name.partition("@")[0] not in known():
        return ModelSummary(name, None, "bfloat16", ("Not looked at: it is on the hub. `holdfast doctor` checks it once it is here.",))
    size, remarks = _parameters(name), ["Its shape is known to holdfast: `plan --device-memory` needs no network."]
    if name.startswith("meta-llama/"):
        page = f"https://huggingface.co/{name.partition('@')[0]}"
        remarks.append(f"Gated model: accept the licence at {page} and run `hf auth login`.")
    return ModelSummary(name, size, "bfloat16" if size >= LARGE else "float32", tuple(remarks))


def _folder(name: str, folder: Path) -> ModelSummary:
    config, remarks = _json(folder / "config.json"), []
    if not isinstance(config, dict):
        raise ModelError(f"model {name!r}: holds no config.json; name a checkpoint folder in the hub's format")
    if (folder / "adapter_config.json").is_file():
        raise ModelError(f"model {name!r}: is an adapter; name its base model, and see `holdfast probe --adapter`")
    if not any(folder.glob("*.safetensors")):
        raise ModelError(f"model {name!r}: holds no .safetensors weights; save it with safe_serialization (no pickle is read)")
    settings = _json(folder / "tokenizer_config.json")
    if not (folder / "chat_template.jinja").is_file() and not (isinstance(settings, dict) and settings.get("chat_template")):
        remarks.append("Its tokenizer has no chat template: give a Jinja file as model.chat_template.")
    parameters = _parameters(name)
    stored = config.get("dtype") or config.get("torch_dtype")
    return ModelSummary(name, parameters, "bfloat16" if stored == "bfloat16" and parameters >= LARGE else "float32", tuple(remarks))


def _parameters(name: str) -> int:
    from holdfast.planning.device import architecture

    return architecture(ModelConfig(name=name)).parameters


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
