"""Which matrix multiply runs under a model's own nn.Linear modules on a CPU: torch's default, or oneDNN's.

On some processors the default takes a slow path (AMD with AVX-512: up to 2.3 times on Zen 5, 1.1 on Zen 4); with few rows oneDNN gains
more, from weights reordered once. A check (does it agree, is it faster?) decides once per run, and the choice is kept with the run:
if every process chose for itself, numbers would depend on timing (docs/decisions/005).

The operator is private to torch and has no autograd: where it is missing, the default is used; under autograd `_Frozen` gives the
input's gradient over a frozen weight.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.engine.forwards import replace_forwards

Name = Literal["torch", "onednn"]
GAIN = 1.15  # times faster than the default, or the default stays
MANY, FEW = 1024, 16
SMALLEST = 512  # hidden size under which a call costs more than the product, and nothing can be gained
TOLERANCE = 1e-4  # rounding of a sum of products of unit normals divided by the root of their number


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of a run."""

    many: Name = "torch"  # for rows of many tokens (scoring, prefill, training)
    few: Name = "torch"  # for rows of few (decoding, on weights reordered for it)


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x [..., in] @ weight [out, in]' + bias, without autograd."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


def linear(name: Name, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A linear layer by the named kernel.

    Args:
        name: the kernel.
        x: [..., in].
        weight: [out, in].
        bias: [out].
    Returns:
        x @ weight' + bias, [..., out].
    """
    return _onednn(x, weight, bias) if name == "onednn" else F.linear(x, weight, bias)


def _reorder(weight: Tensor, rows: int) -> Tensor:
    """A copy in the layout that `_onednn` takes for about `rows` rows; it does not follow later changes of the weight."""
    return torch.ops.mkldnn._reorder_linear_weight(weight.detach(), rows)


def available() -> bool:
    """Is oneDNN's kernel usable?

    Returns:
        Whether this torch has the operator and this processor runs it.
    """
    try:
        return bool(torch.isfinite(_onednn(torch.ones(2, 3), _reorder(torch.ones(4, 3), 2))).all())
    except (RuntimeError, AttributeError, NotImplementedError):
        return False


def shapes_of(config: Any) -> list[tuple[int, int]]:
    """Shapes of a decoder layer's linears.

    Args:
        config: a transformers configuration.
    Returns:
        (in, out) of each; empty if the configuration names no hidden size.
    """
    hidden = getattr(config, "hidden_size", None)
    if not hidden:
        return []
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    return [(hidden, hidden), (hidden, inner), (inner, hidden)]


def choose(shapes: Sequence[tuple[int, int]], dtype: torch.dtype = torch.float32) -> tuple[Kernels, dict[str, dict[str, float]]]:
    """Measure both kernels on this processor.

    Args:
        shapes: (in, out) of the linears.
        dtype: of weights and activations.
    Returns:
        The kernels to use, and per use ("many", "few") GFLOP/s of each kernel and the largest difference of their results.
    """
    measured: dict[str, dict[str, float]] = {}
    picked: dict[str, Name] = {}
    for use, rows, packed in (("many", MANY, False), ("few", FEW, True)):
        try:
            seconds, gap = _timed(shapes, rows, packed, dtype)
        except (RuntimeError, AttributeError, NotImplementedError):
            picked[use] = "torch"
            continue
        work = 2e-9 * rows * sum(a * b for a, b in shapes)
        measured[use] = {**{f"{name}_gflops": round(work / t, 1) for name, t in seconds.items()}, "largest_difference": float(f"{gap:.1e}")}
        faster = seconds["onednn"] * GAIN < seconds["torch"] and gap < (TOLERANCE if dtype == torch.float32 else 0.05)
        picked[use] = "onednn" if faster else "torch"
    return Kernels(**picked), measured


@torch.inference_mode()
def _timed(
    shapes: Sequence[tuple[int, int]], rows: int, packed: bool, dtype: torch.dtype, clock: Callable[[], float] = time.process_time
) -> tuple[dict[str, float], float]:
    """({kernel: seconds for all shapes once, the best of several}, largest difference)"""
    generator = torch.Generator().manual_seed(0)
    drawn = [
        (torch.randn(rows, a, generator=generator).to(dtype), (torch.randn(b, a, generator=generator) / a**0.5).to(dtype))
        for a, b in shapes
    ]
    ready = [_reorder(w, rows) if packed else w for _, w in drawn]
    runs = {
        "torch": lambda: [F.linear(x, w) for x, w in drawn],
        "onednn": lambda: [_onednn(x, w) for (x, _), w in zip(drawn, ready, strict=True)],
    }
    gap = max(float((a.float() - b.float()).abs().max()) for a, b in zip(runs["torch"](), runs["onednn"](), strict=True))
    repeats = max(1, round(2e8 / (rows * sum(a * b for a, b in shapes))))
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(7):
        for name, run in runs.items():
            start = clock()
            for _ in range(repeats):
                run()
            best[name] = min(best[name], (clock() - start) / repeats)
    return best, gap


class _Frozen(torch.autograd.Function):
    """oneDNN over a frozen weight: the gradient of x only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None):
        ctx.save_for_backward(weight)
        return _onednn(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor):
        (weight,) = ctx.saved_tensors
        return _onednn(grads[0].contiguous(), weight.t()), None, None


@contextmanager
def using(model: nn.Module, name: Name, few: bool = False) -> Iterator[int]:
    """Run the model's plain linears on a kernel inside the block; weights must not change in it.

    A linear that is trained computes as before; one on another device, or patched already, is left as it is.

    Args:
        model: any model.
        name: the kernel; "torch" changes nothing.
        few: on weights reordered for few rows.
    Returns:
        Context manager; gives the number of linears that run on the kernel.
    """
    forwards: dict[nn.Module, Callable[..., Any]] = {}
    for module in [m for m in model.modules() if isinstance(m, nn.Linear) and _plain(m)] if name == "onednn" else []:
        weight = _reorder(module.weight, FEW) if few else module.weight

        def forward(self: Any, x: Tensor, weight: Tensor = weight) -> Tensor:
            if not torch.is_grad_enabled():
                return _onednn(x, weight, self.bias)
            if self.weight.requires_grad or (self.bias is not None and self.bias.requires_grad):
                return F.linear(x, self.weight, self.bias)
            return _Frozen.apply(x, self.weight, self.bias)

        forwards[module] = forward
    with replace_forwards(forwards) as count:
        yield count


def _plain(module: nn.Linear) -> bool:
    return (
        type(module) is nn.Linear
        and "forward" not in vars(module)
        and module.weight.device.type == "cpu"
        and module.weight.dtype in (torch.float32, torch.bfloat16)
    )


def peak_gflops(dtype: torch.dtype = torch.float32, name: Name = "torch") -> float:
    """This processor's matrix-multiply rate with the threads at hand, from a large product.

    Args:
        dtype: of both factors.
        name: the kernel.
    Returns:
        GFLOP/s, the reference of a share of the peak.
    """
    seconds, _ = _timed([(768, 2048)], MANY, name == "onednn", dtype, time.perf_counter)
    return 2e-9 * MANY * 768 * 2048 / seconds[name]
