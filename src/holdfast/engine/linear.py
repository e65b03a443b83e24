"""A faster matrix multiply under a model's own linear modules, where this machine's default one is slow.

On some processors torch's default float32 kernel runs at less than half of oneDNN's rate. Whether that is so is measured once
a process, on the shape that matters, together with the agreement of the numbers; otherwise nothing is changed.
"""

from __future__ import annotations

import math
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GAIN = 1.1
TOLERANCE = 1e-5


def onednn(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x @ weight.T + bias by oneDNN: [..., in] and [out, in] -> [..., out]. No autograd."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


@cache
def worth_it(width: int, threads: int, rows: int = 1024) -> bool:
    """Whether oneDNN agrees with the default kernel and is faster, for float32 matrices of this width; False where it is missing."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, width, generator=generator)
    w = torch.randn(width, width, generator=generator) / math.sqrt(width)
    try:
        with torch.inference_mode():
            gap = float((F.linear(x, w) - onednn(x, w, None)).abs().max())
            return gap < TOLERANCE and GAIN * _seconds(lambda: onednn(x, w, None)) < _seconds(lambda: F.linear(x, w))
    except (RuntimeError, AttributeError):
        return False


def _seconds(run: Callable[[], Any], rounds: int = 5) -> float:
    """Shortest time of one call, each round at least half a millisecond long, so that a small matrix can be timed."""
    run()
    start = time.perf_counter()
    run()
    repeats = max(1, int(5e-4 / max(1e-7, time.perf_counter() - start)))
    best = math.inf
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        best = min(best, (time.perf_counter() - start) / repeats)
    return best


def chosen(model: nn.Module) -> list[nn.Linear]:
    """The linear modules of `model` that the faster kernel is to serve on this machine; none if it is not faster here."""
    found = [m for m in model.modules() if type(m) is nn.Linear and m.weight.device.type == "cpu" and m.weight.dtype == torch.float32]
    if not found:
        return []
    width = max(found, key=lambda m: m.weight.numel()).in_features
    return found if worth_it(width, torch.get_num_threads()) else []


@contextmanager
def fast(model: nn.Module) -> Iterator[int]:
    """The faster kernel under `model` for as long as the block lasts; calls that record a gradient keep the default one.

    Weights are read where they are, not copied, so merging an adapter inside the block is allowed.
    """
    modules = [m for m in chosen(model) if "forward" not in vars(m)]
    for module in modules:
        module.forward = types.MethodType(_forward, module)
    try:
        yield len(modules)
    finally:
        for module in modules:
            del module.forward


def _forward(self: nn.Linear, x: Tensor) -> Tensor:
    if torch.is_grad_enabled() or x.dtype != torch.float32:
        return F.linear(x, self.weight, self.bias)
    return onednn(x, self.weight, self.bias)


@contextmanager
def fast_frozen(model: nn.Module) -> Iterator[int]:
    """As `fast` for training: frozen weights only, with a gradient for the input."""
    modules = [m for m in chosen(model) if "forward" not in vars(m) and not m.weight.requires_grad]
    for module in modules:
        module.forward = types.MethodType(_frozen_forward, module)
    try:
        yield len(modules)
    finally:
        for module in modules:
            del module.forward


def _frozen_forward(self: nn.Linear, x: Tensor) -> Tensor:
    bias = self.bias
    if x.dtype != torch.float32 or (bias is not None and bias.requires_grad):
        return F.linear(x, self.weight, bias)
    return _Frozen.apply(x, self.weight, bias)


class _Frozen(torch.autograd.Function):
    """y = x W' + b for a W that is not trained: only dX is made."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.weight = weight.detach()
        return onednn(x.detach(), ctx.weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        return onednn(grads[0].contiguous(), ctx.weight.t(), None), None, None


def peak_flops(rows: int = 1024, width: int = 1024) -> dict[str, float]:
    """Measured float32 matrix-multiply rates of this process's threads on the CPU (operations a second), by kernel."""
    x, w = torch.randn(rows, width), torch.randn(width, width)
    work, out = 2.0 * rows * width * width, {}
    with torch.inference_mode():
        out["torch"] = work / _seconds(lambda: F.linear(x, w))
        try:
            out["onednn"] = work / _seconds(lambda: onednn(x, w, None))
        except (RuntimeError, AttributeError):
            pass
    return out
