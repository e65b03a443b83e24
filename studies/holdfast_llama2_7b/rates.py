"""Intervals of rates and of their differences where only counts are known: items alone, no training noise.

Without per-item answers the pairing of two models on the same items is unknown. The unpaired variance is used; it is
larger than the paired one whenever two models tend to be right on the same items. What the counts allow at the most
and at the least (Frechet's bounds of the joint distribution) is given next to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.stats.rates import wilson


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Second rate minus first. `se`: unpaired; None where a rate is 0 or 1 and its variance cannot be estimated.

    `paired_se`: smallest and largest standard error any pairing with these counts has; None for unequal numbers of items.
    """

    estimate: float
    lower: float
    upper: float
    se: float | None
    paired_se: tuple[float, float] | None


def difference(hits0: int, total0: int, hits1: int, total1: int, level: float = 0.95) -> Difference:
    """Newcombe's (1998) hybrid score interval, method 10, for the difference of two unpaired rates."""
    p0, p1 = hits0 / total0, hits1 / total1
    (l0, u0), (l1, u1) = wilson(hits0, total0, level), wilson(hits1, total1, level)
    d = p1 - p0
    known = 0 < hits0 < total0 and 0 < hits1 < total1
    return Difference(
        estimate=d,
        lower=d - ((p1 - l1) ** 2 + (u0 - p0) ** 2) ** 0.5,
        upper=d + ((u1 - p1) ** 2 + (p0 - l0) ** 2) ** 0.5,
        se=(p0 * (1 - p0) / total0 + p1 * (1 - p1) / total1) ** 0.5 if known else None,
        paired_se=_paired(hits0, hits1, total0) if total0 == total1 else None,
    )


def _paired(hits0: int, hits1: int, n: int) -> tuple[float, float] | None:
    """Standard error of the mean paired difference with as many, and with as few, items as possible hit by both models."""
    if n < 2:
        return None

    def se(both: int) -> float:
        b, c = hits0 - both, hits1 - both
        return ((b + c - (c - b) ** 2 / n) / (n * (n - 1))) ** 0.5

    return se(min(hits0, hits1)), se(max(0, hits0 + hits1 - n))
