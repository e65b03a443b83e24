"""Mean of paired differences when items (in clusters) and training seeds are crossed.

Variance of the mean over S seeds = V_seed / S + V_cluster - V_interaction, the two-way form of Cameron, Gelbach & Miller
(2011, "Robust inference with multiway clustering"), the seed part pooled over a study's domains; degrees of freedom by
Satterthwaite (1946). Clustered items: Miller (2024), arXiv:2411.00640. Unknown is nan, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Estimate, its standard error, degrees of freedom, two-sided interval and p-value (null: 0)."""

    estimate: float
    se: float
    df: float
    lower: float
    upper: float
    p: float
    level: float
    num_clusters: int
    num_seeds: int
    n: int
    seed_variance: float
    cluster_variance: float


def seed_means(diff_SI: np.ndarray) -> np.ndarray:
    """Mean over the items each seed has (nan: not in its set)."""
    counts = (~np.isnan(diff_SI)).sum(1)
    return np.where(counts > 0, np.nansum(diff_SI, 1) / np.maximum(counts, 1), np.nan)


def crossed(
    diff_SI: np.ndarray, cluster_I: np.ndarray, *, level: float = 0.95, pooled: tuple[float, float] | None = None
) -> Interval:
    """`diff_SI`: seeds x items, nan where an item is not in that seed's set. `pooled`: (seed variance, its df) over domains.

    One seed gives an interval over items alone; fewer than two clusters give no interval. Raises StatisticsError if empty.
    """
    diff_SI = np.atleast_2d(np.asarray(diff_SI, dtype=float))
    if diff_SI.shape[1] != len(cluster_I):
        raise StatisticsError(f"cluster_I: {len(cluster_I)} entries for {diff_SI.shape[1]} items; one for each")
    diff_SI = diff_SI[(~np.isnan(diff_SI)).any(1)]
    if not diff_SI.size:
        raise StatisticsError("diff_SI: holds no known difference")
    num_seeds = len(diff_SI)
    means = seed_means(diff_SI)
    known = ~np.isnan(diff_SI)
    _, code = np.unique(np.asarray(cluster_I).astype(str), return_inverse=True)
    used = known.any(0)
    codes, code = np.unique(code[used], return_inverse=True)
    num_clusters = len(codes)
    influence_SC = np.zeros((num_seeds, num_clusters))
    for s in range(num_seeds):
        weight = np.where(known[s], diff_SI[s] - means[s], 0.0)[used] / known[s].sum()
        influence_SC[s] = np.bincount(code, weight, num_clusters)
    estimate = float(means.mean())
    unknown = float("nan")
    correction = num_clusters / (num_clusters - 1) if num_clusters > 1 else unknown
    mean_C = influence_SC.mean(0)
    cluster_variance = float(correction * (mean_C**2).sum()) if num_clusters > 1 else unknown
    if num_seeds == 1:
        variance, df, seed_variance = cluster_variance, num_clusters - 1.0, unknown
    else:
        own = float(means.var(ddof=1))
        seed_variance, seed_df = pooled if pooled is not None else (own, num_seeds - 1.0)
        interaction = (
            float(correction * ((influence_SC - mean_C) ** 2).sum() / (num_seeds - 1)) / num_seeds
            if num_clusters > 1
            else unknown
        )
        seed_part = seed_variance / num_seeds
        shared = max(cluster_variance - interaction, 0.0)
        variance = seed_part + shared
        parts = seed_part**2 / seed_df + shared**2 / max(1, num_clusters - 1)
        df = variance**2 / parts if parts > 0 else num_clusters - 1.0
    return _interval(estimate, variance, df, level, num_clusters, num_seeds, int(used.sum()), seed_variance, cluster_variance)


def _interval(
    estimate: float,
    variance: float,
    df: float,
    level: float,
    num_clusters: int,
    num_seeds: int,
    n: int,
    seed_variance: float,
    cluster_variance: float,
) -> Interval:
    se = float(np.sqrt(variance)) if variance == variance else float("nan")
    if se != se:
        half = p = float("nan")
    elif se == 0:
        half, p = 0.0, 1.0 if estimate == 0 else 0.0
    else:
        half, p = float(stats.t.ppf(0.5 + level / 2, df)) * se, float(2 * stats.t.sf(abs(estimate) / se, df))
    return Interval(
        estimate=estimate,
        se=se,
        df=float(df),
        lower=estimate - half,
        upper=estimate + half,
        p=p,
        level=level,
        num_clusters=num_clusters,
        num_seeds=num_seeds,
        n=n,
        seed_variance=seed_variance,
        cluster_variance=cluster_variance,
    )


def pooled_seed_variance(groups: list[np.ndarray]) -> tuple[float, float] | None:
    """(pooled variance of seed means, degrees of freedom) over domains; None if no domain has two seeds."""
    usable = [g[~np.isnan(g)] for g in groups]
    usable = [g for g in usable if len(g) > 1]
    df = sum(len(g) - 1 for g in usable)
    return (sum(float(g.var(ddof=1)) * (len(g) - 1) for g in usable) / df, float(df)) if df else None
