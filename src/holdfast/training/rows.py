"""The examples of one pass as one packed row: its tokens, the rows that the loss is read at, their targets, and the loss.

Cross-entropy goes through a frozen output embedding: the gradient is computed in the forward pass, block by block, and logits are
never kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from holdfast.engine import kernels, packed
from holdfast.engine.paths import Paths, lay_paths
from holdfast.training.batches import Encoded

_NUMBERS = 2**23  # logits held at once


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """`tokens` [N] and their `plan`; `wanted` [U]: rows (ascending) that the loss is read at; target `targets[w]` comes after
    `wanted[at[w]]`, `at` [W] ascending. A row that several examples share may have several targets.
    """

    tokens: Tensor
    plan: Paths
    wanted: Tensor
    at: Tensor
    targets: Tensor

    @classmethod
    def of(cls, examples: Sequence[Encoded], device: torch.device, share: bool = True) -> TrainingRow:
        """Last tokens are left out: nothing comes after them. `share`: hold a start that several examples share once."""
        flat, rows = lay_paths([e.ids[:-1] for e in examples], share)
        places = np.concatenate([mine[e.first_loss - 1 :] for e, mine in zip(examples, rows, strict=True)])
        targets = np.array([t for e in examples for t in e.ids[e.first_loss :]])
        order = np.argsort(places, kind="stable")
        wanted, at = np.unique(places[order], return_inverse=True)
        put = lambda x: torch.from_numpy(x).to(device)  # noqa: E731
        return cls(put(flat), Paths(rows, device), put(wanted), put(at), put(targets[order]))


def group_examples(batch: Sequence[Encoded], budget: int, padded: bool = False) -> list[list[Encoded]]:
    """Examples of similar length together, at most `budget` tokens per pass; `padded`: counting each as long as the longest."""
    rows: list[list[Encoded]] = []
    size = 0
    for example in sorted(batch, key=lambda e: (len(e.ids), e.ids)):
        size = len(example.ids) * (len(rows[-1]) + 1) if padded and rows else size + len(example.ids)
        if not rows or size > budget:
            rows.append([])
            size = len(example.ids)
        rows[-1].append(example)
    return rows


def draws_numbers(model: nn.Module) -> bool:
    """Whether a training pass draws numbers (dropout), so that a shared token's states would differ between examples."""
    config = packed.causal_lm(model).config.get_text_config()
    rates = [value for name, value in config.to_dict().items() if "drop" in name and isinstance(value, float)]
    return any(rates) or any(isinstance(m, nn.Dropout) and m.p > 0 for m in model.modules())


def row_loss(model: nn.Module, row: TrainingRow, *, prune: bool = True, kernel: kernels.Name = "torch") -> Tensor:
    """Summed cross-entropy of one packed row's targets."""
    with packed.using(model) as lm:
        if packed.has_plain_head(lm):
            states = packed.hidden(lm, row.tokens, row.plan, row.wanted, prune=prune)
            return _head_loss(lm, states, row.at, row.targets, kernel)
        ((_, logits),) = packed.logits(lm, row.tokens, row.plan, row.wanted, prune=prune)
    return F.cross_entropy(logits[row.at], row.targets, reduction="sum")


def padded_loss(model: nn.Module, examples: Sequence[Encoded], device: torch.device) -> Tensor:
    """The same through an ordinary padded call, for models that do not run on packed rows."""
    wide = max(len(e.ids) for e in examples)
    ids, seen, labels = (torch.full((len(examples), wide), fill) for fill in (0, 0, -100))
    for j, e in enumerate(examples):
        ids[j, : len(e.ids)], seen[j, : len(e.ids)] = torch.tensor(e.ids), 1
        labels[j, e.first_loss : len(e.ids)] = torch.tensor(e.ids[e.first_loss :])
    logits = model(input_ids=ids.to(device), attention_mask=seen.to(device), use_cache=False).logits[:, :-1].float()
    return F.cross_entropy(logits.flatten(0, 1), labels[:, 1:].flatten().to(device), ignore_index=-100, reduction="sum")


def _head_loss(lm: Any, hidden: Tensor, at: Tensor, targets: Tensor, kernel: kernels.Name = "torch") -> Tensor:
    """Summed cross-entropy of `targets` [W], each after the last hidden state `at` [W] (ascending) of those in `hidden` [U, h]."""
    head = lm.get_output_embeddings()
    if type(head) is nn.Linear and head.bias is None and not head.weight.requires_grad:
        loss: Any = _HeadLoss.apply(hidden, head.weight, at, targets, kernel)
        return loss
    return F.cross_entropy(head(hidden).float()[at], targets, reduction="sum")


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
