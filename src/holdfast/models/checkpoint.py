"""The base checkpoint: from the embedded world, a local folder or a hub id. safetensors only; no remote code unless asked."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from holdfast.config import ModelConfig
from holdfast.errors import ModelError
from holdfast.models import quantized
from holdfast.models.chat import ChatFormat


@dataclass
class Base:
    """A loaded base model with its tokenizer."""

    model: nn.Module
    chat: ChatFormat
    folder: str
    revision: str | None


def pick_device(device: str | None) -> torch.device:
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except RuntimeError:
        raise ModelError(f"execution.device: {device!r} is not a device; use cpu, cuda, cuda:0 or mps") from None
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"execution.device: {device!r} asked for, but this machine has no CUDA device; use cpu")
    return found


def resolve(config: ModelConfig) -> tuple[str, str | None]:
    """(folder or hub id, revision) of the configured model."""
    if config.endpoint is not None:
        raise ModelError(f"model.name: {config.name!r} is a server's model: its weights are not here; run, plan and probe ask it")
    if config.world_seed is not None:
        from holdfast.world import base_path

        folder = base_path(config.world_seed)
        if not (Path(folder) / "model.safetensors").is_file():
            raise ModelError(
                f"model.name: no base shipped for {config.name!r}; build it: "
                f"python -m holdfast.world.build --seed {config.world_seed} --out DIR, then model.name=DIR"
            )
        return str(folder), None
    kind, _, seed = config.name.partition(":")
    if kind == "random":
        from holdfast.models.random_llama import cached_random_llama

        if not re.fullmatch(r"[0-9]{1,9}", seed):
            raise ModelError(f"model.name: {config.name!r}: a model of random weights is named by its seed, for example random:0")
        return str(cached_random_llama(int(seed))), None
    if config.name.startswith("world:"):
        raise ModelError(f"model.name: {config.name!r}: a world is named by its seed, for example world:0")
    if Path(config.name).is_dir():
        return config.name, None
    name, _, revision = config.name.partition("@")
    if config.name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise ModelError(f"model.name: {config.name!r} is neither an existing folder nor a hub id org/name[@revision]")
    return name, revision or None


def digest(config: ModelConfig) -> str:
    """Identity of the base: sha256 over its weight, config and tokenizer files, or the hub id with its revision."""
    where, revision = resolve(config)
    folder = Path(where)
    if not folder.is_dir():
        return f"{where}@{revision or 'main'}"
    whole = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in (".safetensors", ".json", ".model", ".jinja") and file.name != "recipe.json":
            whole.update(file.name.encode())
            with file.open("rb") as stream:
                while block := stream.read(1 << 20):
                    whole.update(block)
    return whole.hexdigest()


def load_tokenizer(config: ModelConfig) -> Any:
    from transformers import AutoTokenizer

    where, revision = resolve(config)
    try:
        tokenizer = AutoTokenizer.from_pretrained(where, revision=revision, trust_remote_code=config.trust_remote_code)
    except Exception as error:
        raise ModelError(f"model.name: no tokenizer could be loaded from {where!r}: {_line(error)}{_gated(where, error)}") from None
    if config.chat_template:
        file = Path(config.chat_template)
        if not file.is_file():
            raise ModelError(f"model.chat_template: no such file: {config.chat_template}")
        tokenizer.chat_template = file.read_text(encoding="utf-8")
    if not tokenizer.chat_template:
        raise ModelError(
            f"model.name: the tokenizer of {where!r} has no chat template; name a chat model, or give a Jinja file as model.chat_template"
        )
    return tokenizer


def load_config(config: ModelConfig) -> Any:
    """The text model's configuration. Raises ModelError if there is none."""
    from transformers import AutoConfig

    where, revision = resolve(config)
    try:
        return AutoConfig.from_pretrained(where, revision=revision, trust_remote_code=config.trust_remote_code).get_text_config()
    except Exception as error:
        raise ModelError(f"model.name: no configuration could be loaded from {where!r}: {_line(error)}{_gated(where, error)}") from None


def load_base(
    config: ModelConfig,
    device: torch.device | str = "cpu",
    device_map: str | dict[str, Any] | None = None,
    max_memory: dict[Any, Any] | None = None,
) -> Base:
    """Weights in the configured dtype on `device`, in eval mode; or where `device_map` puts them, as transformers reads it.

    Raises ModelError if the checkpoint is missing, gated, not in safetensors, or needs code of its own; ConfigError if it cannot be quantised.
    """
    from transformers import AutoModelForCausalLM

    where, revision = resolve(config)
    tokenizer = load_tokenizer(config)
    fewer_bits = quantized.loading(config.dtype, torch.device(device)) if config.quantization else {}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            where,
            revision=revision,
            dtype=getattr(torch, config.dtype),
            use_safetensors=True,
            trust_remote_code=config.trust_remote_code,
            **{**fewer_bits, **({"device_map": device_map, "max_memory": max_memory} if device_map else {})},
        )
    except Exception as error:
        raise ModelError(f"model.name: {where!r} could not be loaded: {_line(error)}{_gated(where, error)}") from None
    placed = quantized.steady(model) if fewer_bits else model if device_map else model.to(device)
    return Base(placed.eval(), ChatFormat(tokenizer), where, revision)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__


def _gated(where: str, error: Exception) -> str:
    if "gated" in str(error).lower() or "401" in str(error) or "403" in str(error):
        return f". Accept the licence at https://huggingface.co/{where} and run: hf auth login"
    return ""
