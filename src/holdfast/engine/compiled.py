"""Feed-forward blocks and norms under torch.compile, by setting: what lies between the matrix multiplies becomes one kernel.

For accelerators; needs a compiler. The attention stays as it is: what a row is lies in its plan, which changes from row to row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

_ENDINGS = ("MLP", "RMSNorm", "LayerNorm", "FeedForward")


@contextmanager
def compiling(model: nn.Module, on: bool, backend: str = "inductor") -> Iterator[int]:
    """The blocks run compiled for any number of rows for as long as the block lasts; how many do. Weights may change inside it."""
    chosen = [m for m in model.modules() if type(m).__name__.endswith(_ENDINGS) and "forward" not in vars(m)] if on else []
    outer = [m for m in chosen if not any(m is not other and any(m is inner for inner in other.modules()) for other in chosen)]
    for module in outer:
        module.forward = torch.compile(module.forward, dynamic=True, backend=backend)  # type: ignore[method-assign]
    try:
        yield len(outer)
    finally:
        for module in outer:
            del module.forward
