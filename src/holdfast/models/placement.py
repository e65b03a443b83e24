"""A base whose layers lie on several devices, or partly on disk (execution.device_map): placed and moved by accelerate's hooks.

Such a model runs by ordinary calls: packed rows would have to follow it from device to device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

SPREAD_REASON = "its layers lie on several devices"


def is_spread(model: nn.Module) -> bool:
    """Whether the weights are not all on one device: several hold them, or they are fetched when a layer needs them."""
    devices = {p.device for p in model.parameters()}
    return len(devices) > 1 or any(d.type == "meta" for d in devices)


def entry_device(model: Any) -> torch.device:
    """Where a model takes its token ids."""
    base = model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model
    device = getattr(getattr(base, "_hf_hook", None), "execution_device", None)
    return torch.device(device) if device is not None else next(model.parameters()).device


@contextmanager
def placeholder_weights(base: nn.Module) -> Iterator[None]:
    """Replace weights that are fetched by placeholders in memory, of the same shape and no size: PEFT creates matrices on a weight's device."""
    away = [(m, n, p) for m in base.modules() for n, p in m.named_parameters(recurse=False) if p.device.type == "meta"]
    for module, name, weight in away:
        module._parameters[name] = nn.Parameter(torch.empty(1, dtype=weight.dtype).expand(weight.shape), requires_grad=False)
    try:
        yield
    finally:
        for module, name, weight in away:
            module._parameters[name] = weight


def place_lora(model: nn.Module) -> None:
    """Put every LoRA matrix of a PeftModel where its layer computes."""
    from peft.tuners.lora import LoraLayer

    for module in model.modules():
        if isinstance(module, LoraLayer):
            device = getattr(getattr(module.get_base_layer(), "_hf_hook", None), "execution_device", None)
            for part in (module.lora_A, module.lora_B) if device is not None else ():  # else PEFT has put them on the weight's device
                part.to(device)
