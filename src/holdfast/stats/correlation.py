"""Does a mix's capability gain go with its sycophancy shift? The unit is the domain mix (METRICS section 4, rule 7).

Under 8 mixes nothing is claimed: at n = 5, |r| must pass .878 to be told from chance, and leaving out one point can turn its sign. The record then carries
the reason and the descriptive r alone. From 8 up: Pearson and Spearman with permutation of the mix labels (Pitman 1937; Phipson & Smyth 2010
for the + 1 of sampled permutations), the range of r with one mix left out, a slope that knows both quantities are
measured with error (York et al. 2004, "Unified equations for the slope, intercept, and standard errors of the best straight line", equations 13), and r with
the attenuation by measurement error taken out (Spearman 1904, "The proof and measurement of association between two things").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import vector, whole

MIN_MIXES = 8
_WORDS = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorsInVariables:
    """Straight line through points known with error in both coordinates; `converged` False: no line could be found."""

    slope: float
    intercept: float
    slope_se: float
    converged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Descriptive r always; all else nan or None where `refused` says why nothing may be claimed.

    `num_missing`: mixes with an unknown gain or shift, left out. `exact`: all permutations were counted. `corrected_r` may pass 1 in size: then measurement
    error alone accounts for the scatter; nan where error accounts for all of the spread of a coordinate.
    """

    num_mixes: int
    num_missing: int
    refused: str | None
    pearson: float
    spearman: float
    p_pearson: float
    p_spearman: float
    exact: bool | None
    num_permutations: int
    leave_one_out: tuple[float, float] | None
    corrected_r: float
    line: ErrorsInVariables | None


def correlate(
    gain_M: np.ndarray | Sequence[float],
    shift_M: np.ndarray | Sequence[float],
    gain_se_M: np.ndarray | Sequence[float],
    shift_se_M: np.ndarray | Sequence[float],
    rng: np.random.Generator,
    *,
    num_permutations: int = 50_000,
) -> Correlation:
    """Correlation of gain and shift over mixes, or the reason why there is none to claim.

    Standard errors of 0 or nan are taken as unknown: then no line and no correction. Permutations are counted out where there are at most
    `num_permutations` of them (8 mixes: 40 320), else that many are drawn from `rng`. Raises StatisticsError for unequal lengths or a negative standard error.
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
    r = pearson(gain, shift)
    refused = _refusal(len(gain), r)
    if refused:
        return _described(len(gain), missing, refused, r)
    p, p_rank, exact, counted = _permuted(gain, shift, rng, num_permutations)
    errors_known = bool(np.all(gain_se > 0) and np.all(shift_se > 0))
    without = [pearson(np.delete(gain, m), np.delete(shift, m)) for m in range(len(gain))]
    return Correlation(
        num_mixes=len(gain),
        num_missing=missing,
        refused=None,
        pearson=r,
        spearman=pearson(stats.rankdata(gain), stats.rankdata(shift)),
        p_pearson=p,
        p_spearman=p_rank,
        exact=exact,
        num_permutations=counted,
        leave_one_out=(min(without), max(without)),
        corrected_r=disattenuated(gain, shift, gain_se, shift_se) if errors_known else float("nan"),
        line=errors_in_variables(gain, shift, gain_se, shift_se) if errors_known else None,
    )


def pearson(x_M: np.ndarray | Sequence[float], y_M: np.ndarray | Sequence[float]) -> float:
    """Product-moment correlation; nan for fewer than three points or a constant coordinate (two points are always on a line)."""
    x = vector("x_M", x_M)
    y = vector("y_M", y_M, len(x))
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    # In units of the spread: squares of tiny or huge numbers leave the range of a float.
    u, v = ((z - z.mean()) / np.ptp(z) for z in (x / np.abs(x).max(), y / np.abs(y).max()))
    return float(np.clip(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)), -1.0, 1.0))


def disattenuated(
    x_M: np.ndarray | Sequence[float],
    y_M: np.ndarray | Sequence[float],
    x_se_M: np.ndarray | Sequence[float],
    y_se_M: np.ndarray | Sequence[float],
) -> float:
    """r / sqrt(reliability of x * reliability of y), reliability = 1 - mean squared standard error / variance over points.

    Errors of the two coordinates must be independent (different items). nan where the errors account for the whole spread of a coordinate.
    """
    x = vector("x_M", x_M)
    y, x_se, y_se = (vector(n, v, len(x)) for n, v in (("y_M", y_M), ("x_se_M", x_se_M), ("y_se_M", y_se_M)))
    r = pearson(x, y)
    if r != r:
        return r
    reliable = [1 - (se**2).mean() / value.var(ddof=1) for value, se in ((x, x_se), (y, y_se))]
    return float(r / math.sqrt(reliable[0] * reliable[1])) if min(reliable) > 0 else float("nan")


def errors_in_variables(
    x_M: np.ndarray | Sequence[float],
    y_M: np.ndarray | Sequence[float],
    x_se_M: np.ndarray | Sequence[float],
    y_se_M: np.ndarray | Sequence[float],
    *,
    most_steps: int = 500,
) -> ErrorsInVariables:
    """York's line: minimises sum (y - a - b x)^2 / (se_y^2 + b^2 se_x^2); with equal standard errors it is Deming's (1943).

    Its standard error knows the points' errors alone, not scatter about the line. Raises StatisticsError for fewer than three points, an unknown
    one, a constant x, or a standard error not above 0.
    """
    x = vector("x_M", x_M)
    y, x_se, y_se = (vector(n, v, len(x)) for n, v in (("y_M", y_M), ("x_se_M", x_se_M), ("y_se_M", y_se_M)))
    if len(x) < 3 or np.isnan(x).any() or np.isnan(y).any() or np.ptp(x) == 0:
        raise StatisticsError("errors_in_variables: three known points with different x are needed")
    if not (np.all(x_se > 0) and np.all(y_se > 0)):
        raise StatisticsError("x_se_M, y_se_M: standard errors above 0 are needed")
    slope, converged = _start(x, y, x_se, y_se), False
    for _ in range(most_steps):
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


def _start(x: np.ndarray, y: np.ndarray, x_se: np.ndarray, y_se: np.ndarray) -> float:
    """Deming's slope with the mean error variances: on the right side of the minimum even where x is mostly error."""
    u, v, delta = x - x.mean(), y - y.mean(), (y_se**2).mean() / (x_se**2).mean()
    gap, cross = v @ v - delta * (u @ u), u @ v
    return float((gap + math.sqrt(gap**2 + 4 * delta * cross**2)) / (2 * cross)) if cross != 0 else 0.0


