"""Which adapters are not beaten on both counts: more gain, less shift; with how sure the order is.

An adapter dominates another if it gains at least as much, shifts at most as much, and differs in one of the two (Pareto order). Estimates have errors,
so dominance and rank come as probabilities over draws of a joint normal (Goldstein & Spiegelhalter 1996, "League tables and their limitations").
Adapters share items and often a base, so their errors are correlated: give the covariance where it is known. Random numbers come from the generator passed in.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import vector, whole


def pareto_front(gain_A: np.ndarray | Sequence[float], shift_A: np.ndarray | Sequence[float]) -> np.ndarray:
    """True for each adapter that no other dominates; equals stand together. Unknown (nan) in either: not on it, and dominates nobody."""
    gain = vector("gain_A", gain_A)
    shift = vector("shift_A", shift_A, len(gain))
    known_A = ~(np.isnan(gain) | np.isnan(shift))
    return known_A & ~_dominates(gain, shift).any(0)


def joint_draws(
    mean_V: np.ndarray | Sequence[float],
    spread: np.ndarray | Sequence[float] | Sequence[Sequence[float]],
    rng: np.random.Generator,
    *,
    num_draws: int = 10_000,
) -> np.ndarray:
    """Draws x values of a normal: `spread` is its covariance (two axes) or independent standard errors (one axis).

    The covariance's symmetric root makes the draws a function of the generator alone. Raises StatisticsError for an unknown value, a negative standard
    error, or a matrix that is no covariance.
    """
    mean = vector("mean_V", mean_V)
    given = np.asarray(spread, dtype=float)
    num_draws = whole("num_draws", num_draws, 1)
    if given.shape not in ((len(mean),), (len(mean), len(mean))):
        raise StatisticsError(f"spread: shape {given.shape}; ({len(mean)},) standard errors or a {len(mean)} x {len(mean)} covariance")
    if not np.isfinite(given).all() or np.isnan(mean).any():
        raise StatisticsError("mean_V, spread: an unknown value cannot be drawn; leave that adapter out")
    normal_RV = rng.standard_normal((num_draws, len(mean)))
    if given.ndim == 1:
        if (given < 0).any():
            raise StatisticsError(f"spread: standard error {given.min():g} is negative")
        return mean + normal_RV * given
    return mean + normal_RV @ _root(given)


def p_dominates(gain_RA: np.ndarray, shift_RA: np.ndarray) -> np.ndarray:
    """P(row's adapter dominates column's) over draws x adapters; 0 on the diagonal."""
    gain_RA, shift_RA = _draws(gain_RA, shift_RA)
    return np.mean([_dominates(g, s) for g, s in zip(gain_RA, shift_RA, strict=True)], axis=0)


def p_front(gain_RA: np.ndarray, shift_RA: np.ndarray) -> np.ndarray:
    """P(an adapter is on the Pareto front) for each adapter, over draws x adapters."""
    gain_RA, shift_RA = _draws(gain_RA, shift_RA)
    return np.mean([pareto_front(g, s) for g, s in zip(gain_RA, shift_RA, strict=True)], axis=0)


def p_rank(value_RA: np.ndarray) -> np.ndarray:
    """Adapters x ranks: P(rank), the smallest value first. Tied adapters share the ranks they span equally, so rows and columns sum to 1."""
    value_RA, _ = _draws(value_RA, value_RA)
    num_draws, num_adapters = value_RA.shape
    below_RA = (value_RA[:, None, :] < value_RA[:, :, None]).sum(2)
    alike_RA = (value_RA[:, None, :] == value_RA[:, :, None]).sum(2)
    rank_K = np.arange(num_adapters)
    spans = (rank_K >= below_RA[..., None]) & (rank_K < (below_RA + alike_RA)[..., None])
    return (spans / alike_RA[..., None]).sum(0) / num_draws


def _dominates(gain_A: np.ndarray, shift_A: np.ndarray) -> np.ndarray:
    """Adapters x adapters; a comparison with nan is never true."""
    more, less = gain_A[:, None] - gain_A, shift_A - shift_A[:, None]
    return (more >= 0) & (less >= 0) & ((more > 0) | (less > 0))


def _root(covariance: np.ndarray) -> np.ndarray:
    scale = max(float(np.abs(covariance).max()), np.finfo(float).tiny)
    if np.abs(covariance - covariance.T).max() > 1e-9 * scale:
        raise StatisticsError("spread: a covariance must be symmetric")
    value_V, vector_VV = np.linalg.eigh((covariance + covariance.T) / 2)
    if value_V.min() < -1e-9 * scale:
        raise StatisticsError(f"spread: no covariance, its smallest eigenvalue is {value_V.min():g}")
    return (vector_VV * np.sqrt(np.maximum(value_V, 0.0))) @ vector_VV.T


def _draws(a_RA: np.ndarray, b_RA: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a_RA, b_RA = np.asarray(a_RA, dtype=float), np.asarray(b_RA, dtype=float)
    if a_RA.ndim != 2 or a_RA.shape != b_RA.shape or not a_RA.size:
        raise StatisticsError(f"draws: shapes {a_RA.shape} and {b_RA.shape}; draws x adapters, the same for both, are needed")
    if np.isnan(a_RA).any() or np.isnan(b_RA).any():
        raise StatisticsError("draws: hold an unknown value; leave that adapter out")
    return a_RA, b_RA
