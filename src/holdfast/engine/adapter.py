"""LoRA layers in training as one matrix multiply: y = x (W + s B A)' + b, with gradients for x, A and B only.

PEFT computes x W' and s (x A') B' separately, and autograd as many skinny products backwards; on a small model those, and the sums
of large activations, cost more than the base. Here the sum is taken over the weights, again in every pass (nothing is merged into
the base), and the adapter's gradient comes from four skinny products.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.engine import kernels
from holdfast.engine.forwards import replace_forwards


class _Adapted(torch.autograd.Function):
    """x [..., in], weight [out, in] (frozen), bias, A [r, in], B [out, r] -> [..., out]"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scaling: float, kernel: kernels.Name):
        ctx.save_for_backward(x, weight, a, b)
        ctx.scaling, ctx.kernel = scaling, kernel
        return kernels.linear(kernel, x, torch.addmm(weight, b, a, alpha=scaling), bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor):
        x, weight, a, b = ctx.saved_tensors
        grad = grads[0].contiguous()
        flat, rows = grad.view(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
        dx = None
        if ctx.needs_input_grad[0]:
            whole = torch.addmm(weight, b, a, alpha=ctx.scaling)
            dx = grad @ whole if ctx.kernel == "torch" else kernels.linear(ctx.kernel, grad, whole.t())
        # Ordered so that no product has a long and narrow result: torch's product of [N, in] and [in, r] is several times slower.
        da = (b.t() @ flat.t()) @ rows
        db = ((a @ rows.t()) @ flat).t()
        return dx, None, None, da.mul_(ctx.scaling), db.mul_(ctx.scaling), None, None


@contextmanager
def fuse_lora(model: nn.Module, kernel: kernels.Name = "torch") -> Iterator[int]:
    """Compute every plain float32 LoRA layer of a PeftModel in this form inside the block.

    Left to PEFT: layers with dropout, a trained or absent base weight, another dtype, several adapters, DoRA or a bias of their own.

    Args:
        model: a PeftModel in training.
        kernel: which matrix multiply computes the layer.
    Returns:
        Context manager; gives the number of layers in this form.
    """
    from peft.tuners.lora import Linear

    def forward(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        name, base = self.active_adapters[0], self.base_layer
        a, b = self.lora_A[name].weight, self.lora_B[name].weight
        return _Adapted.apply(x, base.weight, base.bias, a, b, self.scaling[name], kernel)

    with replace_forwards({m: forward for m in model.modules() if type(m) is Linear and _plain(m)}) as count:
        yield count


def _plain(module: Any) -> bool:
    if module.merged or module.disable_adapters or len(module.active_adapters) != 1 or type(module.base_layer) is not nn.Linear:
        return False
    name, base = module.active_adapters[0], module.base_layer
    if name not in module.lora_A or getattr(module, "lora_variant", {}).get(name) is not None:
        return False
    a, b = module.lora_A[name], module.lora_B[name]
    return (
        isinstance(module.lora_dropout[name], nn.Identity)
        and all(w.dtype == torch.float32 for w in (base.weight, a.weight, b.weight))
        and a.bias is None
        and b.bias is None
        and not base.weight.requires_grad
        and (base.bias is None or not base.bias.requires_grad)
    )