def _refusal(num_mixes: int, r: float) -> str | None:
    if num_mixes < MIN_MIXES:
        many = "no point" if num_mixes == 0 else "one point" if num_mixes == 1 else f"{_WORDS[num_mixes]} points"
        return f"{many}, no claim: at least {MIN_MIXES} domain mixes are needed"
    return "no claim: gain or shift is the same in every mix" if r != r else None


def _described(num_mixes: int, missing: int, refused: str, r: float) -> Correlation:
    unknown = float("nan")
    return Correlation(
        num_mixes=num_mixes,
        num_missing=missing,
        refused=refused,
        pearson=r,
        spearman=unknown,
        p_pearson=unknown,
        p_spearman=unknown,
        exact=None,
        num_permutations=0,
        leave_one_out=None,
        corrected_r=unknown,
        line=None,
    )


def _permuted(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, limit: int) -> tuple[float, float, bool, int]:
    """(p of r, p of rank r, whether all permutations were counted, how many): two-sided by size of r."""
    exact = math.factorial(len(x)) <= limit
    if exact:
        order_PM = np.array(list(itertools.permutations(range(len(x)))))
    else:
        order_PM = rng.permuted(np.tile(np.arange(len(x)), (limit, 1)), axis=1)
    p = []
    for a, b in ((x, y), (stats.rankdata(x), stats.rankdata(y))):
        u, v = a - a.mean(), b - b.mean()
        size_P, seen = np.abs(v[order_PM] @ u), abs(u @ v)
        # Permutations that tie with what was seen count, whatever rounding makes of them.
        at_least = int((size_P >= seen * (1 - 1e-9) - 1e-15).sum())
        p.append(at_least / len(order_PM) if exact else (at_least + 1) / (len(order_PM) + 1))
    return p[0], p[1], exact, len(order_PM)
