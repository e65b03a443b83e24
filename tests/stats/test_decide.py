"""Families, equivalence, bounds and power against their definitions and statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from holdfast.errors import StatisticsError
from holdfast.stats.decide import benjamini_hochberg, equivalent, holm, manski, mde


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_p_values_equal_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1].tolist())


def test_an_unknown_p_value_stays_unknown_and_does_not_count():
    adjusted = holm([0.01, float("nan"), 0.04])
    assert adjusted[0] == pytest.approx(0.02) and np.isnan(adjusted[1])


def test_equivalence_needs_the_whole_interval_inside_the_band():
    assert equivalent(0.0, 0.01, 30, 0.03) and not equivalent(0.02, 0.01, 30, 0.03) and not equivalent(0.0, float("nan"), 30, 0.03)


def test_missing_outcomes_give_the_published_bounds():
    assert manski(0, 22, 278) == pytest.approx((0.0, 278 / 300))
    with pytest.raises(StatisticsError):
        manski(0, 0, 0)


def test_a_larger_family_needs_a_larger_effect():
    assert mde(0.01, 30, 15) > mde(0.01, 30, 1) > 0.01 and np.isnan(mde(float("nan"), 30, 1))


probabilities = st.lists(st.floats(0, 1), min_size=1, max_size=12)


@settings(max_examples=50, deadline=None)
@given(probabilities, st.randoms(use_true_random=False))
def test_adjusting_keeps_the_order_of_p_values_never_lowers_one_and_holm_is_the_stricter(p, random):
    order = list(range(len(p)))
    random.shuffle(order)
    for adjust in (holm, benjamini_hochberg):
        adjusted = adjust(p)
        assert all(raw <= a <= 1 for raw, a in zip(p, adjusted, strict=True))
        assert all(adjusted[i] <= adjusted[j] for i in order for j in order if p[i] < p[j])
        assert adjust([p[i] for i in order]) == pytest.approx([adjusted[i] for i in order])
        assert adjust([*p, float("nan")])[:-1] == adjusted and np.isnan(adjust([*p, float("nan")])[-1])
    assert all(a >= b - 1e-12 for a, b in zip(holm(p), benjamini_hochberg(p), strict=True))


def test_none_is_as_unknown_as_nan():
    for adjust in (holm, benjamini_hochberg):
        assert adjust([0.01, None, 0.04]) == pytest.approx(adjust([0.01, float("nan"), 0.04]), nan_ok=True)


def test_adjusted_values_of_tables_worked_by_hand():
    """Three tests: Holm multiplies by 3, 2, 1 from the smallest; Benjamini & Hochberg by 3, 3/2, 1; each keeps the order."""
    assert holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])
    assert benjamini_hochberg([0.03, 0.01, 0.04]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == benjamini_hochberg([]) == []
    assert equivalent(-0.03, 0.0, 5, 0.03) is False and equivalent(0.03, 0.0, 5, 0.03) is False
    assert equivalent(0.029, 0.0, 5, 0.03) is True
    half = stats.t.ppf(0.95, 5) * 0.01
    assert equivalent(0.0, 0.01, 5, half * 1.001) and not equivalent(0.0, 0.01, 5, half * 0.999)
    assert equivalent(0.0, 0.01, 1, 0.07) and equivalent(0.0, 0.01, 0.5, 1.0) and mde(0.01, 0.5, 1) > mde(0.01, 1, 1)


@pytest.mark.parametrize(("mean", "band"), [(0.0, 0.05), (0.02, 0.05), (-0.04, 0.05), (0.2, 0.03), (0.0, 0.03)])
def test_two_one_sided_tests_decide_as_those_of_statsmodels(mean, band):
    d = np.random.default_rng(1).normal(mean, 0.1, 25)
    p, _, _ = DescrStatsW(d).ttost_mean(-band, band)
    assert equivalent(float(d.mean()), float(stats.sem(d)), 24, band) is bool(p < 0.05)


@settings(max_examples=80, deadline=None)
@given(st.floats(-0.1, 0.1), st.floats(1e-4, 0.1), st.floats(1, 100), st.floats(0.01, 0.1), st.floats(0.01, 0.4))
def test_equivalent_does_not_see_the_sign_and_a_wider_band_never_loses_it(estimate, se, df, band, alpha):
    here = equivalent(estimate, se, df, band, alpha)
    assert here is equivalent(-estimate, se, df, band, alpha) and here <= equivalent(estimate, se, df, band + 0.01, alpha)
    assert (
        equivalent(estimate, float("nan"), df, band)
        is equivalent(estimate, se, float("nan"), band)
        is equivalent(0.0, se, 0, band)
        is False
    )


def test_adjusting_leaves_its_input_as_it_is():
    p = np.array([0.03, np.nan, 0.01])
    assert benjamini_hochberg(p)[2] == holm(p)[2] == 0.02 and p[2] == 0.01


@pytest.mark.parametrize(("family", "alpha", "power"), [(1, 0.05, 0.8), (15, 0.05, 0.8), (4, 0.1, 0.9)])
def test_the_smallest_effect_is_close_to_what_statsmodels_solves_and_exactly_the_two_quantiles_of_scipy(family, alpha, power):
    exact = TTestPower().solve_power(nobs=61, alpha=alpha / family, power=power)
    found = mde(1 / np.sqrt(61), 60, family, alpha, power)
    assert found == pytest.approx(exact, rel=0.02)
    quantiles = stats.t.ppf(1 - alpha / (2 * family), 60) + stats.t.ppf(power, 60)
    assert mde(0.2, 60, family, alpha, power) == pytest.approx(0.2 * quantiles, rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-4, 1), st.floats(1, 200), st.integers(1, 50), st.floats(0.55, 0.95))
def test_the_smallest_effect_grows_with_error_family_and_power_and_is_unknown_where_they_are(se, df, family, power):
    here = mde(se, df, family, power=power)
    assert mde(2 * se, df, family, power=power) == pytest.approx(2 * here)
    assert mde(se, df, family + 1, power=power) > here < mde(se, df, family, power=power + 0.01)
    assert mde(se, df, 0, power=power) == mde(se, df, 1, power=power)
    assert np.isnan([mde(float("nan"), df, family), mde(se, float("nan"), family), mde(se, 0, family)]).all()
    assert mde(se, df, family) == mde(se, df, family, 0.05, 0.8)


def test_bounds_are_the_means_numpy_gives_with_every_missing_outcome_set_to_zero_and_to_one():
    outcome = np.random.default_rng(2).random(30)
    outcome[::4] = np.nan
    low, high = np.nan_to_num(outcome, nan=0.0).mean(), np.nan_to_num(outcome, nan=1.0).mean()
    assert manski(np.nansum(outcome), 22, 8) == pytest.approx((low, high))


@settings(max_examples=50, deadline=None)
@given(probabilities, st.floats(0, 20))
def test_bounds_hold_the_observed_mean_and_are_as_wide_as_the_missing_share(outcome, missing):
    low, high = manski(sum(outcome), len(outcome), missing)
    assert low <= np.mean(outcome) + 1e-12 and np.mean(outcome) <= high + 1e-12
    assert high - low == pytest.approx(missing / (len(outcome) + missing))
    with pytest.raises(StatisticsError, match="^manski: no outcome, neither observed nor missing$"):
        manski(0, 0, 0)
