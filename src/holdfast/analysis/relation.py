"""Gain against shift over adapters: ranking, Pareto front, correlation by rule 7 or its refusal. The unit is the domain mix."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from holdfast.results import AdapterFindings, Correlation, CorrelationCell, Finding, FrontRow, Pareto, RankRow, number
from holdfast.stats.correlation import correlate
from holdfast.stats.pareto import p_dominates, p_front, p_rank, pareto_front

NUM_DRAWS = 4000


def _domains(adapters: Sequence[AdapterFindings]) -> list[AdapterFindings]:
    return [a for a in adapters if a.role == "domain"]


def _complete(cells: Mapping[str, Finding]) -> bool:
    """There are estimates, and every one has a standard error."""
    return bool(cells) and all(c.estimate is not None and c.se is not None for c in cells.values())


def _draws(every: Iterable[Mapping[str, Finding]], rng: np.random.Generator) -> np.ndarray:
    """[draws, adapters]: means over instruments, each estimate drawn from its own normal distribution."""
    normal = lambda c: rng.normal(number(c.estimate), number(c.se), NUM_DRAWS)  # noqa: E731
    columns = [np.mean([normal(c) for c in cells.values()], axis=0) for cells in every]
    return np.array(columns).T


def ranking(adapters: Sequence[AdapterFindings]) -> tuple[RankRow, ...]:
    """Domain adapters by mean shift; descriptive: it mixes scales.

    Args:
        adapters: the findings of every adapter.
    Returns:
        Per domain adapter the probability of each place, the smallest shift first; empty with fewer than two whose shifts are all known.
    """
    usable = [a for a in _domains(adapters) if _complete(a.shifts)]
    if len(usable) < 2:
        return ()
    ranks = p_rank(_draws([a.shifts for a in usable], np.random.default_rng(0)))
    return tuple(RankRow(name=a.name, p_rank=tuple(row.tolist())) for a, row in zip(usable, ranks, strict=True))


def pareto(adapters: Sequence[AdapterFindings]) -> Pareto | None:
    """Domain adapters on the front of mean gain (up) and mean shift (down); descriptive.

    Args:
        adapters: the findings of every adapter.
    Returns:
        The front and its probabilities; None with fewer than two domain adapters whose gains and shifts are all known.
    """
    usable = [a for a in _domains(adapters) if _complete(a.gains) and _complete(a.shifts)]
    if len(usable) < 2:
        return None
    rng = np.random.default_rng(0)
    draws = _draws([a.gains for a in usable], rng), _draws([a.shifts for a in usable], rng)
    front = pareto_front([number(a.mean_gain) for a in usable], [number(a.mean_shift) for a in usable])
    names, beats = [a.name for a in usable], p_dominates(*draws)
    return Pareto(
        front=tuple(FrontRow(name=n, on_front=bool(on), p_front=float(p)) for n, on, p in zip(names, front, p_front(*draws), strict=True)),
        p_dominates={a: {b: float(beats[i, j]) for j, b in enumerate(names) if i != j} for i, a in enumerate(names)},
    )


def correlations(adapters: Sequence[AdapterFindings], benchmarks: Sequence[str], axes: Sequence[str]) -> Correlation:
    """Mean gain, and every benchmark's gain, with every axis's shift over the domain mixes.

    Args:
        adapters: the findings of every adapter; those of role domain are the mixes.
        benchmarks: names of the benchmarks.
        axes: names of the axes.
    Returns:
        Correlations by `GAIN x AXIS`, positive: more gain goes with more sycophancy; under 8 mixes a description only.
    """
    usable = [a for a in _domains(adapters) if a.mean_gain is not None]
    refused, description, cells = None, {}, {}
    for axis in axes:
        pairs = {"mean_gain": [(a.mean_gain, _mean_se(a.gains), a.shifts[axis]) for a in usable]}
        pairs |= {n: [(a.gains[n].estimate, number(a.gains[n].se), a.shifts[axis]) for a in usable] for n in benchmarks}
        for name, rows in pairs.items():
            points = [(g, g_se, s.estimate, s.se) for g, g_se, s in rows if g is not None and s.estimate is not None and s.se is not None]
            if not points:
                continue
            gain, gain_se, shift, shift_se = zip(*points, strict=True)
            result = correlate(gain, shift, gain_se, shift_se, np.random.default_rng(0))
            if name == "mean_gain":
                description[axis] = result.pearson
                refused = refused or result.refused
            cells[f"{name} x {axis}"] = CorrelationCell(**dataclasses.asdict(result))
    return Correlation(num_mixes=len(usable), refused=refused, description=description, cells=cells)


def _mean_se(cells: Mapping[str, Finding]) -> float:
    errors = [number(c.se) for c in cells.values() if c.estimate is not None]
    return float(np.sqrt(np.sum(np.square(errors)))) / len(errors)
