"""Power: a study that could not have found an effect of the size of its equivalence band cannot call its absence a result."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from holdfast.analysis.effects import Measured, family, measure
from holdfast.auditing.context import AuditContext, adapters_in, entry
from holdfast.records import Contrast
from holdfast.stats.decide import mde

# A standard deviation of paired differences below that of real items (scores by mass that move by 5 points from item to item):
# what is underpowered even so is underpowered whatever the variance turns out to be.
SMALLEST_SD = 0.05
NEXT = "Ask more items or train more seeds (--seeds), or widen stats.equivalence_band to what matters; until then call it inconclusive."
ACCURACY = Contrast(name="accuracy", column="score", plus="neutral", minus=None)


def check(context: AuditContext) -> list[dict[str, Any]]:
    band = context.study.get("equivalence_band")
    if band is None:
        return []
    return _planned(context, band) if context.trials is None else _measured(context, band)


def planned_mde(num_items: int, family: int, sd: float = SMALLEST_SD) -> float:
    """Smallest effect found with power .8, for a mean of `num_items` independent paired differences of that deviation.

    Clusters and training seeds only add to it: it is a lower limit, in the units of `sd`. nan for fewer than two items.
    """
    return mde(sd / math.sqrt(num_items), num_items - 1.0, family) if num_items > 1 else float("nan")


def _planned(context: AuditContext, band: float) -> list[dict[str, Any]]:
    domains = max(1, len(context.adapters("domain")))
    axes = set(context.axes())
    found = {}
    for name, items in context.items.items():
        family = domains * max(1, len(axes) if name in axes else len(context.items) - len(axes & {*context.items}))
        found[name] = planned_mde(len(items), family)
    low = {name: round(x, 4) for name, x in found.items() if not x <= band}
    evidence = {"planned_mde": {n: round(x, 4) if x == x else None for n, x in found.items()}, "sd": SMALLEST_SD, "band": band}
    if low:
        told = ", ".join(f"{n} {100 * x:.1f}" if x == x else f"{n} unknown" for n, x in low.items())
        claim = f"even if items differ in their change by only 5 points, effects must exceed the band of {100 * band:g} points to be found: {told} points"
        return [entry("power", "warn", claim, evidence)]
    if not found:
        return []
    claim = f"no instrument has too few items for effects of {100 * band:g} points whatever their variance; the variance itself is not known yet"
    return [entry("power", "ok", claim, evidence)]


def _measured(context: AuditContext, band: float) -> list[dict[str, Any]]:
    """Cells that could have hidden an effect of the band: not significant, and their measured MDE above it."""
    out, unresolved = [], []
    looked = 0
    for part in ("benchmark", "axis"):
        found = _cells(context, part)
        looked += len(found)
        for (adapter, name), cell in family(found, band=band).items():
            size, p = (float("nan") if cell[key] is None else cell[key] for key in ("mde", "p_holm"))
            if not size <= band and not p < 0.05:
                unresolved.append([adapter, name, round(size, 4) if size == size else None])
    if unresolved:
        known = [x for _, _, x in unresolved if x is not None]
        most = max(known, default=0)
        largest = f"; the largest is {f'{100 * most:.1f}' if most <= 1 else 'over 100'} points" if known else ""
        claim = (
            f"{len(unresolved)} of {looked} gains and shifts could hide an effect of {100 * band:g} points "
            f"(smallest detectable effect above the equivalence band{largest}): not found is not absent"
        )
        out.append(entry("power", "warn", claim, {"cells": unresolved, "band": band}))
    elif looked:
        out.append(
            entry("power", "ok", "every gain and shift could have been told from the equivalence band", {"cells": looked, "band": band})
        )
    return out


def _cells(context: AuditContext, part: str) -> list[Measured]:
    by_name, models = context.read
    if "base" not in models:
        return []
    out, mine = [], adapters_in(context.trials)
    for instrument in context.study.get("instruments", []):
        panel = by_name.get(instrument["name"])
        if instrument["kind"] != part or panel is None:
            continue
        head = ACCURACY if part == "benchmark" else next((Contrast(**c) for c in instrument["contrasts"] if c["headline"]), None)
        if head is None:
            continue
        for domain in context.adapters("domain"):
            if domain not in mine:
                continue
            m = measure(panel, domain, mine[domain], "base", head, "loglik" if part == "benchmark" else None)
            m.name = instrument["name"]
            if not np.isnan(m.diff_SI).all():
                out.append(m)
    return out
