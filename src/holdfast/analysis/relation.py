"""Gain against shift over adapters: ranking, Pareto front, correlation by rule 7 or its refusal. The unit is the domain mix."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from holdfast.analysis.effects import PairedEffect, pooled_seeds
from holdfast.frozen import number
from holdfast.records import DomainFacts
from holdfast.results import AdapterFindings, Correlation, CorrelationCell, Finding, FrontRow, Pareto, RankRow
from holdfast.stats.contrasts import measure_terms
from holdfast.stats.correlation import correlate
from holdfast.stats.crossed import combine_terms
from holdfast.stats.pareto import p_dominates, p_front, p_rank, pareto_front

NUM_DRAWS = 4000
Cells = Mapping[str, Mapping[str, Finding]]  # by adapter, then by instrument


def claim_cells(adapters: Sequence[AdapterFindings]) -> dict[str, dict[str, Finding]]:
    """What is ranked and related to gains.

    Args:
        adapters: the findings of every adapter.
    Returns:
        {domain adapter: {axis: its deference part, or its behaviour on an axis where an adapter has no parts}}.
    """
    domains = [a for a in adapters if a.role == "domain"]
    parts = {axis: all(a.shifts[axis].deference for a in domains if axis in a.shifts) for a in domains for axis in a.shifts}
    return {a.name: {axis: (s.deference if parts[axis] else None) or s.behaviour for axis, s in a.shifts.items()} for a in domains}


def gain_cells(adapters: Sequence[AdapterFindings]) -> dict[str, dict[str, Finding]]:
    """The gains of the domain adapters.

    Args:
        adapters: the findings of every adapter.
    Returns:
        {domain adapter: {benchmark: its gain}}.
    """
    return {a.name: a.gains for a in adapters if a.role == "domain"}


def ranking(shifts: Cells, effects: Sequence[PairedEffect]) -> tuple[RankRow, ...]:
    """Domain adapters by mean shift; descriptive: it mixes scales.

    Args:
        shifts: from `claim_cells`.
        effects: of all adapters, for what their estimates share.
    Returns:
        Per domain adapter the probability of each place, the smallest shift first; empty with fewer than two whose shifts may all be used.
    """
    usable = [name for name, cells in shifts.items() if _complete(cells)]
    if len(usable) < 2:
        return ()
    ranks = p_rank(_draws(usable, shifts, effects, np.random.default_rng(0)))
    return tuple(RankRow(name=name, p_rank=tuple(row.tolist())) for name, row in zip(usable, ranks, strict=True))


def pareto(gains: Cells, shifts: Cells, effects: Sequence[PairedEffect]) -> Pareto | None:
    """Domain adapters on the front of mean gain (up) and mean shift (down); descriptive.

    Args:
        gains: from `gain_cells`.
        shifts: from `claim_cells`.
        effects: gains and shifts of all adapters, for what their estimates share.
    Returns:
        The front and its probabilities; None with fewer than two domain adapters whose gains and shifts may all be used.
    """
    names = [name for name in shifts if _complete(gains[name]) and _complete(shifts[name])]
    if len(names) < 2:
        return None
    rng = np.random.default_rng(0)
    draws = _draws(names, gains, effects, rng), _draws(names, shifts, effects, rng)
    front = pareto_front(*([_mean(cells[name]) for name in names] for cells in (gains, shifts)))
    beats = p_dominates(*draws)
    return Pareto(
        front=tuple(FrontRow(name=n, on_front=bool(on), p_front=float(p)) for n, on, p in zip(names, front, p_front(*draws), strict=True)),
        p_dominates={a: {b: float(beats[i, j]) for j, b in enumerate(names) if i != j} for i, a in enumerate(names)},
    )


def correlations(gains: Cells, shifts: Cells, domains: Sequence[DomainFacts]) -> Correlation:
    """Mean gain, and every benchmark's gain, with every axis's shift over the domain mixes.

    Args:
        gains: from `gain_cells`.
        shifts: from `claim_cells`.
        domains: of the study; of adapters that hold the same domains the first counts.
    Returns:
        Correlations by `GAIN x AXIS`, positive: more gain goes with more sycophancy; under 8 mixes a description only.
    """
    mixes: dict[frozenset[str], str] = {}
    for d in domains:
        if d.name in shifts and any(g.estimate is not None for g in gains[d.name].values()):
            mixes.setdefault(frozenset(d.parts or (d.name,)), d.name)
    names = list(mixes.values())
    refused, description, cells = None, {}, {}
    for axis in dict.fromkeys(axis for name in names for axis in shifts[name]):
        pairs = {"mean_gain": [(_mean(gains[n]) if _complete(gains[n]) else None, _mean_se(gains[n])) for n in names]}
        for benchmark in dict.fromkeys(b for name in names for b in gains[name]):
            own = [gains[n][benchmark] for n in names]
            pairs[benchmark] = [(g.estimate if _usable(g) else None, number(g.se)) for g in own]
        for label, rows in pairs.items():
            both = zip(rows, (shifts[n][axis] for n in names), strict=True)
            points = [(g, g_se, s.estimate, s.se) for (g, g_se), s in both if g is not None and _usable(s)]
            if not points:
                continue
            gain, gain_se, shift, shift_se = zip(*points, strict=True)
            result = correlate(gain, shift, gain_se, shift_se, np.random.default_rng(0))
            if label == "mean_gain":
                description[axis] = result.pearson
                refused = refused or result.refused
            cells[f"{label} x {axis}"] = CorrelationCell(**dataclasses.asdict(result))
    return Correlation(num_mixes=len(names), refused=refused, description=description, cells=cells)


def _complete(cells: Mapping[str, Finding]) -> bool:
    """There are estimates, and every one may be used."""
    return bool(cells) and all(map(_usable, cells.values()))


def _usable(cell: Finding) -> bool:
    return cell.estimate is not None and cell.se is not None and cell.verdict not in ("refused", "not_identified")


def _mean(cells: Mapping[str, Finding]) -> float:
    return float(np.mean([number(c.estimate) for c in cells.values()]))


def _draws(names: Sequence[str], cells: Cells, effects: Sequence[PairedEffect], rng: np.random.Generator) -> np.ndarray:
    """[draws, adapters]: means over instruments of estimates drawn from their joint normal distribution."""
    columns = []
    for instrument in cells[names[0]]:
        means = [number(cells[name][instrument].estimate) for name in names]
        spread = np.array([number(cells[name][instrument].se) for name in names])
        shared = _correlation([e for e in effects if e.name == instrument], names)
        columns.append(rng.multivariate_normal(means, shared * np.outer(spread, spread), NUM_DRAWS, check_valid="ignore", method="eigh"))
    return np.mean(columns, axis=0)


def _correlation(effects: Sequence[PairedEffect], names: Sequence[str]) -> np.ndarray:
    """Of the adapters' estimates on one instrument [adapters, adapters]: they share its items and the base."""
    own = {e.adapter: e for e in effects}
    if any(name not in own or own[name].empty for name in names):
        return np.eye(len(names))
    views = [own[name].views for name in names]
    middle = len(views[0]) // 2  # of the responses
    pool = pooled_seeds(effects)[effects[0].name][middle]
    terms = measure_terms([v[middle] for v in views], own[names[0]].clusters, names=names, pooled=pool)
    variance = lambda weights, some: combine_terms(some, weights, pooled=pool).se ** 2  # noqa: E731
    alone = [variance([1.0], [term]) for term in terms]
    out = np.eye(len(names))
    for i in range(len(names)):
        for j in range(i):
            scale = np.sqrt(alone[i] * alone[j])
            shared = (alone[i] + alone[j] - variance([1.0, -1.0], [terms[i], terms[j]])) / 2
            out[i, j] = out[j, i] = np.clip(shared / scale, -1, 1) if scale > 0 else 0.0
    return np.nan_to_num(out)


def _mean_se(cells: Mapping[str, Finding]) -> float:
    errors = [number(c.se) for c in cells.values() if c.estimate is not None]
    return float(np.sqrt(np.sum(np.square(errors)))) / len(errors)
