"""Correlations of gain and shift over a handful of models, on levels and on changes (METRICS section 4, rule 7)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

MIN_MIXES = 8
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven")


def pearson(x: Sequence[float], y: Sequence[float]) -> float | None:
    """Pearson's r; None for fewer than three points or where one side does not vary."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    return float(np.corrcoef(x, y)[0, 1])


def p_value(r: float | None, n: int) -> float | None:
    """Two-sided p of r under independence: t = r sqrt((n - 2) / (1 - r^2)) on n - 2 degrees of freedom."""
    if r is None or n < 3:
        return None
    if abs(r) >= 1:
        return 0.0
    return float(2 * stats.t.sf(abs(r) * math.sqrt((n - 2) / (1 - r * r)), n - 2))


def critical_r(n: int, alpha: float = 0.05) -> float:
    """Smallest |r| with two-sided p < alpha at n points."""
    t = stats.t.ppf(1 - alpha / 2, n - 2)
    return float(t / math.sqrt(n - 2 + t * t))


def refusal(num_mixes: int) -> str | None:
    """Under eight mixes a correlation is a description, and no claim is made of it."""
    if num_mixes >= MIN_MIXES:
        return None
    return f"{WORDS[num_mixes]} point{'s' * (num_mixes != 1)}, no claim"


def leave_one_out(x: Sequence[float], y: Sequence[float]) -> tuple[float, float] | None:
    """Range of r when each point in turn is left out."""
    found = [pearson([*x[:i], *x[i + 1 :]], [*y[:i], *y[i + 1 :]]) for i in range(len(x))]
    known = [r for r in found if r is not None]
    return (min(known), max(known)) if known else None


def correlations(
    levels: dict[tuple[str, str], float],
    table: dict[tuple[str, str], float],
    published: dict[tuple[str, str], float],
    adapters: Sequence[str],
    pairs: Sequence[tuple[str, str]],
) -> list[dict[str, Any]]:
    """One record a (benchmark, axis): r on levels with the base, r on the adapters' changes, and what was published.

    `levels`: rate by (model, instrument) from counts, the base named "base"; a change is adapted - base of these. `table`: the same as the
    study's table rounds them, from which it took its own correlations: the form on levels is of these.
    """
    out = []
    for b, axis in pairs:
        x, y = ([table[m, name] for m in ("base", *adapters)] for name in (b, axis))
        dx, dy = ([levels[a, name] - levels["base", name] for a in adapters] for name in (b, axis))
        on_levels, on_changes = pearson(x, y), pearson(dx, dy)
        out.append(
            {
                "benchmark": b,
                "axis": axis,
                "published": published.get((b, axis)),
                "levels": {"r": on_levels, "n": len(x), "p": p_value(on_levels, len(x))},
                "changes": {
                    "r": on_changes,
                    "n": len(dx),
                    "p": p_value(on_changes, len(dx)),
                    "critical_r": critical_r(len(dx)) if len(dx) > 2 else None,
                    "leave_one_out": leave_one_out(dx, dy),
                },
            }
        )
    return out
