"""Which adapters are not beaten on both counts (more gain, less shift), and how sure the order is.

An adapter dominates another if it gains at least as much, shifts at most as much, and differs in one of the two (Pareto order).
Estimates have errors, so dominance and rank are probabilities over draws of the estimates' joint distribution (Goldstein &
Spiegelhalter 1996, "League tables and their limitations"); the caller draws them.
"""

from __future__ import annotations

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import Vector, vector


def pareto_front(gain_A: Vector, shift_A: Vector) -> np.ndarray:
    """Which adapters no other one dominates.

    Args:
        gain_A: capability gain per adapter, more is better; nan: unknown.
        shift_A: sycophancy shift per adapter, less is better; nan: unknown.
    Returns:
        Booleans, adapters. Equal adapters are on it together; an unknown one is not on it and dominates none.
    Raises:
        StatisticsError: unequal lengths, an infinite value, or something that is not a number (nan is allowed).
    """
    gain = vector("gain_A", gain_A)
    shift = vector("shift_A", shift_A, len(gain))
    return ~(np.isnan(gain) | np.isnan(shift)) & ~_dominates(gain, shift).any(0)


def p_dominates(gain_RA: np.ndarray, shift_RA: np.ndarray) -> np.ndarray:
    """Probability that one adapter dominates another.

    Args:
        gain_RA: drawn gains, draws x adapters, more is better.
        shift_RA: drawn shifts of the same draws, less is better.
    Returns:
        P(the row's adapter dominates the column's), adapters x adapters; 0 on the diagonal.
    Raises:
        StatisticsError: shapes that differ or are not draws x adapters, or an unknown value.
    """
    gain_RA, shift_RA = _draws(gain_RA, shift_RA)
    return np.mean([_dominates(g, s) for g, s in zip(gain_RA, shift_RA, strict=True)], axis=0)


def p_front(gain_RA: np.ndarray, shift_RA: np.ndarray) -> np.ndarray:
    """Probability that an adapter is on the Pareto front.

    Args:
        gain_RA: drawn gains, draws x adapters, more is better.
        shift_RA: drawn shifts of the same draws, less is better.
    Returns:
        Probabilities, adapters.
    Raises:
        StatisticsError: as `p_dominates`.
    """
    gain_RA, shift_RA = _draws(gain_RA, shift_RA)
    return np.mean([pareto_front(g, s) for g, s in zip(gain_RA, shift_RA, strict=True)], axis=0)


def p_rank(value_RA: np.ndarray) -> np.ndarray:
    """Probability of each rank, the smallest value first.

    Args:
        value_RA: drawn values, draws x adapters.
    Returns:
        Probabilities, adapters x ranks; tied adapters share the ranks they span equally, so rows and columns sum to 1.
    Raises:
        StatisticsError: a shape that is not draws x adapters, or an unknown value.
    """
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


def _draws(a_RA: np.ndarray, b_RA: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a_RA, b_RA = np.asarray(a_RA, dtype=float), np.asarray(b_RA, dtype=float)
    if a_RA.ndim != 2 or a_RA.shape != b_RA.shape or not a_RA.size:
        raise StatisticsError(f"draws: shapes {a_RA.shape} and {b_RA.shape}; draws x adapters, the same for both, are needed")
    if np.isnan(a_RA).any() or np.isnan(b_RA).any():
        raise StatisticsError("draws: hold an unknown value; leave that adapter out")
    return a_RA, b_RA
