"""Correlations on levels and on changes, what chance allows at five points, and the refusal to claim."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast_llama2_7b.correlation import critical_r, leave_one_out, p_value, pearson, refusal


def cell(published, benchmark, axis):
    return next(c for c in published.findings["correlation"]["cells"] if (c["benchmark"], c["axis"]) == (benchmark, axis))


def test_the_published_correlations_are_those_of_levels_with_the_base(published):
    cells = published.findings["correlation"]["cells"]
    assert len(cells) == 12
    for c in cells:
        assert c["levels"]["n"] == 6 and c["levels"]["r"] == pytest.approx(c["published"], abs=1e-9)


def test_on_changes_gsm8k_and_feedback_turn_and_none_is_clear_of_chance(published):
    c = cell(published, "gsm8k", "feedback")
    assert c["levels"]["r"] == pytest.approx(0.114, abs=5e-4) and c["changes"]["r"] == pytest.approx(-0.156, abs=5e-4)
    changes = [c["changes"] for c in published.findings["correlation"]["cells"]]
    assert all(x["n"] == 5 and x["p"] >= 0.05 and abs(x["r"]) < x["critical_r"] for x in changes)
    assert changes[0]["critical_r"] == pytest.approx(0.878, abs=5e-4)


def test_five_points_make_no_claim(published):
    assert published.findings["correlation"]["refused"] == "five points, no claim" == refusal(5)
    assert refusal(1) == "one point, no claim" and refusal(7) == "seven points, no claim" and refusal(8) is None


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(-50, 50), st.integers(-50, 50)), min_size=3, max_size=9))
def test_r_and_p_are_scipys(points):
    x, y = zip(*points, strict=True)
    r = pearson(x, y)
    if len(set(x)) == 1 or len(set(y)) == 1:
        assert np.isnan(r) and p_value(r, len(x)) is None
        return
    theirs = scipy.stats.pearsonr(x, y)
    assert r == pytest.approx(theirs.statistic, abs=1e-9)
    if abs(r) < 0.999:
        assert p_value(r, len(x)) == pytest.approx(theirs.pvalue, abs=1e-7)


@pytest.mark.parametrize("n", [4, 5, 6, 12])
def test_the_critical_r_has_a_p_of_five_percent(n):
    assert p_value(critical_r(n), n) == pytest.approx(0.05, abs=1e-12)


def test_leaving_one_out_is_the_range_over_the_points():
    x, y = [0.1, 0.2, 0.5, 0.4], [1.0, 0.0, 2.0, 5.0]
    every = [np.corrcoef(np.delete(x, i), np.delete(y, i))[0, 1] for i in range(4)]
    assert leave_one_out(x, y) == pytest.approx((min(every), max(every)))
    assert leave_one_out([1, 2], [1, 2]) is None
