"""A model's shape without its weights: from the facts shipped with the recipes, a folder's config.json, or the hub's."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import torch
from torch import nn

from holdfast.config import ModelConfig, TrainConfig
from holdfast.engine import memory, packed
from holdfast.errors import ModelError
from holdfast.models import quantized


@dataclass(frozen=True, slots=True)
class Architecture:
    """`model`: every module, on torch's meta device; `body`, `head`: weights of linears and of the output embedding."""

    model: nn.Module
    parameters: int
    body: int
    head: int
    source: str

    def trainable(self, config: TrainConfig) -> int:
        """Parameters of a LoRA adapter on `target_modules`: r (in + out) for every linear layer it names (Hu et al. 2022, section 4.1)."""
        head = self.model.get_output_embeddings()
        names = config.target_modules

        def wanted(name: str) -> bool:  # as PEFT reads it: a string is a pattern of whole names, a list holds their ends
            if isinstance(names, str):
                return names == "all-linear" or re.fullmatch(names, name) is not None
            return any(name == n or name.endswith(f".{n}") for n in names)

        return sum(
            config.r * (m.in_features + m.out_features)
            for name, m in self.model.named_modules()
            if isinstance(m, nn.Linear) and m is not head and wanted(name)
        )

    def needs(self, checkpointing: bool) -> memory.Needs:
        return memory.Needs.of(self.model, checkpointing)


@cache
def known() -> dict[str, dict[str, Any]]:
    """Configurations by hub id, as their config.json has them, less what changes no shape."""
    return json.loads(resources.files("holdfast").joinpath("planning", "models.json").read_text(encoding="utf-8"))


def architecture(config: ModelConfig) -> Architecture:
    """Raises ModelError if the model is neither known nor to be had."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from holdfast.models.checkpoint import load_config

    facts = known().get(config.name.partition("@")[0])
    if facts is not None:
        shape, source = AutoConfig.for_model(**facts), "facts shipped with holdfast"
    else:
        shape, source = load_config(config), "the model's own config.json"
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(shape, dtype=getattr(torch, config.dtype))
    except Exception as error:
        raise ModelError(
            f"model.name: {config.name!r}: no model has this configuration: {type(error).__name__}: {str(error)[:200]}"
        ) from None
    body, head = packed.sizes(model)
    parameters = sum(p.numel() for p in model.parameters())
    return Architecture(quantized.shrunk(model) if config.quantization else model, parameters, body, head, source)
