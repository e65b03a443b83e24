"""Multiple comparisons, equivalence, detectable effects and bounds under missing outcomes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import t_quantile


def holm(p_F: Sequence[float | None]) -> list[float]:
    """Holm-adjusted p-values of a family.

    Args:
        p_F: p-values; nan or None: unknown.
    Returns:
        Adjusted p-values in the same order; an unknown one stays nan and does not count in the family.
    Source: Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    p = np.asarray(p_F, dtype=float)
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    worst = 0.0
    for rank, i in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - rank) * p[i]))
        out[i] = worst
    return out.tolist()


def benjamini_hochberg(p_F: Sequence[float | None]) -> list[float]:
    """p-values adjusted for the false discovery rate.

    Args:
        p_F: p-values; nan or None: unknown.
    Returns:
        Adjusted p-values in the same order; an unknown one stays nan and does not count.
    Source: Benjamini & Hochberg (1995), "Controlling the false discovery rate"; computed by scipy.
    """
    from scipy.stats import false_discovery_control

    p = np.array(p_F, dtype=float)
    known = ~np.isnan(p)
    p[known] = false_discovery_control(p[known])
    return p.tolist()


def equivalent(estimate: float, se: float, df: float, band: float, alpha: float = 0.05) -> bool:
    """Two one-sided tests: does the 1 - 2 alpha interval lie inside the equivalence band?

    Args:
        estimate: the effect, in any unit.
        se: its standard error, same unit.
        df: degrees of freedom of `se`.
        band: half-width of the band about 0, same unit.
        alpha: error rate of each one-sided test, a fraction.
    Returns:
        Whether both tests reject; an unknown `se` or `df` is not equivalent.
    Source: Schuirmann (1987).
    """
    if not (se == se and df > 0):
        return False
    half = t_quantile(1 - alpha, df) * se
    return estimate - half > -band and estimate + half < band


def mde(se: float, df: float, family: int, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest effect found with `power` at the first Holm step of a family: (t[1 - alpha / 2m] + t[power]) * SE.

    Args:
        se: standard error of the effect, in any unit.
        df: its degrees of freedom.
        family: number of tests m in the family.
        alpha: two-sided error rate of the family, a fraction.
        power: wanted probability of a finding, a fraction.
    Returns:
        Size of the effect, above 0, in the unit of `se`; nan where `se` or `df` is unknown.
    Source: Bloom (1995), "Minimum detectable effects".
    """
    if not (se == se and df > 0):
        return float("nan")
    return (t_quantile(1 - alpha / (2 * max(1, family)), df) + t_quantile(power, df)) * se


def manski(observed_sum: float, num_observed: float, num_missing: float) -> tuple[float, float]:
    """Bounds of a mean of outcomes in [0, 1] with every missing one set to 0, then to 1.

    Args:
        observed_sum: sum of the observed outcomes.
        num_observed: their number.
        num_missing: number of missing outcomes; may be fractional (off-format probability mass is a missing part of an outcome).
    Returns:
        (lower, upper) bound of the mean, fractions.
    Raises:
        StatisticsError: no outcome, neither observed nor missing.
    Source: Manski (1989), "Anatomy of the selection problem".
    """
    total = num_observed + num_missing
    if total <= 0:
        raise StatisticsError("manski: no outcome, neither observed nor missing")
    return observed_sum / total, (observed_sum + num_missing) / total
