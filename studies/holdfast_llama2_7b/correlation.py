"""Correlations of gain and shift over a handful of models, on levels and on changes (docs/metrics.md, section 4, rule 7)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from holdfast.results import PublishedChanges, PublishedCorrelation, PublishedLevels
from holdfast.stats.correlation import MIN_MIXES

WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven")
Cells = Mapping[tuple[str, str], float]


def pearson(x: Sequence[float], y: Sequence[float]) -> float:
    """Pearson's r; nan for fewer than three points or where one side does not vary."""
    return math.nan if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0 else float(np.corrcoef(x, y)[0, 1])


def p_value(r: float, n: int) -> float | None:
    """Two-sided p of r under independence: t = r sqrt((n - 2) / (1 - r^2)) on n - 2 degrees of freedom; None for an unknown r."""
    if math.isnan(r):
        return None
    if abs(r) >= 1:
        return 0.0
    return float(2 * stats.t.sf(abs(r) * math.sqrt((n - 2) / (1 - r * r)), n - 2))


def critical_r(n: int) -> float:
    """Smallest |r| with two-sided p < .05 at n points."""
    t = stats.t.ppf(0.975, n - 2)
    return float(t / math.sqrt(n - 2 + t * t))


def refusal(num_mixes: int) -> str | None:
    """Under eight mixes a correlation is a description, and no claim is made of it."""
    if num_mixes >= MIN_MIXES:
        return None
    return f"{WORDS[num_mixes]} point{'s' * (num_mixes != 1)}, no claim"


def leave_one_out(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """Range of r when each point in turn is left out; None if it is never known."""
    known = [r for i in range(len(x)) if not math.isnan(r := pearson([*x[:i], *x[i + 1 :]], [*y[:i], *y[i + 1 :]]))]
    return (min(known), max(known)) if known else None


def correlations(
    levels: Cells, table: Cells, published: Cells, adapters: Sequence[str], pairs: Sequence[tuple[str, str]]
) -> tuple[PublishedCorrelation, ...]:
    """Per (benchmark, axis): r on levels with the base, r on the adapters' changes, and what was published.

    `levels`: rate by (model, instrument) from counts, the base named "base"; a change is adapted - base of these. `table`: the same as the
    study's table rounds them, from which it took its own correlations: the form on levels is of these.
    """

    def one(b: str, axis: str) -> PublishedCorrelation:
        x, y = ([table[m, name] for m in ("base", *adapters)] for name in (b, axis))
        dx, dy = ([levels[a, name] - levels["base", name] for a in adapters] for name in (b, axis))
        return PublishedCorrelation(
            benchmark=b,
            axis=axis,
            published=published.get((b, axis)),
            levels=PublishedLevels(**_describe(x, y)),
            changes=PublishedChanges(
                **_describe(dx, dy), critical_r=critical_r(len(dx)) if len(dx) > 2 else None, leave_one_out=leave_one_out(dx, dy)
            ),
        )

    return tuple(one(b, axis) for b, axis in pairs)


def _describe(x: Sequence[float], y: Sequence[float]) -> dict[str, Any]:
    r = pearson(x, y)
    return {"r": None if math.isnan(r) else r, "n": len(x), "p": p_value(r, len(x))}
