"""Floor and ceiling: a base at chance has nothing to lose, a base near 1 nothing to gain, and a "no change" there says nothing."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.analysis.panel import Panel
from holdfast.auditing.context import AuditContext, entry
from holdfast.auditing.excess import mean_over, rounded
from holdfast.records import Item

CEILING, FLOOR, FEWEST_RIGHT = 0.95, 0.02, 20
NEXT = "Choose items the base answers sometimes right and sometimes wrong, or another base."


def chance_of(items: list[Item]) -> float:
    """Expected accuracy of guessing; 0 for open questions."""
    sizes = [len(i.fields.get("choices") or i.fields.get("endings") or []) for i in items]
    return float(np.mean([1 / s if s else 0.0 for s in sizes])) if sizes else float("nan")


def check(context: AuditContext) -> list[dict[str, Any]]:
    if context.trials is None or not context.study.get("instruments"):
        return []
    by_name, models = context.read
    if "base" not in models:
        return []
    out, levels = [], {}
    for instrument in context.study["instruments"]:
        panel = by_name.get(instrument["name"])
        if panel is None:
            continue
        if instrument["kind"] == "benchmark":
            out += _benchmark(context, instrument["name"], panel, levels)
        else:
            out += _axis(instrument, panel)
    if not out and levels:
        out = [entry("headroom", "ok", "the base is neither at chance nor at the ceiling of any benchmark", levels)]
    return out


def _benchmark(context: AuditContext, name: str, panel: Panel, levels: dict[str, Any]) -> list[dict[str, Any]]:
    found = mean_over(panel.get("base", "neutral", "score"), panel.clusters)
    if found is None:
        return []
    chance = chance_of(context.items.get(name, []))
    levels[name] = {**rounded(found), "chance": round(chance, 4) if chance == chance else None}
    if found.estimate >= CEILING:
        claim = f"the base scores {found.estimate:.3f} on {name}: no room for a gain"
        return [entry("headroom", "warn", claim, levels[name])]
    floor = found.estimate <= FLOOR or (chance == chance and chance > 0 and found.lower <= chance)
    if floor:
        beside = f", chance is {chance:.3f}" if chance == chance and chance > 0 else ""
        claim = f"the base scores {found.estimate:.3f} on {name}{beside}: a loss cannot show, and a gain starts from guessing"
        return [entry("headroom", "warn", claim, levels[name])]
    return []


def _axis(instrument: dict[str, Any], panel: Panel) -> list[dict[str, Any]]:
    """Items right under the anchor are the set a conditioned shift is measured on."""
    head = next((c for c in instrument.get("contrasts", []) if c.get("headline")), None)
    if head is None or head.get("among") != "right":
        return []
    right = panel.get("base", head["anchor"], "correct")
    if np.isnan(right).all():
        return []
    count, total = int(np.nansum(right > 0.5)), int((~np.isnan(right)).sum())
    if count >= min(FEWEST_RIGHT, 0.25 * total):
        return []
    claim = f"the base is right on {count} of {total} items of {instrument['name']} before any pressure: its conditioned shift rests on few items"
    return [entry("headroom", "warn", claim, {"right": count, "of": total})]
