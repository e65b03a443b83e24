"""An adapter with zero B must equal the base in every answer: otherwise the pipeline itself makes differences."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from holdfast.analysis.trials import Codes, Trials, pc
from holdfast.auditing.context import AuditContext, AuditEntry, entry

KEYS = ("instrument", "item_id", "condition", "rotation")
COLUMNS = ("p_gold", "p_suggested", "rating", "score")
NEXT = "Add a domain with identity: true; where it differs from the base, find what changes an answer (cache, batch, mode) before anything else."


def check(context: AuditContext) -> list[AuditEntry]:
    if context.table is None:
        return []
    rows, largest = _rows(context.table), 0.0
    base = rows.pop("base", (np.zeros((0, len(KEYS)), dtype=np.int64), np.zeros((0, len(COLUMNS)))))
    if not rows:
        return [entry("identity", "warn", "no identity adapter was measured: it is not shown that the pipeline itself changes nothing", {})]
    for name, other in sorted(rows.items()):
        if not np.array_equal(other[0], base[0]):
            sizes = {"base": len(base[0]), name: len(other[0])}
            return [entry("identity", "warn", f"{name} was measured on other prompts than the base", sizes)]
        with np.errstate(invalid="ignore"):
            gap = np.abs(other[1] - base[1])
        largest = max(largest, float(gap.max(where=~np.isnan(gap), initial=0.0)))
    evidence = {"largest_difference": largest, "adapters": len(rows)}
    if largest < 1e-5:
        return [entry("identity", "ok", "an adapter that changes nothing measures as the base", evidence)]
    claim = "an adapter that changes nothing does not measure as the base: no difference of this run may be believed"
    return [entry("identity", "refuse", claim, evidence)]


def _rows(trials: Trials) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Of the base and the identity adapters: (sorted codes of the questions [rows, KEYS], their answers [rows, COLUMNS])."""
    codes, models = {k: Codes() for k in KEYS}, Codes()
    parts: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for piece in trials.pieces(["model", *KEYS, *COLUMNS]):
        of = models.of(piece["model"])
        wanted = {k: m for m, k in models.number.items() if m == "base" or m.startswith("identity/")}
        for k in wanted.keys() & {*np.unique(of).tolist()}:
            mine = piece.filter(pa.array(of == k))
            questions = np.stack([codes[c].of(mine[c]) for c in KEYS], axis=1)
            answers = [pc.cast(mine[c], pa.float64()).fill_null(np.nan).to_numpy(zero_copy_only=False) for c in COLUMNS]
            parts.setdefault(wanted[k], []).append((questions, np.stack(answers, axis=1)))
    out = {}
    for model, pieces in parts.items():
        questions, answers = (np.concatenate(every)[::-1] for every in zip(*pieces, strict=True))  # of two equal questions the later answer
        questions, first = np.unique(questions, axis=0, return_index=True)
        out[model] = (questions, answers[first])
    return out
