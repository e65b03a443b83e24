"""Other forward functions for some modules of a model, for as long as a block lasts: replaced, compiled, or with their own gradient."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

_COMPILED = ("MLP", "RMSNorm", "LayerNorm", "FeedForward")  # ends of class names


@contextmanager
def replace_forwards(forwards: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[int]:
    """Run modules with other forward functions inside the block.

    Args:
        forwards: the function of each module, called with the module first; none may be replaced already.
    Returns:
        Context manager; gives the number of modules.
    """
    for module, forward in forwards.items():
        module.forward = types.MethodType(forward, module)
    try:
        yield len(forwards)
    finally:
        for module in forwards:
            del module.forward


@contextmanager
def compile_blocks(model: nn.Module, on: bool, backend: str = "inductor") -> Iterator[int]:
    """Run feed-forward blocks and norms under torch.compile: what lies between the matrix multiplies becomes one kernel.

    For accelerators; needs a compiler. The attention stays as it is: its plan changes from row to row. Weights may change inside.

    Args:
        model: any decoder.
        on: False: nothing is compiled.
        backend: torch.compile's.
    Returns:
        Context manager; gives the number of compiled blocks, each for any number of rows.
    """
    chosen = [m for m in model.modules() if type(m).__name__.endswith(_COMPILED) and "forward" not in vars(m)] if on else []
    outer = [m for m in chosen if not any(m is not other and any(m is inner for inner in other.modules()) for other in chosen)]
    for module in outer:
        module.forward = torch.compile(module.forward, dynamic=True, backend=backend)
    try:
        yield len(outer)
    finally:
        for module in outer:
            del module.forward


@contextmanager
def fuse_norms(model: nn.Module) -> Iterator[int]:
    """Train through frozen float32 RMS norms as one function: the gradient comes from four passes over a row.

    A module takes part only if this form gives the same bits as its own forward on a row of its width.

    Args:
        model: any decoder.
    Returns:
        Context manager; gives the number of norms that take part.
    Source: Zhang & Sennrich (2019), "Root Mean Square Layer Normalization", eq. 4, with a frozen gain.
    """

    def forward(self: Any, hidden_states: Tensor) -> Any:
        return _Norm.apply(hidden_states, self.weight, self.variance_epsilon)

    with replace_forwards({m: forward for m in model.modules() if type(m).__name__.endswith("RMSNorm") and _same_bits(m)}) as count:
        yield count


class _Norm(torch.autograd.Function):
    """x [..., h], gain [h] (frozen) -> gain * x / sqrt(mean(x^2) + eps)"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gain: Tensor, eps: float):
        rate = torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + eps)
        scaled = x * rate
        ctx.save_for_backward(scaled, rate, gain)
        return gain * scaled

    @staticmethod
    def backward(ctx: Any, *grads: Tensor):
        scaled, rate, gain = ctx.saved_tensors
        out = grads[0] * gain
        along = (out * scaled).mean(-1, keepdim=True)
        return out.addcmul_(scaled, along, value=-1).mul_(rate), None, None


def _same_bits(module: Any) -> bool:
    gain, eps = getattr(module, "weight", None), getattr(module, "variance_epsilon", None)
    if gain is None or not isinstance(eps, float) or gain.dtype != torch.float32 or gain.requires_grad or gain.dim() != 1:
        return False
    if "forward" in vars(module) or {name for name, _ in module.named_parameters()} != {"weight"}:
        return False
    x = torch.randn(3, len(gain), generator=torch.Generator().manual_seed(0)).to(gain.device)
    with torch.no_grad():
        return torch.equal(module(x), _Norm.apply(x, gain, eps))
