"""Wilson's interval of a rate. No library of numbers is loaded for it: `holdfast rescore` needs no other statistic."""

from __future__ import annotations

import math
from statistics import NormalDist

from holdfast.errors import StatisticsError


def wilson(hits: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a rate, as `scipy.stats.binomtest(hits, total).proportion_ci(level, "wilson")`.

    Args:
        hits: items of that outcome.
        total: all items, at least one.
        level: nominal coverage, a fraction.
    Returns:
        (lower, upper), fractions.
    Raises:
        StatisticsError: no item, or `hits` outside [0, total].
    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference".
    """
    if not 0 <= hits <= total or total == 0:
        raise StatisticsError(f"hits: {hits} of {total}: must lie between 0 and the number of items, of which at least one")
    z, p = NormalDist().inv_cdf(0.5 + 0.5 * level), hits / total
    scale = 2 * (total + z**2)
    center, half = (2 * total * p + z**2) / scale, z / scale * math.sqrt(4 * total * p * (1 - p) + z**2)
    return (0.0 if hits == 0 else center - half), (1.0 if hits == total else center + half)
