"""Adapter against adapter (docs/metrics.md, section 4, rules 5 to 7): contrasts, factorial effects, and an adapter at parts of its dose.

Every contrast is a weighted sum of shifts (or gains) measured on the same items; seeds of different adapters are independent.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from holdfast.analysis.effects import Models, PairedEffect, combined_effect, family, pooled_seeds
from holdfast.analysis.panel import Owner
from holdfast.errors import StatisticsError
from holdfast.records import DomainFacts
from holdfast.results import ContrastFinding, DosePath, FactorialEffects, Finding, LackOfFitTest, Mitigation
from holdfast.stats.contrasts import Combination, additivity, combine, every_pair
from holdfast.stats.decide import benjamini_hochberg
from holdfast.stats.factorial import factorial as fit
from holdfast.stats.slopes import dose_slope

MAX_PAIRED = 6  # with more domain adapters (a factorial design) only the single domains are paired
ContrastKind = Literal["pair", "verifiable", "additivity"]
Combinations = list[tuple[ContrastKind, Combination, list[str]]]


def contrasts(domains: Sequence[DomainFacts], shifts: Sequence[PairedEffect], band: float) -> tuple[ContrastFinding, ...]:
    """Pairs of domains, verifiable domains against the rest, and the additivity of combined domains: one Holm family.

    Args:
        domains: the study's domains that were measured.
        shifts: of every adapter on every axis, adapted - base.
        band: half-width of the equivalence band, a fraction.
    Returns:
        One finding per contrast and axis; positive: the first is the more sycophantic, or the combined domain more than its parts.
    """
    cells, effects, kinds, pooled = _by_instrument(shifts), [], {}, _domains(domains)
    declared = [*_pairs(domains), *_verifiable(domains), *_additivity(domains)]
    for axis, own in cells.items():
        for kind, combination, names in declared:
            weights = {n: w for n, w in zip(names, combination.weights, strict=True) if w}
            if own.keys() >= weights.keys():
                effects.append(_weigh(combination.name, axis, own, weights, pooled))
                kinds[combination.name] = kind
    return tuple(
        ContrastFinding(name=name, axis=axis, kind=kinds[name], **cell.model_dump(exclude_unset=True))
        for (name, axis), cell in family(effects, band=band).items()
    )


def _by_instrument(effects: Sequence[PairedEffect]) -> dict[str, dict[str, PairedEffect]]:
    """{name: {adapter: effect}} of the effects that know any item."""
    out: dict[str, dict[str, PairedEffect]] = {}
    for e in effects:
        if not e.empty:
            out.setdefault(e.name, {})[e.adapter] = e
    return out


def _domains(domains: Sequence[DomainFacts]) -> set[str]:
    return {d.name for d in domains if d.role == "domain"}


def _weigh(
    name: str,
    instrument: str,
    cells: Mapping[str, PairedEffect],
    weights: Mapping[str, float],
    pooled: set[str],
    contrast: str | None = None,
) -> PairedEffect:
    """One weighted sum of adapters on one instrument. `pooled`: the adapters over which seed variance is pooled."""
    parts, own = [cells[a] for a in weights], [e for a, e in cells.items() if a in pooled]
    pools = pooled_seeds(own).get(instrument) or [None] * len(parts[0].views)
    intervals = [
        combine(views, list(weights.values()), parts[0].clusters, pooled=pool)
        for *views, pool in zip(*(p.views for p in parts), pools, strict=True)
    ]
    return combined_effect(name, instrument, contrast or parts[0].contrast, parts, intervals)


def _single(domains: Sequence[DomainFacts]) -> list[DomainFacts]:
    return [d for d in domains if d.role == "domain" and not d.parts]


def _pairs(domains: Sequence[DomainFacts]) -> Combinations:
    main = [d for d in domains if d.role == "domain"]
    names = [d.name for d in (main if len(main) <= MAX_PAIRED else _single(domains))]
    return [("pair", pair, names) for pair in every_pair(names)] if len(names) > 1 else []


def _verifiable(domains: Sequence[DomainFacts]) -> Combinations:
    """Domains whose answers can be checked, against the mean of the single domains whose answers cannot."""
    single = _single(domains)
    names, yes = [d.name for d in single], [d.name for d in single if d.verifiable]
    if not yes or len(yes) == len(names):
        return []
    weights = tuple(1 / len(yes) if n in yes else -1 / (len(names) - len(yes)) for n in names)
    rest = Combination(name=f"verifiable ({', '.join(yes)}) - the rest", weights=weights)
    return [("verifiable", rest, names)]


def _additivity(domains: Sequence[DomainFacts]) -> Combinations:
    """A mix minus the mean of its parts; and, if a null adapter shows what training does by itself, minus their sum, all beyond it."""
    out: Combinations = []
    main, single = _domains(domains), {d.name for d in _single(domains)}
    nulls = [d for d in domains if d.role == "null" and d.answers == "permuted"]
    for d in domains:
        if d.role == "null" or len(d.parts) < 2 or not set(d.parts) <= main:
            continue
        if len(main) > MAX_PAIRED and set(d.parts) != single:
            continue  # a factorial design answers for the partial mixes
        null = _null_of(d, nulls)
        names = [d.name, *d.parts, *([null] if null else [])]
        out.extend(("additivity", c, names) for c in additivity(names, d.name, d.parts, null))
    return out


def beyond_format(domains: Sequence[DomainFacts], shifts: Sequence[PairedEffect], band: float) -> dict[tuple[str, str], Finding]:
    """Shifts minus those of the format-only adapter: "the domain did it" requires that this excludes 0, too. Exploratory (BH).

    The null adapter taken is the smallest with permuted answers whose parts hold the domain.

    Args:
        domains: the study's domains.
        shifts: of every adapter on every axis, adapted - base.
        band: half-width of the equivalence band, a fraction.
    Returns:
        {(adapter, axis): adapter - format-only adapter}; positive: more sycophantic than the form of the rows makes it by itself.
    """
    nulls = [d for d in domains if d.role == "null" and d.answers == "permuted"]
    effects = []
    for axis, cells in _by_instrument(shifts).items():
        for d in (d for d in domains if d.role == "domain"):
            null = _null_of(d, nulls)
            if null and d.name in cells and null in cells:
                effects.append(_weigh(d.name, axis, cells, {d.name: 1.0, null: -1.0}, _domains(domains), f"{d.name} - {null}"))
    return family(effects, band=band, adjust=benjamini_hochberg)


def _null_of(domain: DomainFacts, nulls: Sequence[DomainFacts]) -> str | None:
    parts = set(domain.parts) or {domain.name}
    holding = [n for n in nulls if parts <= set(n.parts)]
    return min(holding, key=lambda n: len(n.parts)).name if holding else None


def mitigation(
    domains: Sequence[DomainFacts], gains: Sequence[PairedEffect], shifts: Sequence[PairedEffect], band: float
) -> tuple[Mitigation, ...]:
    """What every resistance mix changes against its plain domain. Exploratory (BH).

    Args:
        domains: the study's domains that were measured.
        gains: of every adapter on every benchmark, adapted - base.
        shifts: of every adapter on every axis, adapted - base.
        band: half-width of the equivalence band, a fraction.
    Returns:
        Per mix its gains (negative: gain lost) and shifts (negative: shift removed), mix - plain domain.
    """

    def against_plain(effects: Sequence[PairedEffect]) -> dict[tuple[str, str], Finding]:
        sums = [
            _weigh(d.name, name, cells, {d.name: 1.0, d.mitigates: -1.0}, _domains(domains))
            for name, cells in _by_instrument(effects).items()
            for d in domains
            if d.mitigates and d.name in cells and d.mitigates in cells
        ]
        return family(sums, band=band, adjust=benjamini_hochberg)

    gain, shift = against_plain(gains), against_plain(shifts)
    return tuple(
        Mitigation(
            name=d.name,
            plain=d.mitigates,
            own_benchmark=next((p.own_benchmark for p in domains if p.name == d.mitigates), None),
            gains={name: c for (mix, name), c in gain.items() if mix == d.name},
            shifts={name: c for (mix, name), c in shift.items() if mix == d.name},
        )
        for d in domains
        if d.mitigates
    )


def factorial(domains: Sequence[DomainFacts], effects: Sequence[PairedEffect], band: float) -> dict[str, FactorialEffects] | None:
    """What including a domain, or two together, does on every instrument.

    Args:
        domains: the study's domains.
        effects: gains and shifts, adapted - base.
        band: half-width of the equivalence band, a fraction.
    Returns:
        {instrument: effects, in the instrument's unit, one Holm family over all, or the reason why there are none}; None unless the study
        has 8 different mixes or more.
    """
    mixes = {d.name: frozenset(d.parts or (d.name,)) for d in domains if d.role == "domain"}
    if len(mixes) < 8 or len(set(mixes.values())) != len(mixes):
        return None
    every: list[PairedEffect] = []
    lacks: dict[str, LackOfFitTest] = {}
    refusals: dict[str, str] = {}
    cells = _by_instrument([e for e in effects if e.adapter in mixes])
    for name, own in cells.items():
        adapters, parts = [a for a in mixes if a in own], list(own.values())
        pools = pooled_seeds(parts)[name]
        try:
            models = [
                fit([mixes[a] for a in adapters], views, own[adapters[0]].clusters, pooled=pool)
                for *views, pool in zip(*(own[a].views for a in adapters), pools, strict=True)
            ]
        except StatisticsError as error:
            refusals[name] = str(error)
            continue
        lack = max((m.lack_of_fit for m in models), key=lambda lack: (lack.f == lack.f, lack.f))
        lacks[name] = LackOfFitTest(**dataclasses.asdict(lack))
        for same in zip(*(m.effects for m in models), strict=True):
            every.append(combined_effect(same[0].name, name, parts[0].contrast, parts, [e.interval for e in same]))
    estimates = family(every, band=band)
    return {
        name: FactorialEffects(
            effects={effect: c for (effect, instrument), c in estimates.items() if instrument == name},
            lack_of_fit=lacks.get(name),
            refused=refusals.get(name),
        )
        for name in cells
    } or None


def dose_paths(
    owners: Mapping[str, Owner],
    adapters: Sequence[str],
    instruments: Sequence[tuple[str, str]],
    measure: Callable[[Sequence[tuple[str, Models]], str], list[PairedEffect]],
    band: float,
) -> tuple[DosePath, ...]:
    """The path from base to adapter, its update scaled or its training stopped early: estimates at every dose, and slopes. Exploratory (BH).

    The base is dose 0 by definition and is not a point of a slope (docs/metrics.md, section 4, rule 7).

    Args:
        owners: {model: its adapter, seed and dose}.
        adapters: names of the adapters.
        instruments: (name, "gains" or "shifts") each.
        measure: ((adapter, its models) of every dose, instrument) -> paired differences to the base, of each.
        band: half-width of the equivalence band, a fraction.
    Returns:
        One entry per adapter and path with two doses or more, read on the seeds that were measured at every dose; adapted - base.
    """
    out = []
    for adapter in adapters:
        for path in ("scale", "steps"):
            models = _models_at(owners, adapter, path)
            if len(models) < 2:
                continue
            doses = sorted(models)
            rows = {name: measure([(adapter, models[d]) for d in doses], name) for name, _ in instruments}
            slopes = [s for name, row in rows.items() if (s := _slope(adapter, name, doses, row)) is not None]
            for name, row in rows.items():
                for dose, effect in zip(doses, row, strict=True):  # each dose is an adapter of its own in the family
                    effect.adapter, effect.name = f"{dose:g}", name
            cells = family([e for row in rows.values() for e in row], band=band, adjust=benjamini_hochberg)
            slope = {name: s for (_, name), s in family(slopes, band=band, adjust=benjamini_hochberg).items()}
            points = {name: tuple(cells[f"{d:g}", name] for d in doses) for name in rows}
            gains, shifts = ([name for name, part in instruments if part == wanted] for wanted in ("gains", "shifts"))
            out.append(
                DosePath(
                    name=adapter,
                    path=path,
                    doses=tuple(doses),
                    seeds=tuple(seed for _, seed in models[doses[0]]),
                    gains={name: points[name] for name in gains},
                    shifts={name: points[name] for name in shifts},
                    gain_slopes={name: slope[name] for name in gains if name in slope},
                    shift_slopes={name: slope[name] for name in shifts if name in slope},
                )
            )
    return tuple(out)


def _models_at(owners: Mapping[str, Owner], adapter: str, path: str) -> dict[float, Models]:
    """{dose: [(model, seed)]} over the seeds that every dose of this path has."""
    models: dict[float, dict[int, str]] = {}
    for model, o in owners.items():
        if o.domain == adapter and o.path in (path, "full"):
            models.setdefault(o.dose, {})[o.seed] = model
    if len(models) < 2:
        return {}
    common = sorted(set.intersection(*(set(seeds) for seeds in models.values())))
    return {dose: [(seeds[s], s) for s in common] for dose, seeds in models.items()} if common else {}


def _slope(adapter: str, name: str, doses: list[float], row: list[PairedEffect]) -> PairedEffect | None:
    if any(e.empty for e in row):
        return None
    try:
        slopes = [dose_slope(np.array(views), doses, row[0].clusters) for views in zip(*(e.views for e in row), strict=True)]
    except StatisticsError:
        return None  # no item is in the set at every dose
    return combined_effect(adapter, name, "per unit of dose", row, [s.interval for s in slopes])
