"""Checks of input that every module of statistics makes, and the way from a standard error to an interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy  # loads scipy.special when it is first asked for: bounds and checks need none of it

from holdfast.errors import StatisticsError

Vector = np.ndarray | Sequence[float]  # one row of numbers; nan: unknown
Labels = np.ndarray | Sequence[object]  # the cluster of each item


def vector(name: str, value: Vector, length: int | None = None) -> np.ndarray:
    """One row of floats (nan: unknown), of `length` where that is given.

    Args: name: what errors call the row; value: its numbers; nan: unknown; length: how many there must be; None: any number.
    Returns: the row as floats.
    Raises: StatisticsError: not one row of numbers, an infinite one, or another length.
    """
    try:
        row = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise StatisticsError(f"{name}: holds something that is not a number") from None
    if row.ndim != 1:
        raise StatisticsError(f"{name}: {row.ndim} axes, 1 needed")
    if length is not None and len(row) != length:
        raise StatisticsError(f"{name}: {len(row)} entries, {length} needed")
    if np.isinf(row).any():
        raise StatisticsError(f"{name}: holds an infinite value; an unknown one is nan")
    return row


def bounded(name: str, value: np.ndarray, low: float, high: float) -> np.ndarray:
    """`value` itself, if all of its known entries lie in [low, high].

    Args: name: what errors call it; value: an array; nan: unknown; low, high: the range, ends included.
    Returns: `value`.
    Raises: StatisticsError: an entry outside the range.
    """
    outside = value[(value < low) | (value > high)]
    if len(outside):
        raise StatisticsError(f"{name}: {outside[0]:g} lies outside [{low:g}, {high:g}]")
    return value


def fraction(name: str, value: float) -> float:
    """A level, a power or an error rate: strictly between 0 and 1.

    Args: name: what errors call it; value: the number.
    Returns: `value` as a float.
    Raises: StatisticsError: it does not lie strictly between 0 and 1.
    """
    if not 0 < value < 1:
        raise StatisticsError(f"{name}: {value} must lie strictly between 0 and 1")
    return float(value)


def whole(name: str, value: float, least: int) -> int:
    """A whole number of at least `least`.

    Args: name: what errors call it; value: the number; least: the smallest that is allowed.
    Returns: `value` as an int.
    Raises: StatisticsError: it is not whole, or smaller.
    """
    if value != value or value < least or int(value) != value:
        raise StatisticsError(f"{name}: {value} must be a whole number of at least {least}")
    return int(value)


def cluster_codes(cluster_I: Labels, num_items: int) -> np.ndarray:
    """Labels of any type as whole numbers, one per item.

    Args: cluster_I: label of each item; num_items: how many there must be.
    Returns: whole numbers from 0, equal where the labels are equal as text.
    Raises: StatisticsError: another number of labels.
    """
    labels = np.asarray(cluster_I)
    if labels.ndim != 1 or len(labels) != num_items:
        raise StatisticsError(f"cluster_I: {labels.size} entries for {num_items} items; one for each")
    return np.unique(labels.astype(str), return_inverse=True)[1]


def student(estimate: float, se: float, df: float, level: float) -> tuple[float, float, float]:
    """(lower, upper, two-sided p of 0) by Student's t. Unknown `se` or `df`: all unknown; `se` 0: a point.

    Args: estimate, se: in one unit; df: degrees of freedom; level: nominal coverage, a fraction.
    Returns: (lower, upper) in that unit, and p; nan where `se` or `df` is unknown.
    """
    if not (se == se and df > 0):
        return float("nan"), float("nan"), float("nan")
    if se == 0:
        return estimate, estimate, 1.0 if estimate == 0 else 0.0
    half = t_quantile(0.5 + level / 2, df) * se
    return estimate - half, estimate + half, float(2 * scipy.special.stdtr(df, -abs(estimate) / se))


def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t.

    Args: p: probability below it; df: degrees of freedom.
    Returns: the quantile, in standard errors.
    """
    return float(scipy.special.stdtrit(df, p))
