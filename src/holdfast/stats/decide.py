"""Families, equivalence, bounds and power: what may be said of an interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError


def holm(p_F: Sequence[float]) -> list[float]:
    """Holm (1979) adjusted p-values; nan stays nan and does not count in the family."""
    p = np.asarray(p_F, dtype=float)
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    worst = 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - rank) * p[i]))
        out[i] = worst
    return out.tolist()


def benjamini_hochberg(p_F: Sequence[float]) -> list[float]:
    """Benjamini & Hochberg (1995) adjusted p-values; nan stays nan."""
    p = np.asarray(p_F, dtype=float)
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")[::-1]]
    best = 1.0
    for rank, i in enumerate(order):
        best = min(best, p[i] * len(order) / (len(order) - rank))
        out[i] = best
    return out.tolist()


def equivalent(estimate: float, se: float, df: float, band: float, alpha: float = 0.05) -> bool:
    """Two one-sided tests (Schuirmann 1987): the 1 - 2 alpha interval lies inside +-band. Unknown is not equivalent."""
    if not (se == se and df > 0):
        return False
    half = float(stats.t.ppf(1 - alpha, df)) * se
    return estimate - half > -band and estimate + half < band


def mde(se: float, df: float, family: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest effect found with `power` at the Holm family's first step: (t[1 - alpha/2m] + t[power]) * SE."""
    if not (se == se and df > 0):
        return float("nan")
    return float(stats.t.ppf(1 - alpha / (2 * max(1, family)), df) + stats.t.ppf(power, df)) * se


def manski(observed_sum: float, num_observed: float, num_missing: float) -> tuple[float, float]:
    """Bounds of a mean of [0, 1] outcomes with every missing one set to 0, then to 1 (Manski 1989).

    Counts may be fractional: off-format probability mass is a part of an outcome that is missing.
    """
    total = num_observed + num_missing
    if total <= 0:
        raise StatisticsError("manski: no outcome, neither observed nor missing")
    return observed_sum / total, (observed_sum + num_missing) / total
