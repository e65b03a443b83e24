"""Signal detection: does the model know (d'), and how readily does it agree (c)?

H = P(says what the user suggests | the user is right), F = P(the same | the user is wrong): d' = z(H) - z(F) is knowledge,
c = -(z(H) + z(F)) / 2 is criterion, lower defers more (Macmillan & Creelman 2005, "Detection theory", chapters 1-2). Rates always
carry the log-linear correction (sum + 1/2) / (n + 1) (Hautus 1995, "Corrections for extreme proportions"), so that a rate of 0 or 1
has a z and no model is corrected where its neighbour is not. Variance by the delta method on what each cluster adds to the rates
(Gourevitch & Galanter 1967, with clusters in place of independent trials): an item asked both ways is one cluster, so the covariance
of H and F is in it. Outcomes may be 0/1 or probabilities.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import special

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import Labels, Vector, bounded, cluster_codes, fraction, student, vector
from holdfast.stats.crossed import Interval, Pool, crossed


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """d' and c of one model over its items."""

    d_prime: Interval  # z(H) - z(F), in standard deviations; positive: tells right suggestions from wrong ones
    criterion: Interval  # -(z(H) + z(F)) / 2; lower (negative): defers more
    hit_rate: float  # corrected H, a fraction
    false_alarm_rate: float  # corrected F, a fraction
    num_missing: int  # missing outcomes of both


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionShift:
    """Shift adapted - base, over crossed seeds and clusters."""

    d_prime: Interval  # shift of d'; negative: the adapted model knows less
    criterion: Interval  # shift of c; negative: the adapted model defers more
    at_bound: bool  # whether some rate is 0 or 1 on every item; its error is then unknown, and the limits are nan
    num_missing: int  # outcomes that one of the two models lacks


def _d_prime_and_criterion(hit_rate: float, false_alarm_rate: float) -> tuple[float, float]:
    """(z(H) - z(F), -(z(H) + z(F)) / 2) of rates between 0 and 1."""
    z_hit, z_false = special.ndtri(hit_rate), special.ndtri(false_alarm_rate)
    return float(z_hit - z_false), float(-(z_hit + z_false) / 2)


def detection(hit_I: Vector, false_alarm_I: Vector, cluster_I: Labels, *, level: float = 0.95) -> Detection:
    """d' and c of one model.

    The correction's half success and half failure count as clusters of their own, so that a rate of 0 or 1 has an error too (about
    that of a binomial at the corrected rate).

    Args:
        hit_I: P(right answer | the user suggests it) per item, in [0, 1]; nan: missing.
        false_alarm_I: P(wrong answer | the user suggests it) per item, likewise.
        cluster_I: cluster label of each item.
        level: nominal coverage, a fraction.
    Returns:
        d' and c with intervals over item clusters only: one model, one seed.
    Raises:
        StatisticsError: a rate without a known outcome, an outcome outside [0, 1], or unequal lengths.
    """
    level = fraction("level", level)
    hit, false_alarm = _outcomes("hit_I", hit_I), _outcomes("false_alarm_I", false_alarm_I)
    code = cluster_codes(cluster_I, len(hit))
    vector("false_alarm_I", false_alarm, len(hit))
    h, f = _rate("hit_I", hit), _rate("false_alarm_I", false_alarm)
    d_prime, criterion = _d_prime_and_criterion(h.rate, f.rate)
    used = ~(np.isnan(hit) & np.isnan(false_alarm))
    intervals = []
    for estimate, a, b in ((d_prime, 1.0, -1.0), (criterion, -0.5, -0.5)):
        over = crossed(((a * h.influence_I + b * f.influence_I)[used] * used.sum())[None], code[used])
        variance = over.cluster_variance + a**2 * h.correction_variance + b**2 * f.correction_variance
        intervals.append(_interval(estimate, variance, over, level))
    return Detection(
        d_prime=intervals[0],
        criterion=intervals[1],
        hit_rate=h.rate,
        false_alarm_rate=f.rate,
        num_missing=int(np.isnan(hit).sum() + np.isnan(false_alarm).sum()),
    )


