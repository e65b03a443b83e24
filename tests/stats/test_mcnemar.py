"""The exact McNemar test against statsmodels and against what it means."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from holdfast.errors import StatisticsError
from holdfast.stats.mcnemar import mcnemar

answers = st.lists(st.tuples(st.sampled_from([0.0, 1.0, math.nan]), st.sampled_from([0.0, 1.0, math.nan])), min_size=1, max_size=30)


def table(lost, won, same):
    """The test of answers with these counts."""
    return mcnemar([1] * lost + [0] * won + [1] * same, [0] * lost + [1] * won + [1] * same)


def both_known(pairs):
    return [p for p in pairs if p[0] == p[0] and p[1] == p[1]]


@pytest.mark.parametrize("counts", [(0, 0, 3), (1, 0, 0), (5, 5, 1), (12, 3, 40), (3, 12, 0), (40, 61, 7)])
def test_counts_give_the_p_value_of_statsmodels(counts):
    lost, won, same = counts
    theirs = statsmodels_mcnemar(np.array([[same, lost], [won, 0]]), exact=True).pvalue
    assert table(lost, won, same).p == pytest.approx(min(theirs, 1.0), rel=1e-12)


def test_answers_give_the_record_of_statsmodels_table():
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 2, 60).astype(float), rng.integers(0, 2, 60).astype(float)
    before[:3], after[2:6] = np.nan, np.nan
    found = mcnemar(before, after)
    counts = np.zeros((2, 2))
    for b, a in both_known(zip(before, after, strict=True)):
        counts[int(b), int(a)] += 1
    assert (found.right_to_wrong, found.wrong_to_right) == (counts[1, 0], counts[0, 1])
    assert (found.num_pairs, found.num_missing) == (54, 6)
    assert found.p == pytest.approx(statsmodels_mcnemar(counts, exact=True).pvalue, rel=1e-12)


@settings(max_examples=40, deadline=None)
@given(answers.filter(both_known))
def test_swapping_before_and_after_swaps_the_directions_and_keeps_p(pairs):
    before, after = map(list, zip(*pairs, strict=True))
    a, b = mcnemar(before, after), mcnemar(after, before)
    assert (a.right_to_wrong, a.wrong_to_right, a.num_missing) == (b.wrong_to_right, b.right_to_wrong, b.num_missing)
    assert a.p == pytest.approx(b.p) and 0 < a.p <= 1
    assert a.num_pairs + a.num_missing == len(pairs)


@settings(max_examples=40, deadline=None)
@given(lost=st.integers(0, 30), won=st.integers(0, 30), same=st.integers(1, 50))
def test_a_more_lopsided_table_is_never_less_surprising_and_agreement_does_not_count(lost, won, same):
    here = table(lost, won, same)
    assert here.p == table(lost, won, same + 1).p
    if lost >= won and won > 0:
        assert table(lost + 1, won - 1, same).p <= here.p + 1e-12


def test_a_missing_answer_is_neither_kept_nor_flipped():
    found = mcnemar([1, 1, np.nan, 0], [0, np.nan, 1, 0])
    assert (found.right_to_wrong, found.wrong_to_right, found.num_pairs, found.num_missing) == (1, 0, 2, 2)
    assert table(1, 0, 0).num_missing == 0


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ([0.5], [1], r"^before_I: 0.5 is neither 1 \(right\)"),
        ([1], [2], r"^after_I: 2 is neither"),
        ([1, 0], [1], r"^after_I: 1 entries, 2 needed"),
        ([np.nan, 1], [1, np.nan], r"^mcnemar: no pair with both answers known \(2 missing\)"),
        ([], [], r"^mcnemar: no pair"),
        ([[1]], [1], r"^before_I: 2 axes, 1 needed$"),
        ([1], [[1]], r"^after_I: 2 axes, 1 needed$"),
    ],
)
def test_invalid_answers_are_refused(before, after, message):
    with pytest.raises(StatisticsError, match=message):
        mcnemar(before, after)
