"""Adapters in PEFT's own format: on and off a base that is never changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import nn

from holdfast.errors import ModelError

_MERGE_BELOW = 200_000_000


@contextmanager
def adapted(base: nn.Module, folder: str | Path, scale: float = 1.0) -> Iterator[nn.Module]:
    """The adapted model, its update times `scale`. A small fp32 base is copied and merged (faster); a large one carries the
    adapter and gives it back.
    """
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

    small = sum(p.numel() for p in base.parameters()) < _MERGE_BELOW and next(base.parameters()).dtype.itemsize == 4
    if not (Path(folder) / "adapter_model.safetensors").is_file():
        raise ModelError(f"adapter: {folder} holds no adapter_model.safetensors; name a folder in PEFT's format")
    try:
        model = PeftModel.from_pretrained(copy.deepcopy(base) if small else base, str(folder), is_trainable=False)
    except Exception as error:
        raise ModelError(f"adapter: {folder} does not fit this base: {' '.join(str(error).split())[:200]}") from None
    if scale != 1.0:
        for module in model.modules():
            if isinstance(module, LoraLayer):
                module.scale_layer(scale)
    try:
        yield (model.merge_and_unload() if small else model).eval()
    finally:
        if not small:
            model.unload()
