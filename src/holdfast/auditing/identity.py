"""An adapter with zero B must equal the base in every answer: else the pipeline itself makes differences."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from holdfast.auditing.context import AuditContext, entry

KEYS = ("instrument", "item_id", "condition", "rotation")
COLUMNS = ("p_gold", "p_suggested", "rating", "score")
NEXT = "Add a domain with identity: true; where it differs from the base, find what changes an answer (cache, batch, mode) before anything else."


def check(context: AuditContext) -> list[dict[str, Any]]:
    if context.trials is None:
        return []
    table = context.trials
    nulls = sorted({m for m in table["model"].unique().to_pylist() if m.startswith("identity/")})
    if not nulls:
        return [
            entry(
                "identity", "warn", "no identity adapter was measured: that the pipeline itself changes nothing is not shown", {}
            )
        ]
    base, largest = _rows(table, "base"), 0.0
    for name in nulls:
        other = _rows(table, name)
        if other.keys() != base.keys():
            return [
                entry("identity", "warn", f"{name} was not asked what the base was asked", {"base": len(base), name: len(other)})
            ]
        largest = max(
            [largest, *(abs(a - b) for key in base for a, b in zip(base[key], other[key], strict=True) if a == a and b == b)]
        )
    level = "ok" if largest < 1e-5 else "refuse"
    return [
        entry(
            "identity",
            level,
            "an adapter that changes nothing measures as the base"
            if level == "ok"
            else "an adapter that changes nothing does not measure as the base: no difference of this run may be believed",
            {"largest_difference": largest, "adapters": len(nulls)},
        )
    ]


def _rows(table: pa.Table, model: str) -> dict[Any, list[float]]:
    part = table.filter(pc.equal(table["model"], model)).select([*KEYS, *COLUMNS]).to_pylist()
    return {tuple(r[k] for k in KEYS): [r[c] for c in COLUMNS if r[c] is not None] for r in part}
