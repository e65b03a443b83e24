"""Adapter against adapter (METRICS section 4, rules 5 and 6): the study's own questions as contrasts.

Every contrast is a weighted sum of shifts (or gains) measured on the same items; seeds of different adapters are independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from holdfast.analysis.effects import Measured, family, from_parts, pooled_seeds
from holdfast.stats.contrasts import Combination, additivity, combine, every_pair
from holdfast.stats.decide import benjamini_hochberg

MAX_PAIRED = 6  # with more domain adapters (a factorial design) only the single domains are paired


def contrasts(domains: Sequence[dict[str, Any]], shifts: Sequence[tuple[str, Measured]], band: float) -> list[dict[str, Any]]:
    """Pairs of domains, verifiable against the rest, and the additivity of combined domains: one Holm family."""
    found = _by_axis(shifts)
    wanted = [*_pairs(domains), *_verifiable(domains), *_additivity(domains)]
    made, kinds = [], {}
    for axis, cells in found.items():
        for kind, combination, names in wanted:
            weights = {n: w for n, w in zip(names, combination.weights, strict=True) if w}
            if all(n in cells for n in weights):
                made.append(weigh(combination.name, axis, cells, weights, found))
                kinds[combination.name] = kind
    return [{"name": name, "axis": axis, "kind": kinds[name], **cell} for (name, axis), cell in family(made, band=band).items()]


def _by_axis(measured: Sequence[tuple[str, Measured]]) -> dict[str, dict[str, Measured]]:
    out: dict[str, dict[str, Measured]] = {}
    for _, m in measured:
        if m.diff_SI.size and not np.isnan(m.diff_SI).all():
            out.setdefault(m.name, {})[m.adapter] = m
    return out


def weigh(
    name: str, instrument: str, cells: Mapping[str, Measured], weights: Mapping[str, float], every: Mapping[str, Mapping[str, Measured]]
) -> Measured:
    """One weighted sum of adapters on one instrument. It is identified where every part is."""
    parts = [cells[a] for a in weights]
    pool = pooled_seeds(every[instrument].values()).get(instrument)
    interval = combine([p.diff_SI for p in parts], list(weights.values()), parts[0].clusters, pooled=pool)
    return from_parts(name, instrument, parts[0].contrast, parts, interval)


def _main(domains: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [d for d in domains if d["role"] == "domain"]


def _single(domains: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [d for d in _main(domains) if not d.get("parts")]


Wanted = list[tuple[str, Combination, list[str]]]


def _pairs(domains: Sequence[dict[str, Any]]) -> Wanted:
    main = _main(domains)
    names = [d["name"] for d in (main if len(main) <= MAX_PAIRED else _single(domains))]
    return [("pair", pair, names) for pair in every_pair(names)] if len(names) > 1 else []


def _verifiable(domains: Sequence[dict[str, Any]]) -> Wanted:
    """Domains whose answers can be checked, against the mean of the single domains whose answers cannot."""
    single = _single(domains)
    names = [d["name"] for d in single]
    yes = [d["name"] for d in single if d.get("verifiable")]
    if not yes or len(yes) == len(names):
        return []
    weights = tuple(1 / len(yes) if n in yes else -1 / (len(names) - len(yes)) for n in names)
    return [("verifiable", Combination(name=f"verifiable ({', '.join(yes)}) - the rest", weights=weights), names)]


def _additivity(domains: Sequence[dict[str, Any]]) -> Wanted:
    out: Wanted = []
    main, single = {d["name"] for d in _main(domains)}, {d["name"] for d in _single(domains)}
    for d in domains:
        parts = list(d.get("parts") or ())
        if d["role"] == "null" or len(parts) < 2 or not set(parts) <= main:
            continue
        if len(main) > MAX_PAIRED and set(parts) != single:
            continue  # a factorial design answers for the partial mixes
        names = [d["name"], *parts]
        out += [("additivity", c, names) for c in additivity(names, d["name"], parts)]
    return out


def beyond_format(
    domains: Sequence[dict[str, Any]], shifts: Sequence[tuple[str, Measured]], band: float
) -> dict[tuple[str, str], dict[str, Any]]:
    """{(adapter, axis): adapter - format-only adapter}: "the domain did it" needs this clear of 0 too. Exploratory (BH).

    The null adapter taken is the one with permuted answers whose parts hold the domain, the smallest such.
    """
    found = _by_axis(shifts)
    nulls = [d for d in domains if d["role"] == "null" and d.get("answers") == "permuted"]
    made = []
    for axis, cells in found.items():
        for d in _main(domains):
            null = _null_of(d, nulls)
            if null and d["name"] in cells and null in cells:
                made.append(weigh(d["name"], axis, cells, {d["name"]: 1.0, null: -1.0}, found))
                made[-1].contrast = f"{d['name']} - {null}"
    return family(made, band=band, adjust=benjamini_hochberg) if made else {}


def _null_of(domain: dict[str, Any], nulls: Sequence[dict[str, Any]]) -> str | None:
    wanted = set(domain.get("parts") or ()) or {domain["name"]}
    holding = [n for n in nulls if wanted <= set(n.get("parts") or ())]
    return min(holding, key=lambda n: len(n["parts"]))["name"] if holding else None


def mitigation(
    domains: Sequence[dict[str, Any]], gains: Sequence[tuple[str, Measured]], shifts: Sequence[tuple[str, Measured]], band: float
) -> list[dict[str, Any]]:
    """Per resistance mix: what it changes against its plain domain. `gains`: gain kept or lost; `shifts`: negative = shift removed."""
    out = []
    mixes = [d for d in domains if d.get("mitigates")]
    parts = {}
    for part, measured in (("gains", gains), ("shifts", shifts)):
        found = _by_axis(measured)
        made = [
            weigh(d["name"], name, cells, {d["name"]: 1.0, d["mitigates"]: -1.0}, found)
            for name, cells in found.items()
            for d in mixes
            if d["name"] in cells and d["mitigates"] in cells
        ]
        parts[part] = family(made, band=band, adjust=benjamini_hochberg) if made else {}
    for d in mixes:
        mine = {p: {n: c for (a, n), c in cells.items() if a == d["name"]} for p, cells in parts.items()}
        out.append({"name": d["name"], "plain": d["mitigates"], "own_benchmark": _own(domains, d["mitigates"]), **mine})
    return out


def _own(domains: Sequence[dict[str, Any]], name: str) -> str | None:
    return next((d["own_benchmark"] for d in domains if d["name"] == name), None)
