"""Bootstrap intervals: over clusters of items for one model, over seeds and clusters for a domain.

A robustness column beside the Student intervals, not a replacement: the percentile bootstrap is narrow with few units (over
3 seeds it covers .75, not .95), so fewer than 10 of what is resampled are refused. Resampling clusters whole: Davison &
Hinkley (1997, "Bootstrap methods and their application", section 3.8); percentile and studentised limits: section 5.2 there
(Efron & Tibshirani 1993, chapters 12-13); seeds and clusters each resampled: the pigeonhole bootstrap of Owen (2007, "The pigeonhole
bootstrap"), whose variance counts the interaction three times and so errs to the wide side (McCullagh 2000). Random numbers come from the generator
passed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import cluster_codes, fraction, vector, whole
from holdfast.stats.crossed import seed_means

MIN_UNITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapInterval:
    """Mean, spread of the replicates, two-sided interval; `num_discarded`: replicates from which nothing could be computed."""

    estimate: float
    se: float
    lower: float
    upper: float
    level: float
    method: str
    num_replicates: int
    num_discarded: int
    num_clusters: int
    num_seeds: int
    n: int


def cluster_bootstrap(
    value_I: np.ndarray | Sequence[float],
    cluster_I: np.ndarray | Sequence[object],
    rng: np.random.Generator,
    *,
    method: Literal["percentile", "studentised"] = "percentile",
    level: float = 0.95,
    num_replicates: int = 2000,
) -> BootstrapInterval:
    """Interval of one model's mean over items (nan: unknown, left out), clusters resampled whole.

    `studentised` divides each replicate's deviation by the replicate's own cluster-robust standard error: second-order
    accurate where the clusters are not normal. Replicates without spread are discarded and counted. Raises StatisticsError
    under 10 clusters, and for `studentised` if all values are the same or more than 1 in 20 replicates have no spread: then it is not sound.
    """
    value = vector("value_I", value_I)
    code = cluster_codes(cluster_I, len(value))
    level, num_replicates = fraction("level", level), whole("num_replicates", num_replicates, 100)
    if method not in ("percentile", "studentised"):
        raise StatisticsError(f"method: unknown {method!r}; available: percentile, studentised")
    sum_C, count_C = _by_cluster(value[None], code)
    sum_C, count_C = sum_C[0], count_C[0]
    num_clusters = len(sum_C)
    _enough("clusters", num_clusters)
    draw_RC = rng.integers(0, num_clusters, (num_replicates, num_clusters))
    estimate = float(sum_C.sum() / count_C.sum())
    mean_R = sum_C[draw_RC].sum(1) / count_C[draw_RC].sum(1)
    if method == "percentile":
        kept_R, (lower, upper) = mean_R, _limits(mean_R, level)
    else:
        kept_R, lower, upper = _studentised(sum_C, count_C, draw_RC, mean_R, level)
    return BootstrapInterval(
        estimate=estimate,
        se=float(kept_R.std(ddof=1)),
        lower=lower,
        upper=upper,
        level=level,
        method=method,
        num_replicates=num_replicates,
        num_discarded=num_replicates - len(kept_R),
        num_clusters=num_clusters,
        num_seeds=1,
        n=int(count_C.sum()),
    )


def crossed_bootstrap(
    diff_SI: np.ndarray,
    cluster_I: np.ndarray | Sequence[object],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    num_replicates: int = 2000,
) -> BootstrapInterval:
    """Percentile interval of the mean over seeds of the seeds' item means, seeds and clusters each resampled.

    `diff_SI`: seeds x items, nan where an item is not in that seed's set. A replicate in which a drawn seed has no item left is
    discarded and counted. Raises StatisticsError under 10 seeds (METRICS section 4, rule 2) or under 10 clusters.
    """
    diff_SI = np.atleast_2d(np.asarray(diff_SI, dtype=float))
    code = cluster_codes(cluster_I, diff_SI.shape[1])
    level, num_replicates = fraction("level", level), whole("num_replicates", num_replicates, 100)
    diff_SI = diff_SI[(~np.isnan(diff_SI)).any(1)]
    num_seeds = len(diff_SI)
    _enough("seeds", num_seeds)
    sum_SC, count_SC = _by_cluster(diff_SI, code)
    num_clusters = sum_SC.shape[1]
    _enough("clusters", num_clusters)
    seed_RS = rng.integers(0, num_seeds, (num_replicates, num_seeds))
    draw_RC = rng.integers(0, num_clusters, (num_replicates, num_clusters))
    times_RC = np.zeros((num_replicates, num_clusters))
    np.add.at(times_RC, (np.arange(num_replicates)[:, None], draw_RC), 1.0)
    count_RS = times_RC @ count_SC.T
    mean_RS = np.where(count_RS > 0, times_RC @ sum_SC.T / np.maximum(count_RS, 1), np.nan)
    mean_R = np.take_along_axis(mean_RS, seed_RS, axis=1).mean(1)
    kept_R = mean_R[~np.isnan(mean_R)]
    if len(kept_R) < 0.95 * num_replicates:
        raise StatisticsError(f"diff_SI: {num_replicates - len(kept_R)} of {num_replicates} replicates left a seed without items")
    lower, upper = _limits(kept_R, level)
    return BootstrapInterval(
        estimate=float(seed_means(diff_SI).mean()),
        se=float(kept_R.std(ddof=1)),
        lower=lower,
        upper=upper,
        level=level,
        method="percentile",
        num_replicates=num_replicates,
        num_discarded=num_replicates - len(kept_R),
        num_clusters=num_clusters,
        num_seeds=num_seeds,
        n=int((~np.isnan(diff_SI)).any(0).sum()),
    )


def _enough(what: str, number: int) -> None:
    if number < MIN_UNITS:
        raise StatisticsError(
            f"bootstrap: {number} {what}; a bootstrap over fewer than {MIN_UNITS} does not cover what it says: use the Student interval"
        )


def _by_cluster(value_SI: np.ndarray, code_I: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(sums, numbers) of the known values, seeds x clusters that hold any."""
    known_SI = ~np.isnan(value_SI)
    used_I = known_SI.any(0)
    codes, code_I = np.unique(code_I[used_I], return_inverse=True)
    fold = lambda row: np.bincount(code_I, row, len(codes))  # noqa: E731
    sum_SC = np.array([fold(row) for row in np.where(known_SI, value_SI, 0.0)[:, used_I]])
    count_SC = np.array([fold(row) for row in known_SI[:, used_I].astype(float)])
    return sum_SC, count_SC


