"""Slopes within one domain: shift per unit of dose.

Dose 0 is the base: its shift is 0 by definition, not by measurement, so it is not a point of any line (docs/metrics.md, section 4,
rule 7). Lines are fitted by least squares to the doses above 0 of one seed, with a free intercept. Doses of one seed are one
training path, so the unit is the seed: one slope each, then the crossed interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import Labels, Vector, vector
from holdfast.stats.crossed import Interval, Pool, crossed, seed_means


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseSlope:
    """Change per unit of dose."""

    interval: Interval  # mean slope over seeds with its crossed interval
    per_seed: tuple[float, ...]  # slope of each seed; nan: no item known at every dose
    num_dropped: int  # pairs of seed and item left out because they are not known at every dose


def dose_slope(diff_DSI: np.ndarray, dose_D: Vector, cluster_I: Labels, *, pooled: Pool | None = None, level: float = 0.95) -> DoseSlope:
    """Shift (or gain) per unit of dose: a slope for each item and seed, then the crossed interval over items and seeds.

    Args:
        diff_DSI: paired differences adapted - base, doses x seeds x items; nan: not in that dose's set.
        dose_D: doses, above 0 and different; at least two.
        cluster_I: cluster label of each item.
        pooled: the study's seed variance, as for `crossed`.
        level: nominal coverage, a fraction.
    Returns:
        Slope in units of `diff_DSI` per unit of dose, positive where the shift grows; an item enters a seed's slope only if known at
        every dose.
    Raises:
        StatisticsError: doses that are unknown, not above 0, repeated or fewer than two; shapes that do not match; no usable item.
    """
    diff_DSI = np.asarray(diff_DSI, dtype=float)
    weight_D = _dose_weights(dose_D)
    if diff_DSI.ndim != 3 or len(diff_DSI) != len(weight_D):
        raise StatisticsError(f"diff_DSI: shape {diff_DSI.shape}; doses x seeds x items with {len(weight_D)} doses needed")
    slope_SI = np.tensordot(weight_D, diff_DSI, axes=1)
    if np.isnan(slope_SI).all():
        raise StatisticsError("diff_DSI: no item is known at every dose of a seed")
    return DoseSlope(
        interval=crossed(slope_SI, cluster_I, level=level, pooled=pooled),
        per_seed=tuple(seed_means(slope_SI).tolist()),
        num_dropped=int((np.isnan(slope_SI) & (~np.isnan(diff_DSI)).any(0)).sum()),
    )


def _dose_weights(dose_D: Vector) -> np.ndarray:
    """Weights with which values at the doses sum to the least-squares slope: (d - mean) / sum (d - mean)^2."""
    dose = vector("dose_D", dose_D)
    if np.isnan(dose).any() or (dose <= 0).any():
        raise StatisticsError(f"dose_D: {dose.tolist()}; doses above 0 are needed: dose 0 is the base, which is not used as a point")
    if len(np.unique(dose)) < len(dose) or len(dose) < 2:
        raise StatisticsError(f"dose_D: {dose.tolist()}; two or more different doses are needed")
    deviation = dose - dose.mean()
    return deviation / (deviation**2).sum()
