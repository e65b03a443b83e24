"""Floor and ceiling: a base at chance has nothing to lose, a base near 1 nothing to gain, and a "no change" there says nothing."""

from __future__ import annotations

import numpy as np

from holdfast.analysis.panel import Panel
from holdfast.auditing.context import AuditContext, AuditEntry, entry, mean_over, rounded
from holdfast.records import InstrumentFacts, Item

CEILING, FLOOR, FEWEST_RIGHT = 0.95, 0.02, 20
NEXT = "Choose items the base answers sometimes right and sometimes wrong, or another base."


def chance_of(items: list[Item]) -> float:
    """Expected accuracy of guessing; 0 for open questions."""
    sizes = [len(i.fields.get("choices") or i.fields.get("endings") or []) for i in items]
    return float(np.mean([1 / s if s else 0.0 for s in sizes])) if sizes else float("nan")


def check(context: AuditContext) -> list[AuditEntry]:
    if context.panels is None:
        return []
    out, levels = [], {}
    for instrument in context.panels.instruments:
        panel = context.panels.panels[instrument.name]
        out += _axis(instrument, panel) if instrument.kind == "axis" else _benchmark(context, instrument.name, panel, levels)
    if not out and levels:
        out = [entry("headroom", "ok", "the base is neither at chance nor at the ceiling of any benchmark", levels)]
    return out


def _benchmark(context: AuditContext, name: str, panel: Panel, levels: dict[str, object]) -> list[AuditEntry]:
    score = mean_over(panel.get("base", "neutral", "score"), panel.clusters)
    if score is None:
        return []
    chance = chance_of(context.items.get(name, []))
    levels[name] = {**rounded(score), "chance": round(chance, 4) if chance == chance else None}
    claim = f"the base scores {score.estimate:.3f} on {name}"
    if score.estimate >= CEILING:
        return [entry("headroom", "warn", f"{claim}: no room for a gain", levels[name])]
    if score.estimate <= FLOOR or (chance > 0 and score.lower <= chance):
        what = f", which these items do not tell from guessing ({chance:.3f})" if chance > 0 else ""
        return [entry("headroom", "warn", f"{claim}{what}: a loss may not show", levels[name])]
    return []


def _axis(instrument: InstrumentFacts, panel: Panel) -> list[AuditEntry]:
    """Items right under the anchor are the set a conditioned shift is measured on."""
    head = next((c for c in instrument.contrasts if c.headline), None)
    if head is None or head.among != "right":
        return []
    right = panel.get("base", head.anchor, "correct")
    if np.isnan(right).all():
        return []
    count, total = int(np.nansum(right > 0.5)), int((~np.isnan(right)).sum())
    if count >= min(FEWEST_RIGHT, 0.25 * total):
        return []
    claim = (
        f"the base is right on {count} of {total} items of {instrument.name} before any pressure: its conditioned shift rests on few items"
    )
    return [entry("headroom", "warn", claim, {"right": count, "of": total})]
