"""Capability and deference along the way from base to adapter: the update scaled, or the training stopped early.

Exploratory (Benjamini-Hochberg). The base is dose 0 by definition and is no point of a slope (METRICS section 4, rule 7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from holdfast.analysis.effects import Measured, family, from_parts
from holdfast.analysis.panel import Owner
from holdfast.errors import StatisticsError
from holdfast.stats.decide import benjamini_hochberg
from holdfast.stats.slopes import dose_slope

Measure = Callable[[str, list[tuple[str, int]], str], Measured]


def dose_paths(
    owners: dict[str, Owner], names: list[str], instruments: list[tuple[str, str]], measure: Measure, band: float
) -> list[dict[str, Any]]:
    """One entry per adapter and path ("scale", "steps"): estimates at every dose, dose 1 among them, and slopes per unit of dose.

    `instruments`: (name, "gains" | "shifts"). `measure(adapter, [(model, seed)], instrument)` gives paired differences to the base.
    All doses of a path are read on the seeds that were measured at every one of them.
    """
    out = []
    for adapter in names:
        for path in ("scale", "steps"):
            at = _models(owners, adapter, path)
            if len(at) < 2:
                continue
            doses = sorted(at)
            measured = {name: [measure(adapter, at[d], name) for d in doses] for name, _ in instruments}
            cells = family(_labelled(measured, doses), band=band, adjust=benjamini_hochberg)
            slopes = family(
                [s for name in measured if (s := _slope(adapter, name, doses, measured[name])) is not None],
                band=band,
                adjust=benjamini_hochberg,
            )
            entry: dict[str, Any] = {"name": adapter, "path": path, "doses": doses, "seeds": [s for _, s in at[doses[0]]]}
            for part in ("gains", "shifts"):
                mine = [name for name, kind in instruments if kind == part]
                entry[part] = {name: [cells[f"{d:g}", name] for d in doses] for name in mine}
                entry[f"{part[:-1]}_slopes"] = {name: slopes[adapter, name] for name in mine if (adapter, name) in slopes}
            out.append(entry)
    return out


def _models(owners: dict[str, Owner], adapter: str, path: str) -> dict[float, list[tuple[str, int]]]:
    """{dose: [(model, seed)]} over the seeds that every dose of this path has."""
    found: dict[float, dict[int, str]] = {}
    for model, o in owners.items():
        if o.domain == adapter and o.path in (path, "full"):
            found.setdefault(o.dose, {})[o.seed] = model
    if len(found) < 2:
        return {}
    common = sorted(set.intersection(*(set(seeds) for seeds in found.values())))
    return {dose: [(seeds[s], s) for s in common] for dose, seeds in found.items()} if common else {}


def _labelled(measured: dict[str, list[Measured]], doses: list[float]) -> list[Measured]:
    """Each dose as an adapter of its own name, for the family's bookkeeping."""
    out = []
    for name, row in measured.items():
        for dose, m in zip(doses, row, strict=True):
            m.adapter, m.name = f"{dose:g}", name
            out.append(m)
    return out


def _slope(adapter: str, name: str, doses: list[float], row: list[Measured]) -> Measured | None:
    diff_DSI = np.array([m.diff_SI for m in row])
    if np.isnan(diff_DSI).all(axis=(1, 2)).any():
        return None
    try:
        slope = dose_slope(diff_DSI, doses, row[0].clusters)
    except StatisticsError:
        return None  # no item is in the set at every dose
    return from_parts(adapter, name, "per unit of dose", row, slope.interval)
