"""An adapter with zero B must equal the base in every answer: else the pipeline itself makes differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from holdfast.analysis.trials import Codes, Trials
from holdfast.auditing.context import AuditContext, entry

KEYS = ("instrument", "item_id", "condition", "rotation")
COLUMNS = ("p_gold", "p_suggested", "rating", "score")
NEXT = "Add a domain with identity: true; where it differs from the base, find what changes an answer (cache, batch, mode) before anything else."


def check(context: AuditContext) -> list[dict[str, Any]]:
    if context.trials is None:
        return []
    rows, largest = _rows(Trials.of(context.trials)), 0.0
    base = rows.pop("base", (np.zeros((0, len(KEYS)), dtype=np.int64), np.zeros((0, len(COLUMNS)))))
    if not rows:
        return [entry("identity", "warn", "no identity adapter was measured: that the pipeline itself changes nothing is not shown", {})]
    for name, other in sorted(rows.items()):
        if not np.array_equal(other[0], base[0]):
            return [entry("identity", "warn", f"{name} was not asked what the base was asked", {"base": len(base[0]), name: len(other[0])})]
        with np.errstate(invalid="ignore"):
            gap = np.abs(other[1] - base[1])
        largest = max(largest, float(gap.max(where=~np.isnan(gap), initial=0.0)))
    level = "ok" if largest < 1e-5 else "refuse"
    return [
        entry(
            "identity",
            level,
            "an adapter that changes nothing measures as the base"
            if level == "ok"
            else "an adapter that changes nothing does not measure as the base: no difference of this run may be believed",
            {"largest_difference": largest, "adapters": len(rows)},
        )
    ]


def _rows(trials: Trials) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of the base and the identity adapters (what was asked, as numbers [rows, KEYS], in their order; the answers' numbers [rows, COLUMNS])."""
    codes, models = {k: Codes() for k in KEYS}, Codes()
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for piece in trials.pieces(["model", *KEYS, *COLUMNS]):
        of = models.of(piece["model"])
        wanted = {k: m for m, k in models.number.items() if m == "base" or m.startswith("identity/")}
        for k in wanted.keys() & {*np.unique(of).tolist()}:
            mine = piece.filter(pa.array(of == k))
            asked = np.stack([codes[c].of(mine[c]) for c in KEYS], axis=1)
            number = lambda c: pc.cast(mine[c], pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False)  # noqa: B023, E731
            parts.setdefault(wanted[k], []).append((asked, np.stack([number(c) for c in COLUMNS], axis=1)))
    out = {}
    for model, found in parts.items():
        asked, answers = (np.concatenate([p[i] for p in found])[::-1] for i in (0, 1))  # of two equal questions the later answer
        asked, first = np.unique(asked, axis=0, return_index=True)
        out[model] = (asked, answers[first])
    return out
