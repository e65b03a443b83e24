"""Checks of input say what is wrong; the one way from a standard error to an interval is scipy's."""

import numpy as np
import pytest
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import bounded, cluster_codes, fraction, student, vector, whole


@pytest.mark.parametrize(("estimate", "se", "df", "level"), [(0.3, 0.1, 7.5, 0.95), (-2.0, 0.7, 0.5, 0.8), (0.0, 1.0, 300, 0.99)])
def test_the_interval_and_p_are_scipys_t(estimate, se, df, level):
    lower, upper, p = student(estimate, se, df, level)
    assert (lower, upper) == pytest.approx(stats.t.interval(level, df, estimate, se))
    assert p == pytest.approx(2 * stats.t.sf(abs(estimate / se), df))


def test_an_unknown_error_gives_nothing_and_no_error_a_point():
    nan = float("nan")
    for se, df in ((nan, 5), (0.1, nan), (0.1, 0), (0.1, -1)):
        found = student(0.3, se, df, 0.95)
        assert len(found) == 3 and all(isinstance(v, float) for v in found) and np.isnan(found).all()
    assert student(0.3, 0.0, 5, 0.95) == (0.3, 0.3, 0.0) and student(0.0, 0.0, 5, 0.95) == (0.0, 0.0, 1.0)


def test_a_vector_is_one_row_of_finite_floats():
    found = vector("x", [1, None, 2])
    assert found.dtype == float and np.isnan(found[1]) and vector("x", [], 0).shape == (0,)
    for value, length, message in (
        (["a"], None, "^x: holds something that is not a number$"),
        ([{}], None, "^x: holds something that is not a number$"),
        (3, None, "^x: 0 axes, 1 needed$"),
        ([1, 2], 3, "^x: 2 entries, 3 needed$"),
        ([np.inf], None, "^x: holds an infinite value; an unknown one is nan$"),
    ):
        with pytest.raises(StatisticsError, match=message):
            vector("x", value, length)


def test_bounds_hold_their_ends_and_the_first_value_outside_is_told():
    assert bounded("x", np.array([0, np.nan, 1.0]), 0, 1)[2] == 1
    with pytest.raises(StatisticsError, match=r"^x: -0.5 lies outside \[0, 1\]$"):
        bounded("x", np.array([1.0, 0.0, -0.5, 2.0]), 0, 1)
    with pytest.raises(StatisticsError, match=r"^x: 2 lies outside \[0, 1\]$"):
        bounded("x", np.array([1.0, 0.0, 2.0, -0.5]), 0, 1)


def test_fractions_and_whole_numbers():
    assert fraction("x", 0.5) == 0.5 and whole("x", 3.0, 3) == 3 and isinstance(whole("x", 3.0, 3), int)
    for value in (0, 1, -0.5, 1.5, float("nan")):
        with pytest.raises(StatisticsError, match=f"^x: {value} must lie strictly between 0 and 1$"):
            fraction("x", value)
    for value in (2, 3.5, float("nan")):
        with pytest.raises(StatisticsError, match=f"^x: {value} must be a whole number of at least 3$"):
            whole("x", value, 3)


def test_labels_of_any_kind_become_codes():
    assert cluster_codes(["b", "a", "b"], 3).tolist() == [1, 0, 1] and cluster_codes([2, 1, 2], 3).tolist() == [1, 0, 1]
    for labels, message in (
        (["a"], "^cluster_I: 1 entries for 3 items; one for each$"),
        ([["a", "b", "c"]], "^cluster_I: 3 entries for 3"),
    ):
        with pytest.raises(StatisticsError, match=message):
            cluster_codes(labels, 3)
