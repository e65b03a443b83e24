"""Slopes along doses: scipy's lines, t-tests over seeds, Fieller's limits by root finding, and coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from holdfast.errors import StatisticsError
from holdfast.stats.crossed import crossed
from holdfast.stats.slopes import dose_slope, dose_weights, path_slope, ratio

DOSES = [0.25, 0.5, 1.0]


def paths(seed, *, slope=0.4, seeds=5, items=20, noise=0.2):
    rng = np.random.default_rng(seed)
    per_seed = slope + rng.normal(0, noise, (1, seeds, 1))
    return np.array(DOSES)[:, None, None] * per_seed + 0.1 + rng.normal(0, noise, (3, seeds, items))


def test_weights_give_the_slope_of_scipys_line_and_through_zero_that_of_least_squares():
    y = np.random.default_rng(0).normal(size=3)
    assert dose_weights(DOSES) @ y == pytest.approx(stats.linregress(DOSES, y).slope)
    theirs = np.linalg.lstsq(np.array(DOSES)[:, None], y, rcond=None)[0][0]
    assert dose_weights(DOSES, through_zero=True) @ y == pytest.approx(theirs)


@pytest.mark.parametrize("through_zero", [False, True])
def test_slopes_of_seeds_are_scipys_and_without_item_noise_their_interval_is_its_t_interval(through_zero):
    means = np.random.default_rng(1).normal(size=(3, 6))
    found = dose_slope(np.repeat(means[:, :, None], 8, 2), DOSES, np.arange(8), through_zero=through_zero, level=0.9)
    line = lambda y: np.linalg.lstsq(np.array(DOSES)[:, None], y, rcond=None)[0][0]  # noqa: E731
    slopes = [line(y) if through_zero else stats.linregress(DOSES, y).slope for y in means.T]
    assert found.per_seed == pytest.approx(slopes)
    low, high = stats.ttest_1samp(slopes, 0).confidence_interval(0.9)
    assert (found.interval.lower, found.interval.upper) == pytest.approx((low, high), rel=1e-8)
    assert found.through_zero is through_zero and found.doses == tuple(DOSES) and found.num_dropped == 0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=6, unique_by=lambda d: round(d, 2)), st.floats(-5, 5), st.floats(-5, 5))
def test_weights_find_the_slope_of_any_straight_line(doses, slope, start):
    dose = np.array(doses)
    assert dose_weights(doses) @ (start + slope * dose) == pytest.approx(slope, abs=1e-6)
    assert dose_weights(doses).sum() == pytest.approx(0, abs=1e-6 * np.abs(dose_weights(doses)).max())
    assert dose_weights(doses, through_zero=True) @ (slope * dose) == pytest.approx(slope, abs=1e-9)


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
    by_hand = np.tensordot(dose_weights(DOSES), diff, axes=1)
    assert dose_slope(diff, DOSES, np.arange(20), pooled=(0.3, 12.0)).interval == crossed(by_hand, np.arange(20), pooled=(0.3, 12.0))


@pytest.mark.parametrize(
    ("doses", "through_zero", "message"),
    [
        ([0, 1], False, "doses above 0 are needed: dose 0 is the base and no point$"),
        ([-1.0, 1], True, "doses above 0"),
        ([np.nan, 1], False, "doses above 0"),
        ([1], False, "two or more different doses are needed$"),
        ([1, 1, 2], False, "two or more different"),
        ([1, 1], True, "one or more different"),
        ([], True, "one or more different"),
    ],
)
def test_doses_without_a_line_are_refused(doses, through_zero, message):
    with pytest.raises(StatisticsError, match=rf"^dose_D: .*{message}"):
        dose_weights(doses, through_zero=through_zero)
    assert dose_weights([2], through_zero=True) == pytest.approx([0.5])


def test_arrays_that_do_not_fit_the_doses_are_refused():
    with pytest.raises(StatisticsError, match=r"^diff_DSI: shape \(2, 3, 4\); doses x seeds x items with 3 doses needed$"):
        dose_slope(np.ones((2, 3, 4)), DOSES, np.arange(4))
    with pytest.raises(StatisticsError, match=r"^diff_DSI: shape \(3, 4\)"):
        dose_slope(np.ones((3, 4)), DOSES, np.arange(4))
    gone = np.ones((3, 2, 4))
    gone[0] = np.nan
    with pytest.raises(StatisticsError, match="^diff_DSI: no item is known at every dose of a seed$"):
        dose_slope(gone, DOSES, np.arange(4))


def test_fiellers_limits_are_the_roots_scipy_finds():
    a, b, va, vb, c, df = 0.3, 0.8, 0.01, 0.02, -0.004, 7
    t = stats.t.ppf(0.95, df)
    miss = lambda r: (a - r * b) ** 2 - t**2 * (va - 2 * r * c + r**2 * vb)  # noqa: E731
    found = ratio(a, b, va, vb, c, df=df, level=0.9)
    assert found.estimate == pytest.approx(a / b)
    assert found.lower == pytest.approx(optimize.brentq(miss, -5, a / b), rel=1e-8)
    assert found.upper == pytest.approx(optimize.brentq(miss, a / b, 5), rel=1e-8)
    assert found.g == pytest.approx(t**2 * vb / b**2) and not found.doubtful and (found.level, found.df) == (0.9, 7)


@settings(max_examples=40, deadline=None)
@given(a=st.floats(-2, 2), b=st.floats(1.5, 3), va=st.floats(1e-3, 0.1), vb=st.floats(1e-3, 0.1), rho=st.floats(-0.99, 0.99))
def test_fiellers_limits_hold_the_ratio_and_turn_with_its_sign(a, b, va, vb, rho):
    c = rho * np.sqrt(va * vb)
    found, turned = ratio(a, b, va, vb, c, df=30), ratio(-a, b, va, vb, -c, df=30)
    assert found.lower <= found.estimate <= found.upper
    assert (turned.lower, turned.upper) == pytest.approx((-found.upper, -found.lower), abs=1e-9)
    both = ratio(-a, -b, va, vb, c, df=30)
    assert (both.lower, both.upper) == pytest.approx((found.lower, found.upper), abs=1e-9)


def test_a_gain_not_clear_of_zero_gives_no_limits_and_one_hardly_clear_is_doubtful():
    unclear = ratio(0.3, 0.1, 0.01, 0.01, 0.0, df=10)
    assert unclear.doubtful and unclear.g >= 1 and np.isnan([unclear.lower, unclear.upper]).all() and unclear.estimate == pytest.approx(3)
    t2 = stats.t.ppf(0.975, 10) ** 2
    assert ratio(0.3, 1.0, 0.01, 0.2001 / t2, 0.0, df=10).doubtful and not ratio(0.3, 1.0, 0.01, 0.1999 / t2, 0.0, df=10).doubtful
    assert np.isfinite(ratio(0.3, 1.0, 0.01, 0.999 / t2, 0.0, df=10).upper)
    nothing = ratio(0.3, 0.0, 0.01, 0.01, 0.0, df=10)
    assert np.isnan([nothing.estimate, nothing.lower]).all() and nothing.g == np.inf and nothing.doubtful
    for unknown in ((np.nan, 1, 0.1, 0.1, 0), (1, 1, np.nan, 0.01, 0), (1, 1, 0.1, np.nan, 0), (1, 1, 0.1, 0.01, np.nan)):
        found = ratio(*unknown, df=10)
        assert found.doubtful and np.isnan([found.lower, found.upper]).all()
    with pytest.raises(StatisticsError, match="^covariance: 0.2 is more than variances 0.1 and 0.1 allow$"):
        ratio(1, 1, 0.1, 0.1, 0.2, df=10)


def test_a_known_gain_gives_the_plain_interval_of_the_shift_over_it():
    found = ratio(0.4, 2.0, 0.09, 0.0, 0.0, df=5)
    half = stats.t.ppf(0.975, 5) * 0.3
    assert (found.lower, found.upper, found.g) == pytest.approx(((0.4 - half) / 2, (0.4 + half) / 2, 0))


def test_the_slope_along_the_path_has_the_roots_scipy_finds_with_the_seeds_covariance():
    shift, gain = dose_slope(paths(4), DOSES, np.arange(20)), dose_slope(paths(5, slope=2.0), DOSES, np.arange(20))
    a, b = shift.interval, gain.interval
    covariance, df = np.cov(shift.per_seed, gain.per_seed)[0, 1] / 5, min(a.df, b.df)
    t = stats.t.ppf(0.975, df)
    miss = lambda r: (a.estimate - r * b.estimate) ** 2 - t**2 * (a.se**2 - 2 * r * covariance + r**2 * b.se**2)  # noqa: E731
    found = path_slope(shift, gain)
    assert (found.estimate, found.df, found.level) == pytest.approx((a.estimate / b.estimate, df, 0.95))
    assert found.lower == pytest.approx(optimize.brentq(miss, found.estimate - 3, found.estimate), rel=1e-8)
    assert found.upper == pytest.approx(optimize.brentq(miss, found.estimate, found.estimate + 3), rel=1e-8)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), unit=st.floats(0.2, 5))
def test_the_slope_along_the_path_does_not_depend_on_the_unit_of_dose(seed, unit):
    cluster, longer = np.arange(20), np.array(DOSES) * unit
    a = path_slope(dose_slope(paths(seed), DOSES, cluster), dose_slope(paths(seed + 1, slope=3.0), DOSES, cluster))
    b = path_slope(dose_slope(paths(seed), longer, cluster), dose_slope(paths(seed + 1, slope=3.0), longer, cluster))
    assert (a.estimate, a.lower, a.upper) == pytest.approx((b.estimate, b.lower, b.upper), rel=1e-6)


def test_the_slope_along_the_path_covers_the_true_one_though_both_move_with_the_seed():
    rng, hits, rounds = np.random.default_rng(6), 0, 300
    for _ in range(rounds):
        common = rng.normal(0, 0.3, (1, 6, 1))
        dose = np.array(DOSES)[:, None, None]
        gain = dose * (2.0 + common) + rng.normal(0, 0.2, (3, 6, 15))
        shift = dose * (1.0 + 0.5 * common + rng.normal(0, 0.1, (1, 6, 1))) + rng.normal(0, 0.2, (3, 6, 15))
        found = path_slope(dose_slope(shift, DOSES, np.arange(15)), dose_slope(gain, DOSES, np.arange(15)))
        hits += found.lower <= 0.5 <= found.upper
    assert 0.92 <= hits / rounds <= 0.995


def test_one_seed_has_no_covariance_and_a_small_pooled_variance_keeps_the_correlation_possible():
    one = lambda s, **k: dose_slope(paths(s, seeds=1, **k), DOSES, np.arange(20))  # noqa: E731
    shift, gain = one(7), one(8, slope=2.0)
    a, b = shift.interval, gain.interval
    assert path_slope(shift, gain) == ratio(a.estimate, b.estimate, a.se**2, b.se**2, 0.0, df=min(a.df, b.df))
    still = np.repeat(np.random.default_rng(9).normal(2, 1, (1, 5, 1)) * np.array(DOSES)[:, None, None], 4, 2)
    for sign in (1, -1):
        a = dose_slope(sign * still, DOSES, np.arange(4), pooled=(1e-6, 20.0))
        b = dose_slope(still, DOSES, np.arange(4), pooled=(1e-6, 20.0))
        assert path_slope(a, b).estimate == pytest.approx(sign) and np.isfinite(path_slope(a, b).lower)


def test_a_seed_without_a_slope_is_left_out_of_the_covariance():
    first, second = paths(10), paths(11, slope=2.0)
    gone = first.copy()
    gone[0, 2] = np.nan
    shift, gain = dose_slope(gone, DOSES, np.arange(20)), dose_slope(second, DOSES, np.arange(20))
    keep = [0, 1, 3, 4]
    covariance = np.cov(np.array(shift.per_seed)[keep], np.array(gain.per_seed)[keep])[0, 1] / 4
    a, b = shift.interval, gain.interval
    assert path_slope(shift, gain).lower == pytest.approx(
        ratio(a.estimate, b.estimate, a.se**2, b.se**2, covariance, df=min(a.df, b.df)).lower
    )


def test_paths_that_are_not_the_same_are_refused():
    a, cluster = dose_slope(paths(0), DOSES, np.arange(20)), np.arange(20)
    others = [
        dose_slope(paths(1, seeds=4), DOSES, cluster),
        dose_slope(paths(1), [0.25, 0.5, 2.0], cluster),
        dose_slope(paths(1), DOSES, cluster, through_zero=True),
        dose_slope(paths(1), DOSES, cluster, level=0.9),
    ]
    for b in others:
        with pytest.raises(StatisticsError, match="^path_slope: shift and gain must come from the same seeds, doses, fit and level$"):
            path_slope(a, b)
