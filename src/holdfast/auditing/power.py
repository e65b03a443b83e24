"""Power: a study that could not have found an effect of the size of its equivalence band cannot call its absence a result."""

from __future__ import annotations

import math

from holdfast.analysis.effects import family
from holdfast.auditing.context import AuditContext, entry
from holdfast.frozen import number
from holdfast.results import AuditEntry
from holdfast.stats.decide import mde

# A standard deviation of paired differences below that of real items (scores by mass that move by 5 points from item to item):
# what is underpowered even so is underpowered whatever the variance turns out to be.
SMALLEST_SD = 0.05
NEXT = "Ask more items or train more seeds (--seeds), or widen stats.equivalence_band to what matters; until then call it inconclusive."


def check(context: AuditContext) -> list[AuditEntry]:
    return _check_plan(context) if context.trials is None else _measured(context)


def planned_mde(num_items: int, family: int, sd: float = SMALLEST_SD) -> float:
    """Smallest effect found with power .8, for a mean of `num_items` independent paired differences of that deviation.

    Clusters and training seeds only add to it: it is a lower limit, in the units of `sd`. nan for fewer than two items.
    """
    return mde(sd / math.sqrt(num_items), num_items - 1.0, family) if num_items > 1 else float("nan")


def _check_plan(context: AuditContext) -> list[AuditEntry]:
    band, domains, axes = context.study.equivalence_band, max(1, len(context.adapters("domain"))), {*context.axes()}
    sizes = {}
    for name, items in context.items.items():
        family = domains * max(1, len(axes) if name in axes else len(context.items) - len(axes & {*context.items}))
        sizes[name] = planned_mde(len(items), family)
    low = {name: round(x, 4) for name, x in sizes.items() if not x <= band}
    evidence = {"planned_mde": {n: round(x, 4) if x == x else None for n, x in sizes.items()}, "sd": SMALLEST_SD, "band": band}
    if low:
        effects = ", ".join(f"{n} {100 * x:.1f}" if x == x else f"{n} unknown" for n, x in low.items())
        claim = f"even if items differ in their change by only 5 points, effects must exceed the band of {100 * band:g} points to be found: {effects} points"
        return [entry("power", "warn", claim, evidence)]
    if not sizes:
        return []
    claim = f"every instrument has enough items for effects of {100 * band:g} points if items differ in their change by 5 points; how much they really differ is not known yet"
    return [entry("power", "ok", claim, evidence)]


def _measured(context: AuditContext) -> list[AuditEntry]:
    """Cells that could have hidden an effect of the band: not significant, and their measured MDE above it."""
    band, panels = context.study.equivalence_band, context.panels
    if panels is None:
        return []
    unresolved, total = [], 0
    for instruments in ([i.name for i in panels.benchmarks], [*panels.headline]):
        every = [panels.effect(d.name, panels.seeds[d.name], name) for name in instruments for d in panels.adapters if d.role == "domain"]
        effects = [e for e in every if not e.empty]
        total += len(effects)
        for (adapter, name), cell in family(effects, band=band).items():
            if not number(cell.mde) <= band and not number(cell.p_holm) < 0.05:
                unresolved.append((adapter, name, None if cell.mde is None else round(cell.mde, 4)))
    if unresolved:
        most = max((x for _, _, x in unresolved if x is not None), default=None)
        largest = "" if most is None else f"; the largest is {f'{100 * most:.1f}' if most <= 1 else 'over 100'} points"
        claim = (
            f"{len(unresolved)} of {total} gains and shifts could hide an effect of {100 * band:g} points "
            f"(smallest detectable effect above the equivalence band{largest}): absence of evidence is not evidence of absence"
        )
        return [entry("power", "warn", claim, {"cells": [[*cell] for cell in unresolved], "band": band})]
    if not total:
        return []
    claim = "every gain and shift could have been distinguished from the equivalence band"
    return [entry("power", "ok", claim, {"cells": total, "band": band})]
