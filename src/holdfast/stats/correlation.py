"""Is a mix's capability gain correlated with its sycophancy shift? The unit is the domain mix (docs/metrics.md, section 4, rule 7).

Under 8 mixes nothing is claimed: at n = 5, |r| must pass .878 to differ from chance, and leaving out one point can turn its sign. The
record then holds the reason and the descriptive r only. From 8 up: Pearson and Spearman with permutation of the mix labels (Pitman
1937; Phipson & Smyth 2010 for the + 1 of sampled permutations), the range of r with one mix left out, an errors-in-variables line
(York et al. 2004, "Unified equations for the slope, intercept, and standard errors of the best straight line", equations 13), and r
corrected for attenuation (Spearman 1904, "The proof and measurement of association between two things").
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import Vector, vector, whole

MIN_MIXES = 8
_MAX_STEPS = 500  # of York's iteration
_WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsInVariables:
    """Straight line through points known with error in both coordinates."""

    slope: float  # shift per unit of gain; nan where no line could be found
    intercept: float  # shift at a gain of 0
    slope_se: float  # standard error of the slope from the points' errors, without the scatter about the line
    converged: bool  # whether the iteration found a line


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Correlation of gain and shift over mixes; where `refused` is set, the fields after `pearson` keep their defaults: nothing is known.

    `corrected_r` is beyond 1 in size where measurement error accounts for the scatter, and nan where it accounts for the whole spread of
    a coordinate or is unknown.
    """

    num_mixes: int  # with a known gain and shift
    num_missing: int  # mixes left out because one of the two is unknown
    refused: str | None  # why nothing may be claimed; None if something may
    pearson: float  # product-moment r; positive: mixes that gain more shift more
    spearman: float = float("nan")  # r of the ranks
    p_pearson: float = float("nan")  # two-sided permutation p-value of `pearson`
    p_spearman: float = float("nan")  # two-sided permutation p-value of `spearman`
    exact: bool | None = None  # whether all permutations were counted
    num_permutations: int = 0  # how many were
    leave_one_out: tuple[float, float] | None = None  # smallest and largest r with one mix left out
    corrected_r: float = float("nan")  # r corrected for attenuation
    line: ErrorsInVariables | None = None  # None where a standard error is unknown


def correlate(
    gain_M: Vector, shift_M: Vector, gain_se_M: Vector, shift_se_M: Vector, rng: np.random.Generator, *, num_permutations: int = 50_000
) -> Correlation:
    """Correlation of gain and shift over mixes, or the reason why there is none to claim.

    Args:
        gain_M: capability gain per mix, a fraction; nan: unknown.
        shift_M: sycophancy shift per mix, a fraction; nan: unknown.
        gain_se_M: standard errors of the gains; 0 or nan: unknown, then no line and no correction.
        shift_se_M: standard errors of the shifts, likewise; independent of those of the gains (other items).
        rng: draws the permutations where they are not all counted.
        num_permutations: most permutations; all are counted where there are no more than that (8 mixes: 40,320).
    Returns:
        The correlation; positive: mixes that gain more shift more.
    Raises:
        StatisticsError: unequal lengths or a negative standard error.
    """
    gain = vector("gain_M", gain_M)
    shift = vector("shift_M", shift_M, len(gain))
    gain_se, shift_se = vector("gain_se_M", gain_se_M, len(gain)), vector("shift_se_M", shift_se_M, len(gain))
    num_permutations = whole("num_permutations", num_permutations, 1)
    if (gain_se < 0).any() or (shift_se < 0).any():
        raise StatisticsError("gain_se_M, shift_se_M: a standard error is negative")
    known = ~(np.isnan(gain) | np.isnan(shift))
    missing = int((~known).sum())
    gain, shift, gain_se, shift_se = gain[known], shift[known], gain_se[known], shift_se[known]
    r = _pearson(gain, shift)
    if refused := _refusal(len(gain), r):
        return Correlation(num_mixes=len(gain), num_missing=missing, refused=refused, pearson=r)
    p_pearson, p_spearman, exact, counted = _permuted(gain, shift, rng, num_permutations)
    errors_known = bool(np.all(gain_se > 0) and np.all(shift_se > 0))
    without = [_pearson(np.delete(gain, m), np.delete(shift, m)) for m in range(len(gain))]
    return Correlation(
        num_mixes=len(gain),
        num_missing=missing,
        refused=None,
        pearson=r,
        spearman=_pearson(_ranks(gain), _ranks(shift)),
        p_pearson=p_pearson,
        p_spearman=p_spearman,
        exact=exact,
        num_permutations=counted,
        leave_one_out=(min(without), max(without)),
        corrected_r=_disattenuated(gain, shift, gain_se, shift_se) if errors_known else float("nan"),
        line=_errors_in_variables(gain, shift, gain_se, shift_se) if errors_known else None,
    )


