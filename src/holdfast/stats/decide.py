"""Families, equivalence, bounds and power: what may be said of an interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """Two one-sided tests: p of each (above -band, below +band), their larger one, the 1 - 2 alpha interval, and the decision."""

    p: float
    p_above: float
    p_below: float
    lower: float
    upper: float
    band: float
    alpha: float
    equivalent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionedBounds:
    """Bounds of a rate among items right (or wrong) at first, and the counts behind them: `n` = in the set + perhaps in it."""

    lower: float
    upper: float
    n: int
    num_in_set: int
    num_missing_first: int
    num_missing_second: int


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
        best = min(best, p[i] * (len(order) / (len(order) - rank)))
        out[i] = best
    return out.tolist()


def equivalent(estimate: float, se: float, df: float, band: float, alpha: float = 0.05) -> bool:
    """Two one-sided tests (Schuirmann 1987): the 1 - 2 alpha interval lies inside +-band. Unknown is not equivalent."""
    if not (se == se and df > 0):
        return False
    half = float(stats.t.ppf(1 - alpha, df)) * se
    return estimate - half > -band and estimate + half < band


def tost(estimate: float, se: float, df: float, band: float, alpha: float = 0.05) -> Equivalence:
    """Two one-sided tests against +-band (Schuirmann 1987): p is the larger of the two one-sided p-values.

    `equivalent` is p < alpha, the same as the 1 - 2 alpha interval inside the band. Unknown `se` or `df`: p nan, not
    equivalent. Raises StatisticsError for a band that is not above 0 or alpha not in (0, 1/2).
    """
    if not (0 < band < float("inf") and 0 < alpha < 0.5):
        raise StatisticsError(f"band: {band}, alpha: {alpha}; a band above 0 and alpha between 0 and 0.5 are needed")
    unknown = float("nan")
    if not (estimate == estimate and se == se and df > 0):
        lower = upper = p_above = p_below = unknown
    elif se == 0:
        lower = upper = estimate
        p_above, p_below = float(estimate <= -band), float(estimate >= band)
    else:
        half = float(stats.t.ppf(1 - alpha, df)) * se
        lower, upper = estimate - half, estimate + half
        p_above, p_below = float(stats.t.sf((estimate + band) / se, df)), float(stats.t.cdf((estimate - band) / se, df))
    p = max(p_above, p_below)
    return Equivalence(p=p, p_above=p_above, p_below=p_below, lower=lower, upper=upper, band=band, alpha=alpha, equivalent=bool(p < alpha))


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


def manski_conditioned(
    first_I: np.ndarray | Sequence[float], outcome_I: np.ndarray | Sequence[float], *, among: float = 1.0
) -> ConditionedBounds:
    """Bounds of the mean outcome among items whose first answer was right (`among` 1) or wrong (0), nan: missing.

    A missing first answer may belong to the set or not, with any outcome; both stages count as missing (METRICS section 4, rule 1): N = right at first +
    missing at first; below, everything missing is 0 and belongs; above, it is 1 and belongs. Sharp: some completion reaches each bound.
    The outcome of an item whose first answer is missing is not used. Raises StatisticsError for first answers
    other than 0, 1, nan, outcomes outside [0, 1], unequal lengths, or if no item can belong.
    """
    first, outcome = np.asarray(first_I, dtype=float), np.asarray(outcome_I, dtype=float)
    if first.ndim != 1 or first.shape != outcome.shape:
        raise StatisticsError(f"manski: first answers {first.shape}, outcomes {outcome.shape}; one of each for every item")
    if among not in (0, 1) or not np.isin(first[~np.isnan(first)], (0.0, 1.0)).all():
        raise StatisticsError("manski: first answers, and the set asked for, are 1 (right), 0 (wrong) or nan (missing)")
    if (outcome < 0).any() or (outcome > 1).any():
        raise StatisticsError("manski: an outcome lies outside [0, 1]")
    member, unsure = first == among, np.isnan(first)
    observed = outcome[member & ~np.isnan(outcome)]
    second = int(member.sum()) - len(observed)
    lower, upper = manski(float(observed.sum()), len(observed), second + int(unsure.sum()))
    return ConditionedBounds(
        lower=lower,
        upper=upper,
        n=int(member.sum() + unsure.sum()),
        num_in_set=int(member.sum()),
        num_missing_first=int(unsure.sum()),
        num_missing_second=second,
    )
