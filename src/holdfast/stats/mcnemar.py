"""Exact McNemar test: did right answers turn wrong more often than wrong ones turned right?

For one model alone on items right or wrong under two conditions, or for two models on the same items. McNemar (1947),
"Note on the sampling error of the difference between correlated proportions"; exact form: given the number of discordant
pairs, those of one kind are binomial with rate 1/2. It takes items as independent: where items share a stem the crossed or
cluster-robust interval decides, and this p-value is a column beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import vector, whole


@dataclass(frozen=True, slots=True, kw_only=True)
class McNemar:
    """Discordant pairs in both directions, two-sided exact p, pairs with both answers known, and pairs with one missing."""

    right_to_wrong: int
    wrong_to_right: int
    p: float
    num_pairs: int
    num_missing: int


def mcnemar(before_I: np.ndarray | Sequence[float], after_I: np.ndarray | Sequence[float]) -> McNemar:
    """Test of paired answers: 1 right, 0 wrong, nan missing (unparsed: counted, and neither kept nor flipped).

    Raises StatisticsError for anything but 0, 1 and nan, for unequal lengths, or if no pair has both answers known.
    """
    before = _right_or_wrong("before_I", vector("before_I", before_I))
    after = _right_or_wrong("after_I", vector("after_I", after_I, len(before)))
    known = ~(np.isnan(before) | np.isnan(after))
    before, after = before[known], after[known]
    return mcnemar_counts(
        int(((before == 1) & (after == 0)).sum()),
        int(((before == 0) & (after == 1)).sum()),
        num_concordant=int((before == after).sum()),
        num_missing=int((~known).sum()),
    )


def mcnemar_counts(right_to_wrong: int, wrong_to_right: int, *, num_concordant: int, num_missing: int = 0) -> McNemar:
    """The same test from the counts of the two-by-two table.

    p = P(X as far from its mean or further), X ~ binomial(right_to_wrong + wrong_to_right, 1/2); 1 where no pair is
    discordant. Raises StatisticsError for a negative count or if there is no pair at all.
    """
    lost, won = whole("right_to_wrong", right_to_wrong, 0), whole("wrong_to_right", wrong_to_right, 0)
    same, missing = whole("num_concordant", num_concordant, 0), whole("num_missing", num_missing, 0)
    if lost + won + same == 0:
        raise StatisticsError(f"mcnemar: no pair with both answers known ({missing} missing)")
    p = float(stats.binomtest(lost, lost + won).pvalue) if lost + won else 1.0
    return McNemar(right_to_wrong=lost, wrong_to_right=won, p=p, num_pairs=lost + won + same, num_missing=missing)


def _right_or_wrong(name: str, value: np.ndarray) -> np.ndarray:
    odd = value[~np.isnan(value) & (value != 0) & (value != 1)]
    if len(odd):
        raise StatisticsError(f"{name}: {odd[0]:g} is neither 1 (right), 0 (wrong) nor nan (missing)")
    return value
