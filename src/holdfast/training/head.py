"""Cross-entropy through a frozen output embedding: the gradient is made in the forward pass, block by block, and logits are never kept."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.engine import kernels, packed
from holdfast.training.rows import Row

_NUMBERS = 2**23  # logits held at once


class _HeadLoss(torch.autograd.Function):
    """hidden [U, h], weight [vocabulary, h] (frozen), at [W] (ascending, every state at least once), targets [W]
    -> summed cross-entropy (nats), float32
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, at: Tensor, targets: Tensor, kernel: kernels.Name):
        gradient, loss = torch.empty_like(hidden), hidden.new_zeros((), dtype=torch.float32)
        block, low = max(32, _NUMBERS // len(weight)), 0
        once = len(at) == len(hidden)
        times = None if once else torch.bincount(at, minlength=len(hidden)).to(torch.float32)
        for start in range(0, len(hidden), block):
            part = hidden[start : start + block]
            high = low + len(part) if times is None else low + int(times[start : start + block].sum())
            pairs = at[low:high] - start, targets[low:high]
            logprobs = kernels.linear(kernel, part, weight).float().log_softmax(-1)
            loss -= logprobs[pairs].sum()
            share = logprobs.exp_()
            if times is not None:
                share *= times[start : start + block, None]
            share.index_put_(pairs, share.new_full((), -1.0), accumulate=True)
            gradient[start : start + block] = share.to(hidden.dtype) @ weight
            low = high
        ctx.save_for_backward(gradient)
        return loss

    @staticmethod
    def backward(ctx: Any, *grads: Tensor):
        (gradient,) = ctx.saved_tensors
        return gradient * grads[0], None, None, None, None


def head_loss(lm: nn.Module, hidden: Tensor, at: Tensor, targets: Tensor, kernel: kernels.Name = "torch") -> Tensor:
    """Summed cross-entropy of `targets` [W], each after the last hidden state `at` [W] (ascending) of those in `hidden` [U, h].

    Every state has a target; one that several sequences share may have more.
    """
    head: Any = lm.get_output_embeddings()
    frozen = type(head) is nn.Linear and head.bias is None and not head.weight.requires_grad
    if frozen:
        return _HeadLoss.apply(hidden, head.weight, at, targets, kernel)  # type: ignore[no-any-return]
    return F.cross_entropy(head(hidden).float()[at], targets, reduction="sum")


def row_loss(model: nn.Module, row: Row, *, prune: bool = True, kernel: kernels.Name = "torch") -> Tensor:
    """Summed cross-entropy of one packed row's targets."""
    with packed.using(model) as lm:
        if packed.has_plain_head(lm):
            states = packed.hidden(lm, row.tokens, row.plan, row.wanted, prune=prune)
            return head_loss(lm, states, row.at, row.targets, kernel)
        ((_, logits),) = packed.logits(lm, row.tokens, row.plan, row.wanted, prune=prune)
    return F.cross_entropy(logits[row.at], row.targets, reduction="sum")
