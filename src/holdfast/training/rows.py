"""The examples of one pass as one packed row: what goes in, which rows the loss is read at, and for which targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.engine import packed
from holdfast.engine.paths import Paths, laid
from holdfast.training.batches import Encoded


@dataclass(frozen=True, slots=True)
class Row:
    """`tokens` [N] and their `plan`; `wanted` [U]: rows (ascending) that the loss is read at; target `targets[w]` comes after
    `wanted[at[w]]`, `at` [W] ascending. A row that several examples share may have several targets.
    """

    tokens: Tensor
    plan: Paths
    wanted: Tensor
    at: Tensor
    targets: Tensor

    @classmethod
    def of(cls, examples: Sequence[Encoded], device: torch.device, share: bool = True) -> Row:
        """Last tokens are left out: nothing comes after them. `share`: a start that several examples have in common stands once."""
        flat, rows = laid([e.ids[:-1] for e in examples], share)
        places = np.concatenate([mine[e.first_loss - 1 :] for e, mine in zip(examples, rows, strict=True)])
        targets = np.array([t for e in examples for t in e.ids[e.first_loss :]])
        order = np.argsort(places, kind="stable")
        wanted, at = np.unique(places[order], return_inverse=True)
        put = lambda x: torch.from_numpy(x).to(device)  # noqa: E731
        return cls(put(flat), Paths(rows).to(device), put(wanted), put(at), put(targets[order]))


def rows_of(batch: Sequence[Encoded], budget: int, padded: bool = False) -> list[list[Encoded]]:
    """Examples of similar length together, of at most `budget` tokens a pass; `padded`: as many as the longest has, for each."""
    rows: list[list[Encoded]] = []
    size = 0
    for example in sorted(batch, key=lambda e: (len(e.ids), e.ids)):
        size = len(example.ids) * (len(rows[-1]) + 1) if padded and rows else size + len(example.ids)
        if not rows or size > budget:
            rows.append([])
            size = len(example.ids)
        rows[-1].append(example)
    return rows


def draws(model: nn.Module) -> bool:
    """Whether a training pass draws numbers (dropout), so that a shared token's states would differ from one example to the next."""
    config = packed.causal_lm(model).config.get_text_config()
    rates = [value for name, value in config.to_dict().items() if "drop" in name and isinstance(value, float)]
    return any(rates) or any(isinstance(m, nn.Dropout) and m.p > 0 for m in model.modules())