def _pearson(x: np.ndarray, y: np.ndarray) -> float:
    """Product-moment correlation; nan for fewer than three points or a constant coordinate (two points are always on a line)."""
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    # In units of the spread: squares of tiny or huge numbers leave the range of a float.
    u, v = ((z - z.mean()) / np.ptp(z) for z in (x / np.abs(x).max(), y / np.abs(y).max()))
    return float(np.clip(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)), -1.0, 1.0))


def _ranks(x: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return rankdata(x)


def _disattenuated(x: np.ndarray, y: np.ndarray, x_se: np.ndarray, y_se: np.ndarray) -> float:
    """r / sqrt(reliability of x * reliability of y), reliability = 1 - mean squared standard error / variance over points."""
    r = _pearson(x, y)
    reliability = [1 - (se**2).mean() / value.var(ddof=1) for value, se in ((x, x_se), (y, y_se))]
    return float(r / math.sqrt(reliability[0] * reliability[1])) if min(reliability) > 0 else float("nan")


def _errors_in_variables(x: np.ndarray, y: np.ndarray, x_se: np.ndarray, y_se: np.ndarray) -> ErrorsInVariables:
    """York's line: minimizes sum (y - a - b x)^2 / (se_y^2 + b^2 se_x^2); with equal standard errors it is Deming's (1943)."""
    slope, converged = _deming_slope(x, y, x_se, y_se), False
    for _ in range(_MAX_STEPS):
        weight, u, v, beta = _york(x, y, x_se, y_se, slope)
        below = float((weight * beta) @ u)
        if below == 0:
            break
        following = float((weight * beta) @ v) / below
        converged = abs(following - slope) <= 1e-12 * max(1.0, abs(following))
        slope = following
        if converged:
            break
    if not converged:
        return ErrorsInVariables(slope=float("nan"), intercept=float("nan"), slope_se=float("nan"), converged=False)
    weight, u, v, beta = _york(x, y, x_se, y_se, slope)
    spread = beta - weight @ beta / weight.sum()
    return ErrorsInVariables(
        slope=slope,
        intercept=float(weight @ (y - slope * x) / weight.sum()),
        slope_se=float(1 / math.sqrt(weight @ spread**2)),
        converged=True,
    )


def _york(
    x: np.ndarray, y: np.ndarray, x_se: np.ndarray, y_se: np.ndarray, slope: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(weights, x and y from their weighted means, beta) of York et al.'s step, errors uncorrelated."""
    weight = 1 / (y_se**2 + slope**2 * x_se**2)
    u, v = x - weight @ x / weight.sum(), y - weight @ y / weight.sum()
    return weight, u, v, weight * (y_se**2 * u + slope * x_se**2 * v)


def _deming_slope(x: np.ndarray, y: np.ndarray, x_se: np.ndarray, y_se: np.ndarray) -> float:
    """Deming's slope with the mean error variances: on the right side of the minimum even where x is mostly error."""
    u, v, delta = x - x.mean(), y - y.mean(), (y_se**2).mean() / (x_se**2).mean()
    gap, cross = v @ v - delta * (u @ u), u @ v
    return float((gap + math.sqrt(gap**2 + 4 * delta * cross**2)) / (2 * cross)) if cross != 0 else 0.0


def _refusal(num_mixes: int, r: float) -> str | None:
    if num_mixes < MIN_MIXES:
        number = "no point" if num_mixes == 0 else "one point" if num_mixes == 1 else f"{_WORDS[num_mixes]} points"
        return f"{number}, no claim: at least {MIN_MIXES} domain mixes are needed"
    return "no claim: gain or shift is the same in every mix" if r != r else None


def _permuted(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, limit: int) -> tuple[float, float, bool, int]:
    """(p of r, p of rank r, whether all permutations were counted, how many): two-sided by size of r."""
    if exact := math.factorial(len(x)) <= limit:
        order_PM = np.array(list(itertools.permutations(range(len(x)))))
    else:
        order_PM = rng.permuted(np.tile(np.arange(len(x)), (limit, 1)), axis=1)
    p = []
    for a, b in ((x, y), (_ranks(x), _ranks(y))):
        u, v = a - a.mean(), b - b.mean()
        size_P, observed = np.abs(v[order_PM] @ u), abs(u @ v)
        # Permutations that tie with the observed order count, whatever their rounding.
        at_least = int((size_P >= observed * (1 - 1e-9) - 1e-15).sum())
        p.append(at_least / len(order_PM) if exact else (at_least + 1) / (len(order_PM) + 1))
    return p[0], p[1], exact, len(order_PM)