def _limits(draw_R: np.ndarray, level: float) -> tuple[float, float]:
    lower, upper = np.quantile(draw_R, [0.5 - level / 2, 0.5 + level / 2])
    return float(lower), float(upper)


def _studentised(
    sum_C: np.ndarray, count_C: np.ndarray, draw_RC: np.ndarray, mean_R: np.ndarray, level: float
) -> tuple[np.ndarray, float, float]:
    """(means of the replicates kept, lower, upper); the factor K / (K - 1) of both standard errors cancels."""
    estimate = sum_C.sum() / count_C.sum()
    se = np.sqrt(((sum_C - count_C * estimate) ** 2).sum()) / count_C.sum()
    number_RC = count_C[draw_RC]
    rest_RC = sum_C[draw_RC] - number_RC * mean_R[:, None]
    se_R = np.sqrt((rest_RC**2).sum(1)) / number_RC.sum(1)
    # Sums of equal numbers leave rounding behind: spread below a billionth of the estimate's own is none.
    spread = se_R > 1e-9 * se
    if se == 0 or spread.mean() < 0.95:
        raise StatisticsError("bootstrap: too many replicates without spread for a studentised interval; use percentile")
    low, high = _limits((mean_R[spread] - estimate) / se_R[spread], level)
    return mean_R[spread], float(estimate - high * se), float(estimate - low * se)
