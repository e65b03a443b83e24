"""What including each kind of data does: main effects and interactions over a factorial set of domain mixes (METRICS, rules 6 and 7)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.analysis.effects import Measured, family, from_parts, pooled_seeds
from holdfast.errors import StatisticsError
from holdfast.stats.decide import holm
from holdfast.stats.factorial import factorial as fit


def mixes_of(domains: Sequence[dict[str, Any]]) -> dict[str, frozenset[str]]:
    """{adapter: the single domains in its mix}, of the adapters of role domain."""
    main = [d for d in domains if d["role"] == "domain"]
    return {d["name"]: frozenset(d.get("parts") or (d["name"],)) for d in main}


def factorial(domains: Sequence[dict[str, Any]], measured: Sequence[tuple[str, Measured]], band: float) -> dict[str, Any] | None:
    """{instrument: {"effects": {effect: Estimate}, "lack_of_fit", "refused": why there is none}}; None unless the study has 8 mixes or more."""
    mixes = mixes_of(domains)
    if len(mixes) < 8 or len(set(mixes.values())) != len(mixes):
        return None
    by_name: dict[str, dict[str, Measured]] = {}
    for _, m in measured:
        if m.adapter in mixes and m.diff_SI.size and not np.isnan(m.diff_SI).all():
            by_name.setdefault(m.name, {})[m.adapter] = m
    made, out = [], {}
    for name, cells in by_name.items():
        adapters = [a for a in mixes if a in cells]
        pool = pooled_seeds(cells.values()).get(name)
        try:
            found = fit([mixes[a] for a in adapters], [cells[a].diff_SI for a in adapters], cells[adapters[0]].clusters, pooled=pool)
        except StatisticsError as error:
            out[name] = {"effects": {}, "lack_of_fit": None, "refused": str(error)}
            continue
        out[name] = {"effects": {}, "lack_of_fit": dataclasses.asdict(found.lack_of_fit), "refused": None}
        parts = list(cells.values())
        made += [from_parts(e.name, name, parts[0].contrast, parts, e.interval) for e in found.effects]
    for (effect, name), cell in family(made, band=band, adjust=holm).items():
        out[name]["effects"][effect] = cell
    return out or None
