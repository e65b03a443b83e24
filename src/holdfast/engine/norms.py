"""RMS norms in training as one function: the scaled row and its rate are kept, and the gradient comes from four passes over a row.

What a model's own norm computes is left as it is: a module takes part only if this form gives the same bits on a row of its width.
Source: Zhang & Sennrich, Root Mean Square Layer Normalization (2019), eq. 4, with a frozen gain.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.engine.forwards import replaced


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


@contextmanager
def in_one(model: nn.Module) -> Iterator[int]:
    """Every frozen float32 RMS norm that this form equals computes in it for as long as the block lasts; how many do."""

    def forward(self: Any, hidden_states: Tensor) -> Tensor:
        return _Norm.apply(hidden_states, self.weight, self.variance_epsilon)  # type: ignore[no-any-return]

    modules = [m for m in model.modules() if type(m).__name__.endswith("RMSNorm") and _equal(m)]
    with replaced(dict.fromkeys(modules, forward)) as count:
        yield count


def _equal(module: Any) -> bool:
    gain, eps = getattr(module, "weight", None), getattr(module, "variance_epsilon", None)
    if gain is None or not isinstance(eps, float) or gain.dtype != torch.float32 or gain.requires_grad or gain.dim() != 1:
        return False
    if "forward" in vars(module) or {name for name, _ in module.named_parameters()} != {"weight"}:
        return False
    x = torch.randn(3, len(gain), generator=torch.Generator().manual_seed(0)).to(gain.device)
    with torch.no_grad():
        return torch.equal(module(x), _Norm.apply(x, gain, eps))
