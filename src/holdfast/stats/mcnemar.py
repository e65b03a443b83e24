"""Exact McNemar test: did right answers turn wrong more often than wrong ones turned right?

For one model on items right or wrong under two conditions, or for two models on the same items. It takes items as independent:
where items share a stem, the crossed or cluster-robust interval decides, and this p-value is reported next to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import Vector, vector


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Discordant pairs and their test."""

    right_to_wrong: int  # pairs right before, wrong after
    wrong_to_right: int  # pairs wrong before, right after
    p: float  # two-sided exact p-value; 1 where no pair is discordant
    num_pairs: int  # pairs with both answers known
    num_missing: int  # pairs with one or both missing


def mcnemar(before_I: Vector, after_I: Vector) -> McNemar:
    """Test of paired answers: given the number of discordant pairs, those of one kind are binomial with rate 1/2.

    Args:
        before_I: answers per item: 1 right, 0 wrong, nan missing (counted, and neither kept nor flipped).
        after_I: answers to the same items in the same order.
    Returns:
        The counts in both directions and the two-sided p-value.
    Raises:
        StatisticsError: an answer other than 0, 1 and nan, unequal lengths, or no pair with both answers known.
    Source: McNemar (1947), "Note on the sampling error of the difference between correlated proportions"; exact form.
    """
    from scipy.stats import binomtest

    before = _right_or_wrong("before_I", vector("before_I", before_I))
    after = _right_or_wrong("after_I", vector("after_I", after_I, len(before)))
    known = ~np.isnan(before + after)
    lost, won = int(((before == 1) & (after == 0)).sum()), int(((before == 0) & (after == 1)).sum())
    num_pairs, num_missing = int(known.sum()), int((~known).sum())
    if not num_pairs:
        raise StatisticsError(f"mcnemar: no pair with both answers known ({num_missing} missing)")
    p = float(binomtest(lost, lost + won).pvalue) if lost + won else 1.0
    return McNemar(right_to_wrong=lost, wrong_to_right=won, p=p, num_pairs=num_pairs, num_missing=num_missing)


def _right_or_wrong(name: str, value: np.ndarray) -> np.ndarray:
    odd = value[~np.isnan(value) & (value != 0) & (value != 1)]
    if len(odd):
        raise StatisticsError(f"{name}: {odd[0]:g} is neither 1 (right), 0 (wrong) nor nan (missing)")
    return value
