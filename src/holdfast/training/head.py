"""Cross-entropy through a frozen output embedding: the gradient is made in the forward pass, block by block, and logits are never kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.engine import kernels, packed, plans

_NUMBERS = 2**23  # logits held at once


class _HeadLoss(torch.autograd.Function):
    """hidden [W, h], weight [vocabulary, h] (frozen), targets [W] -> summed cross-entropy (nats), float32"""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor, kernel: kernels.Name):
        gradient, loss = torch.empty_like(hidden), hidden.new_zeros((), dtype=torch.float32)
        block = max(32, _NUMBERS // len(weight))
        for start in range(0, len(hidden), block):
            part, target = hidden[start : start + block], targets[start : start + block, None]
            logprobs = kernels.linear(kernel, part, weight).float().log_softmax(-1)
            loss -= logprobs.gather(1, target).sum()
            share = logprobs.exp_()
            share.scatter_add_(1, target, share.new_full(target.shape, -1.0))
            gradient[start : start + block] = share.to(hidden.dtype) @ weight
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor):
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0], None, None, None


def head_loss(lm: nn.Module, hidden: Tensor, targets: Tensor, kernel: kernels.Name = "torch") -> Tensor:
    """Summed cross-entropy of `targets` [W] after last hidden states [W, h]."""
    head: Any = lm.get_output_embeddings()
    frozen = type(head) is nn.Linear and head.bias is None and not head.weight.requires_grad
    if frozen:
        return _HeadLoss.apply(hidden, head.weight, targets, kernel)  # type: ignore[no-any-return]
    return F.cross_entropy(head(hidden).float(), targets, reduction="sum")


def row_loss(
    model: nn.Module,
    tokens: Tensor,
    plan: plans.Plan,
    wanted: Tensor,
    targets: Tensor,
    *,
    prune: bool = True,
    kernel: kernels.Name = "torch",
) -> Tensor:
    """Summed cross-entropy of `targets` at the `wanted` rows (ascending) of one packed row of tokens."""
    with packed.using(model) as lm:
        if packed.has_plain_head(lm):
            return head_loss(lm, packed.hidden(lm, tokens, plan, wanted, prune=prune), targets, kernel)
        ((_, logits),) = packed.logits(lm, tokens, plan, wanted, prune=prune)
    return F.cross_entropy(logits, targets, reduction="sum")
