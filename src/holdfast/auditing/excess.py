"""Mean of scores over items with a cluster-robust interval, for every check that asks whether a rate is clear of a bound."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from holdfast.stats.crossed import Interval, crossed


def mean_over(values: Sequence[float] | np.ndarray, clusters: Sequence[str], level: float = 0.95) -> Interval | None:
    """Interval over items alone (Miller 2024, arXiv:2411.00640); None without a known value, nan limits for one cluster."""
    value_I = np.asarray(values, dtype=float)
    if not value_I.size or np.isnan(value_I).all():
        return None
    return crossed(value_I[None], np.asarray(clusters), level=level)


def rounded(interval: Interval) -> dict[str, float | int | None]:
    """estimate, lower, upper, n and num_clusters, as evidence: four decimals, unknown as None."""
    clean = lambda x: round(float(x), 4) if x == x else None  # noqa: E731
    return {
        "estimate": clean(interval.estimate),
        "lower": clean(interval.lower),
        "upper": clean(interval.upper),
        "n": interval.n,
        "num_clusters": interval.num_clusters,
    }
