"""How sure a model was of the answer it put first, and how often that answer was right: a reliability table (DeGroot & Fienberg 1983)."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.report.transcripts import Model, Prompts

BINS = 10


class Confidence:
    """Sums over trials whose choices were scored, by adapter, instrument and tenth of the first answer's share of the answer set."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], np.ndarray] = {}

    def add(self, adapter: str, model: Model, prompts: Prompts) -> None:
        """Trials of a model at the first condition of every instrument."""
        prompt = np.concatenate([np.zeros(0, np.uint32), *model.prompt]).astype(np.int64)
        if not len(prompt):
            return
        outcome, probability = np.concatenate(model.outcome), np.concatenate(model.probability)
        used, inverse = np.unique(prompt, return_inverse=True)
        entries = [prompts.entries[k] for k in used.tolist()]
        counts = np.array([len(e[6]) for e in entries])[inverse]
        starts = np.cumsum(counts) - counts
        scored = np.flatnonzero(counts > 0)
        if not len(scored):
            return
        top = np.maximum.reduceat(probability, starts[scored]) / 255
        kinds = np.array([e[0] for e in entries])[inverse][scored]
        conditions = np.array([e[2] for e in entries])[inverse][scored]
        for kind in dict.fromkeys(kinds.tolist()):
            first = conditions[np.flatnonzero(kinds == kind)[0]]
            mine = (kinds == kind) & (conditions == first) & (top > 0)
            bins = np.minimum((top[mine] * BINS).astype(int), BINS - 1)
            right = (outcome[scored][mine] == 0).astype(float)
            sums = self._sums.setdefault((adapter, kind), np.zeros((BINS, 3)))
            sums += np.stack([np.bincount(bins, w, BINS) for w in (np.ones(len(bins)), top[mine], right)], axis=1)

    def rows(self) -> list[dict[str, Any]]:
        """One row a bin that holds trials: mean share of the first answer and how often it was right, percent; number of trials."""
        return [
            {"adapter": adapter, "instrument": kind, "sure": 100 * p / n, "right": 100 * r / n, "trials": int(n)}
            for (adapter, kind), sums in self._sums.items()
            for n, p, r in sums.tolist()
            if n
        ]
