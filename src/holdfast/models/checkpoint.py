"""The base checkpoint: from the embedded world, a local folder or a hub id. safetensors only; remote code only if the study allows it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.config import ModelConfig
from holdfast.errors import ModelError
from holdfast.models.chat import ChatFormat, no_template

if TYPE_CHECKING:  # an audit reads a tokenizer without torch
    import torch
    from torch import nn


@dataclass
class Base:
    """A loaded base model with its tokenizer; `folder`: where it was loaded from, or its hub id."""

    model: nn.Module
    chat: ChatFormat
    folder: str


def pick_device(device: str | None) -> torch.device:
    """The named device; None: a CUDA device if there is one, else the CPU."""
    import torch

    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        picked = torch.device(device)
    except RuntimeError:
        raise ModelError(f"execution.device: {device!r} is not a device; use cpu, cuda, cuda:0 or mps") from None
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"execution.device: {device!r} is set, but this machine has no CUDA device; use cpu")
    return picked


def resolve(config: ModelConfig) -> tuple[str, str | None]:
    """(folder or hub id, revision) of the configured model."""
    if config.endpoint is not None:
        raise ModelError(
            f"model.name: {config.name!r} is a server's model: its weights are not on this machine; run, plan and probe query it"
        )
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
                hashlib.file_digest(stream, lambda: whole)
    return whole.hexdigest()


def load_tokenizer(config: ModelConfig) -> Any:
    """The tokenizer with its chat template. Raises ModelError if either is missing."""
    if config.world_seed is not None or config.name.startswith("random:"):
        from transformers import PreTrainedTokenizerFast as loader  # what AutoTokenizer returns for these, without importing torch
    else:
        from transformers import AutoTokenizer as loader

    tokenizer = _load(loader, config, "no tokenizer could be loaded from {}")
    if config.chat_template:
        file = Path(config.chat_template)
        if not file.is_file():
            raise ModelError(f"model.chat_template: no such file: {config.chat_template}")
        tokenizer.chat_template = file.read_text(encoding="utf-8")
    if not tokenizer.chat_template:
        raise no_template(resolve(config)[0])
    return tokenizer


def load_config(config: ModelConfig) -> Any:
    """The text model's configuration. Raises ModelError if there is none."""
    from transformers import AutoConfig

    return _load(AutoConfig, config, "no configuration could be loaded from {}").get_text_config()


def load_base(
    config: ModelConfig,
    device: torch.device | str = "cpu",
    device_map: str | dict[str, Any] | None = None,
    max_memory: dict[Any, Any] | None = None,
) -> Base:
    """Weights in the configured dtype on `device`, in eval mode; or where `device_map` places them, as transformers reads it.

    Raises ModelError if the checkpoint is missing, gated, not in safetensors, or needs code of its own; ConfigError if it cannot be quantized.
    """
    import torch
    from transformers import AutoModelForCausalLM

    from holdfast.models import quantized

    tokenizer = load_tokenizer(config)
    options = quantized.load_options(config.dtype, torch.device(device)) if config.quantization else {}
    if device_map:
        options |= {"device_map": device_map, "max_memory": max_memory}
    dtype = getattr(torch, config.dtype)
    model = _load(AutoModelForCausalLM, config, "{} could not be loaded", dtype=dtype, use_safetensors=True, **options)
    placed = quantized.keep_packed_weights(model) if config.quantization else model if device_map else model.to(device)
    return Base(placed.eval(), ChatFormat(tokenizer), resolve(config)[0])


def _load(loader: Any, config: ModelConfig, failure: str, **options: Any) -> Any:
    where, revision = resolve(config)
    try:
        return loader.from_pretrained(where, revision=revision, trust_remote_code=config.trust_remote_code, **options)
    except Exception as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if "gated" in str(error).lower() or "401" in str(error) or "403" in str(error):
            reason += f". Accept the licence at https://huggingface.co/{where} and run: hf auth login"
        raise ModelError(f"model.name: {failure.format(repr(where))}: {reason}") from None