def detection_shift(
    hit_SI: np.ndarray,
    false_alarm_SI: np.ndarray,
    base_hit_I: Vector,
    base_false_alarm_I: Vector,
    cluster_I: Labels,
    *,
    pooled: Pool | None = None,
    level: float = 0.95,
) -> DetectionShift:
    """Shift of d' and of c from base to adapted, each seed on the items that both models answered.

    The two are not means over items, but near their estimates they are: each seed's shift plus what every item adds to it (delta
    method) makes an array whose row means are the shifts, and that array gets the crossed interval.

    Args:
        hit_SI: the adapted model's hits, seeds x items, in [0, 1]; nan: missing.
        false_alarm_SI: its false alarms, likewise.
        base_hit_I: the base's hits per item.
        base_false_alarm_I: the base's false alarms per item.
        cluster_I: cluster label of each item.
        pooled: the study's seed variance, as for `crossed`.
        level: nominal coverage, a fraction.
    Returns:
        Shifts adapted - base, in standard deviations.
    Raises:
        StatisticsError: unequal shapes, an outcome outside [0, 1], or a seed without a hit or false alarm known of both models.
    """
    level = fraction("level", level)
    hit_SI, false_SI = _outcomes("hit_SI", hit_SI), _outcomes("false_alarm_SI", false_alarm_SI)
    hit_SI, false_SI = np.atleast_2d(hit_SI), np.atleast_2d(false_SI)
    if hit_SI.shape != false_SI.shape:
        raise StatisticsError(f"false_alarm_SI: shape {false_SI.shape}, hit_SI has {hit_SI.shape}; they must be the same")
    num_items = hit_SI.shape[1]
    base_hit = vector("base_hit_I", _outcomes("base_hit_I", base_hit_I), num_items)
    base_false = vector("base_false_alarm_I", _outcomes("base_false_alarm_I", base_false_alarm_I), num_items)
    code = cluster_codes(cluster_I, num_items)
    rows: dict[str, list[np.ndarray]] = {"d_prime": [], "criterion": []}
    at_bound, missing = False, 0
    for hit, false_alarm in zip(hit_SI, false_SI, strict=True):
        h, h0 = _paired_rates("hit_SI", hit, base_hit)
        f, f0 = _paired_rates("false_alarm_SI", false_alarm, base_false)
        at_bound |= any(r.at_bound for r in (h, h0, f, f0))
        missing += 2 * num_items - h.number - f.number
        used = ~np.isnan(hit + base_hit) | ~np.isnan(false_alarm + base_false)
        now, before = _d_prime_and_criterion(h.rate, f.rate), _d_prime_and_criterion(h0.rate, f0.rate)
        for k, (name, a, b) in enumerate((("d_prime", 1.0, -1.0), ("criterion", -0.5, -0.5))):
            influence_I = a * (h.influence_I - h0.influence_I) + b * (f.influence_I - f0.influence_I)
            rows[name].append(np.where(used, now[k] - before[k] + used.sum() * influence_I, np.nan))
    shifts = {name: crossed(np.array(row), code, pooled=pooled, level=level) for name, row in rows.items()}
    if at_bound:
        shifts = {name: _interval(e.estimate, float("nan"), e, level) for name, e in shifts.items()}
    return DetectionShift(d_prime=shifts["d_prime"], criterion=shifts["criterion"], at_bound=at_bound, num_missing=missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rate:
    """Corrected rate; what each item adds to its z; the variance that the correction's two halves add to z; outcomes known."""

    rate: float
    influence_I: np.ndarray
    correction_variance: float
    number: int
    at_bound: bool


def _rate(name: str, outcome_I: np.ndarray) -> _Rate:
    known = ~np.isnan(outcome_I)
    number = int(known.sum())
    if not number:
        raise StatisticsError(f"{name}: holds no known outcome")
    mean = float(outcome_I[known].mean())
    rate = (mean * number + 0.5) / (number + 1)
    z = float(special.ndtri(rate))
    slope = 1 / float(np.exp(-z * z / 2.0) / math.sqrt(2 * math.pi))  # of z by the rate
    return _Rate(
        rate=rate,
        influence_I=np.where(known, outcome_I - mean, 0.0) * slope / (number + 1),
        correction_variance=0.5 * ((1 - rate) ** 2 + rate**2) * (slope / (number + 1)) ** 2,
        number=number,
        at_bound=mean in (0.0, 1.0),
    )


def _paired_rates(name: str, adapted_I: np.ndarray, base_I: np.ndarray) -> tuple[_Rate, _Rate]:
    """Rates of both models on the items that both answered."""
    both = ~np.isnan(adapted_I + base_I)
    return _rate(name, np.where(both, adapted_I, np.nan)), _rate(name, np.where(both, base_I, np.nan))


def _outcomes(name: str, value: Vector) -> np.ndarray:
    return bounded(name, np.asarray(value, dtype=float), 0.0, 1.0)


def _interval(estimate: float, variance: float, over: Interval, level: float) -> Interval:
    """`over`'s clusters, seeds and degrees of freedom with another estimate and variance."""
    se = float(np.sqrt(variance))
    lower, upper, p = student(estimate, se, over.df, level)
    cluster_variance = variance if over.num_seeds == 1 else over.cluster_variance
    return replace(over, estimate=estimate, se=se, lower=lower, upper=upper, p=p, level=level, cluster_variance=cluster_variance)
