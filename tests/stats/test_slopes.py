"""Slopes along doses: scipy's lines and t-tests over seeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats.crossed import crossed
from holdfast.stats.slopes import _dose_weights, dose_slope

DOSES = [0.25, 0.5, 1.0]


def paths(seed, *, slope=0.4, seeds=5, items=20, noise=0.2):
    rng = np.random.default_rng(seed)
    per_seed = slope + rng.normal(0, noise, (1, seeds, 1))
    return np.array(DOSES)[:, None, None] * per_seed + 0.1 + rng.normal(0, noise, (3, seeds, items))


def test_weights_give_the_slope_of_scipys_line():
    y = np.random.default_rng(0).normal(size=3)
    assert _dose_weights(DOSES) @ y == pytest.approx(stats.linregress(DOSES, y).slope)


def test_slopes_of_seeds_are_scipys_and_without_item_noise_their_interval_is_its_t_interval():
    means = np.random.default_rng(1).normal(size=(3, 6))
    found = dose_slope(np.repeat(means[:, :, None], 8, 2), DOSES, np.arange(8), level=0.9)
    slopes = [stats.linregress(DOSES, y).slope for y in means.T]
    assert found.per_seed == pytest.approx(slopes)
    low, high = stats.ttest_1samp(slopes, 0).confidence_interval(0.9)
    assert (found.interval.lower, found.interval.upper) == pytest.approx((low, high), rel=1e-8)
    assert found.num_dropped == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=6, unique_by=lambda d: round(d, 2)), st.floats(-5, 5), st.floats(-5, 5))
def test_weights_find_the_slope_of_any_straight_line(doses, slope, start):
    dose = np.array(doses)
    assert _dose_weights(doses) @ (start + slope * dose) == pytest.approx(slope, abs=1e-6)
    assert _dose_weights(doses).sum() == pytest.approx(0, abs=1e-6 * np.abs(_dose_weights(doses)).max())


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), unit=st.floats(0.1, 10))
def test_another_unit_of_dose_rescales_the_slope_and_a_constant_does_not_change_it(seed, unit):
    diff = paths(seed)
    a = dose_slope(diff, DOSES, np.arange(20)).interval
    b = dose_slope(diff + 7, np.array(DOSES) * unit, np.arange(20)).interval
    assert (b.lower * unit, b.upper * unit) == pytest.approx((a.lower, a.upper), abs=1e-9)


def test_an_item_unknown_at_one_dose_is_left_out_of_that_seed_and_counted():
    diff = paths(2)
    diff[1, 0, 3], diff[:, 1, 4], diff[0, 2, 5:7] = np.nan, np.nan, np.nan
    found = dose_slope(diff, DOSES, np.arange(20))
    assert found.num_dropped == 3
    assert found.per_seed[0] == pytest.approx(stats.linregress(DOSES, np.delete(diff[:, 0], 3, axis=1).mean(1)).slope)


def test_the_slope_of_a_dose_has_the_crossed_interval_with_a_pooled_seed_variance():
    diff = paths(3)
    by_hand = np.tensordot(_dose_weights(DOSES), diff, axes=1)
    assert dose_slope(diff, DOSES, np.arange(20), pooled=(0.3, 12.0)).interval == crossed(by_hand, np.arange(20), pooled=(0.3, 12.0))


@pytest.mark.parametrize(
    ("doses", "message"),
    [
        ([0, 1], "doses above 0 are needed: dose 0 is the base, which is not used as a point$"),
        ([-1.0, 1], "doses above 0"),
        ([np.nan, 1], "doses above 0"),
        ([1], "two or more different doses are needed$"),
        ([1, 1, 2], "two or more different"),
        ([], "two or more different"),
    ],
)
def test_doses_without_a_line_are_refused(doses, message):
    with pytest.raises(StatisticsError, match=rf"^dose_D: .*{message}"):
        dose_slope(np.ones((len(doses), 2, 4)), doses, np.arange(4))


def test_arrays_that_do_not_fit_the_doses_are_refused():
    with pytest.raises(StatisticsError, match=r"^diff_DSI: shape \(2, 3, 4\); doses x seeds x items with 3 doses needed$"):
        dose_slope(np.ones((2, 3, 4)), DOSES, np.arange(4))
    with pytest.raises(StatisticsError, match=r"^diff_DSI: shape \(3, 4\)"):
        dose_slope(np.ones((3, 4)), DOSES, np.arange(4))
    gone = np.ones((3, 2, 4))
    gone[0] = np.nan
    with pytest.raises(StatisticsError, match="^diff_DSI: no item is known at every dose of a seed$"):
        dose_slope(gone, DOSES, np.arange(4))
