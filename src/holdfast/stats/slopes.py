"""Slopes within one domain: shift per unit of dose, and shift per unit of gain along the path of doses.

Dose 0 is the base: its shift is 0 by definition, not by measurement, so it is no point of any line (METRICS section 4, rule 7).
Lines are fitted by least squares to the doses above 0 of one seed, with a free intercept; `through_zero` instead holds the line
at shift 0 for dose 0, which is right only where the response is straight from the start and otherwise mixes the first step
into the slope. Doses of one seed are one training path, so the unit is the seed: one slope each, then the crossed interval.
Ratio of slopes: Fieller (1954, "Some problems in interval estimation").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import vector
from holdfast.stats.crossed import Interval, crossed, seed_means


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseSlope:
    """Change per unit of dose with its crossed interval, the slope of each seed, and items left out (not known at every dose)."""

    interval: Interval
    per_seed: tuple[float, ...]
    doses: tuple[float, ...]
    num_dropped: int
    through_zero: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """Shift per unit of gain with its Fieller interval; nan limits and `doubtful` where the gain's slope is not clear of 0."""

    estimate: float
    lower: float
    upper: float
    level: float
    df: float
    g: float
    doubtful: bool


def dose_weights(dose_D: np.ndarray | Sequence[float], *, through_zero: bool = False) -> np.ndarray:
    """Weights with which values at the doses sum to the least-squares slope: (d - mean) / sum (d - mean)^2; through zero d / sum d^2.

    Raises StatisticsError for a dose that is unknown, not above 0 or repeated, or fewer than two doses (one through zero).
    """
    dose = vector("dose_D", dose_D)
    if np.isnan(dose).any() or (dose <= 0).any():
        raise StatisticsError(f"dose_D: {dose.tolist()}; doses above 0 are needed: dose 0 is the base and no point")
    if len(np.unique(dose)) < len(dose) or len(dose) < (1 if through_zero else 2):
        raise StatisticsError(f"dose_D: {dose.tolist()}; {'one' if through_zero else 'two'} or more different doses are needed")
    away = dose if through_zero else dose - dose.mean()
    return away / (away**2).sum()


def dose_slope(
    diff_DSI: np.ndarray,
    dose_D: np.ndarray | Sequence[float],
    cluster_I: np.ndarray | Sequence[object],
    *,
    through_zero: bool = False,
    pooled: tuple[float, float] | None = None,
    level: float = 0.95,
) -> DoseSlope:
    """Shift (or gain) per unit of dose: a slope for each item and seed, then the crossed interval over items and seeds.

    `diff_DSI`: doses x seeds x items of paired differences adapted - base, nan: not in that dose's set. An item enters a seed's slope only where it
    is known at every dose (same items), others are left out and counted. Raises StatisticsError as `dose_weights`, and if no item is known at all doses.
    """
    diff_DSI = np.asarray(diff_DSI, dtype=float)
    weight_D = dose_weights(dose_D, through_zero=through_zero)
    if diff_DSI.ndim != 3 or len(diff_DSI) != len(weight_D):
        raise StatisticsError(f"diff_DSI: shape {diff_DSI.shape}; doses x seeds x items with {len(weight_D)} doses needed")
    slope_SI = np.tensordot(weight_D, diff_DSI, axes=1)
    if np.isnan(slope_SI).all():
        raise StatisticsError("diff_DSI: no item is known at every dose of a seed")
    return DoseSlope(
        interval=crossed(slope_SI, np.asarray(cluster_I), level=level, pooled=pooled),
        per_seed=tuple(seed_means(slope_SI).tolist()),
        doses=tuple(vector("dose_D", dose_D).tolist()),
        num_dropped=int((np.isnan(slope_SI) & (~np.isnan(diff_DSI)).any(0)).sum()),
        through_zero=through_zero,
    )


def path_slope(shift: DoseSlope, gain: DoseSlope) -> Ratio:
    """Slope of shift on gain along the path of doses: the dose slope of the shift over that of the gain.

    The two are measured on different items but on the same seeds, in the same order: their covariance is that of the seeds' slopes. Fieller's limits are
    the ratios r for which (shift - r gain)^2 = t^2 Var(shift - r gain), at the fewer of the two degrees of freedom. g = t^2 Var(gain) / gain^2: at
    1 or more the gain's slope is not clear of 0, every ratio is possible (no limits, `doubtful`); from .2 the limits are far from symmetric (`doubtful` too).
    Raises StatisticsError for different seeds, doses, fits or levels.
    """
    if (len(shift.per_seed), shift.doses, shift.through_zero, shift.interval.level) != (
        len(gain.per_seed),
        gain.doses,
        gain.through_zero,
        gain.interval.level,
    ):
        raise StatisticsError("path_slope: shift and gain must come from the same seeds, doses, fit and level")
    a, b, level = shift.interval, gain.interval, shift.interval.level
    covariance = _seed_covariance(shift, gain)
    return ratio(a.estimate, b.estimate, a.se**2, b.se**2, covariance, df=min(a.df, b.df), level=level)


def ratio(
    above: float, below: float, variance_above: float, variance_below: float, covariance: float, *, df: float, level: float = 0.95
) -> Ratio:
    """Fieller's interval of a ratio of two estimates; unknown input gives unknown limits.

    Raises StatisticsError for a covariance larger than the variances allow.
    """
    if covariance**2 > variance_above * variance_below * (1 + 1e-9):
        raise StatisticsError(f"covariance: {covariance:g} is more than variances {variance_above:g} and {variance_below:g} allow")
    unknown = float("nan")
    estimate = above / below if below != 0 else unknown
    t2 = float(stats.t.ppf(0.5 + level / 2, df)) ** 2
    g = t2 * variance_below / below**2 if below != 0 else float("inf")
    if not g < 1 or np.isnan(above + variance_above + covariance):
        return Ratio(estimate=estimate, lower=unknown, upper=unknown, level=level, df=df, g=g, doubtful=True)
    # r solves (below^2 - t2 Vb) r^2 - 2 (above below - t2 C) r + (above^2 - t2 Va) = 0; g < 1 makes the first factor positive.
    first, half, last = below**2 - t2 * variance_below, above * below - t2 * covariance, above**2 - t2 * variance_above
    root = float(np.sqrt(max(half**2 - first * last, 0.0)))
    return Ratio(estimate=estimate, lower=(half - root) / first, upper=(half + root) / first, level=level, df=df, g=g, doubtful=g >= 0.2)


def _seed_covariance(shift: DoseSlope, gain: DoseSlope) -> float:
    """Covariance of the two mean slopes through the seeds; 0 for one seed: then both are over items alone, which they do not share."""
    pairs = np.array([shift.per_seed, gain.per_seed])
    pairs = pairs[:, ~np.isnan(pairs).any(0)]
    if pairs.shape[1] < 2:
        return 0.0
    covariance = float(np.cov(pairs)[0, 1]) / pairs.shape[1]
    # A pooled variance may be smaller than this path's own; the correlation stays possible.
    most = shift.interval.se * gain.interval.se
    return float(np.clip(covariance, -most, most))
