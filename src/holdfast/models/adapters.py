"""Adapters in PEFT's own format: on and off a base that is never changed.

Merged where that is cheaper: a small float32 base is copied and the adapter added to the copy's weights (1.1 times as fast to score as
unmerged at 2 million parameters, the same at 100 million: benchmarks/peers). A large base gets the adapter attached, and detached again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from holdfast.errors import ModelError
from holdfast.models import placement
from holdfast.models.quantized import is_quantized

_MERGE_BELOW = 200_000_000


def fingerprint(model: nn.Module) -> tuple[int, ...]:
    """The sum of each parameter's bits as whole numbers: a change of any one weight shows. Takes seconds for billions of weights.

    Weights that are stored elsewhere and fetched (device_map) are left out: a change of those would not last.
    """
    views = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    with torch.no_grad():
        bits = [p.detach().contiguous().view(views[p.element_size()]) for p in model.parameters() if p.device.type != "meta"]
        return tuple(int(part.sum(dtype=torch.int64)) for part in bits)


@contextmanager
def adapted(base: nn.Module, folder: str | Path, scale: float = 1.0, merge: bool | None = None) -> Iterator[nn.Module]:
    """The adapted model, its update times `scale`. `merge` None: whichever is cheaper for a base of this size.

    Raises ModelError if the adapter does not fit, or if the base is not bit for bit what it was when the block ends.
    """
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

    model: Any
    small = sum(p.numel() for p in base.parameters()) < _MERGE_BELOW and next(base.parameters()).dtype.itemsize == 4
    spread = placement.is_spread(base)
    merge = small and not spread and not is_quantized(base) if merge is None else merge
    if not (Path(folder) / "adapter_model.safetensors").is_file():
        raise ModelError(f"adapter: {folder} holds no adapter_model.safetensors; name a folder in PEFT's format")
    before = fingerprint(base)
    try:
        if spread and not merge:
            model = placement.attach_adapter(base, str(folder))
        else:
            model = PeftModel.from_pretrained(cast(Any, copy.deepcopy(base) if merge else base), str(folder), is_trainable=False)
    except Exception as error:
        raise ModelError(f"adapter: {folder} does not fit this base: {' '.join(str(error).split())[:200]}") from None
    for module in model.modules() if scale != 1.0 else ():
        if isinstance(module, LoraLayer):
            module.scale_layer(scale)
    try:
        yield (model.merge_and_unload() if merge else model).eval()
    finally:
        if not merge:
            model.unload()
    if fingerprint(base) != before:
        raise ModelError(f"adapter: {folder}: the base's weights changed while it was attached; the measurement is not of this base")
