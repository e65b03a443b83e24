"""A base whose layers lie on several devices, or partly on disk (execution.device_map): placed and moved by accelerate's hooks.

Such a model is asked and trained by ordinary calls: packed rows would have to follow it from device to device.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn

WHY_NOT = "its layers lie on several devices"


def spread(model: nn.Module) -> bool:
    """Whether the weights are not all on one device: several hold them, or they are fetched when a layer needs them."""
    devices = {p.device for p in model.parameters()}
    return len(devices) > 1 or any(d.type == "meta" for d in devices)


def entry(model: nn.Module) -> torch.device:
    """Where a model takes its token ids."""
    base = model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model
    found = getattr(getattr(base, "_hf_hook", None), "execution_device", None)
    return torch.device(found) if found is not None else next(model.parameters()).device


@contextmanager
def standing_in(base: nn.Module) -> Iterator[None]:
    """Weights that are fetched have a stand-in in memory, of their shape and no size: PEFT makes a matrix beside it where it is, not nowhere."""
    away = [(m, n, p) for m in base.modules() for n, p in m.named_parameters(recurse=False) if p.device.type == "meta"]
    for module, name, weight in away:
        module._parameters[name] = nn.Parameter(torch.empty(1, dtype=weight.dtype).expand(weight.shape), requires_grad=False)
    try:
        yield
    finally:
        for module, name, weight in away:
            module._parameters[name] = weight


def settle(model: nn.Module) -> None:
    """Put every LoRA matrix of a PeftModel where its layer computes."""
    from peft.tuners.lora import LoraLayer

    for module in model.modules():
        if isinstance(module, LoraLayer):
            hook = getattr(module.get_base_layer(), "_hf_hook", None)
            device = getattr(hook, "execution_device", None)
            if device is None:
                continue  # PEFT has put them beside the weight
            for part in (module.lora_A, module.lora_B):
                part.to(device)


def carrying(base: nn.Module, folder: str) -> nn.Module:
    """A PeftModel around a spread base, which keeps its place: PEFT's own loader would place it anew. Raises ValueError or
    RuntimeError if it does not fit.
    """
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
    from safetensors.torch import load_file

    config = PeftConfig.from_pretrained(folder)
    config.inference_mode, config.base_model_name_or_path = True, getattr(base, "name_or_path", None)
    with standing_in(base):
        model = get_peft_model(base, config)
    try:
        settle(model)
        weights = load_file(Path(folder) / "adapter_model.safetensors")
        known = [n for n, _ in model.named_parameters() if "lora_" in n]
        if set_peft_model_state_dict(model, weights).unexpected_keys or len(known) != len(weights):
            raise ValueError(f"{len(weights)} tensors for {len(known)} LoRA matrices")
    except BaseException:
        model.unload()
        raise
    return model
