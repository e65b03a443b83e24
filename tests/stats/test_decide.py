"""Families, equivalence, bounds and power against their definitions and statsmodels."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

from holdfast.errors import StatisticsError
from holdfast.stats.decide import benjamini_hochberg, equivalent, holm, manski, manski_conditioned, mde, tost


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
    found = manski_conditioned([1, None, 0], [0.5, None, None])
    assert (found.lower, found.upper, found.n) == (0.25, 0.75, 2)


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


def sample(seed, mean=0.0):
    d = np.random.default_rng(seed).normal(mean, 0.1, 25)
    return d, float(d.mean()), float(stats.sem(d))


@pytest.mark.parametrize(("mean", "band"), [(0.0, 0.05), (0.02, 0.05), (-0.04, 0.05), (0.2, 0.03), (0.0, 0.03)])
def test_two_one_sided_tests_have_the_p_values_of_statsmodels(mean, band):
    d, estimate, se = sample(1, mean)
    p, (_, above, _), (_, below, _) = DescrStatsW(d).ttost_mean(-band, band)
    found = tost(estimate, se, 24, band)
    assert (found.p, found.p_above, found.p_below) == pytest.approx((p, above, below))
    interval = stats.ttest_1samp(d, 0).confidence_interval(0.9)
    assert (found.lower, found.upper) == pytest.approx((interval.low, interval.high))
    assert found.equivalent is bool(p < 0.05) and (found.band, found.alpha) == (band, 0.05)
    assert equivalent(estimate, se, 24, band) is found.equivalent


@settings(max_examples=80, deadline=None)
@given(st.floats(-0.1, 0.1), st.floats(1e-4, 0.1), st.floats(1, 100), st.floats(0.01, 0.1), st.floats(0.01, 0.4))
def test_equivalent_is_the_interval_inside_the_band_and_does_not_see_the_sign(estimate, se, df, band, alpha):
    found, turned = tost(estimate, se, df, band, alpha), tost(-estimate, se, df, band, alpha)
    assert found.p == pytest.approx(turned.p) and (found.p_above, found.lower) == pytest.approx((turned.p_below, -turned.upper))
    if abs(found.p - alpha) > 1e-9:
        assert found.equivalent is (-band < found.lower and found.upper < band) is equivalent(estimate, se, df, band, alpha)
    assert tost(estimate, se, df, band + 0.01, alpha).p <= found.p


def test_unknown_is_not_equivalent_and_a_point_is_inside_or_not():
    nan = float("nan")
    for unknown in ((nan, 0.1, 5), (0.0, nan, 5), (0.0, 0.1, nan), (0.0, 0.1, 0)):
        found = tost(*unknown, 0.03)
        assert found.equivalent is False and np.isnan([found.p, found.p_above, found.p_below, found.lower, found.upper]).all()
    assert equivalent(0.0, 0.01, float("nan"), 0.03) is False and equivalent(0.0, 0.01, 0, 0.03) is False
    inside, at, under = (tost(x, 0.0, 5, 0.03) for x in (0.02, 0.03, -0.03))
    assert (inside.p, inside.equivalent, inside.lower, inside.upper) == (0.0, True, 0.02, 0.02)
    assert (at.p_below, at.p_above, at.equivalent) == (1.0, 0.0, False)
    assert (under.p_below, under.p_above, under.equivalent) == (0.0, 1.0, False)
    for band, alpha in ((0, 0.05), (-1, 0.05), (float("inf"), 0.05), (float("nan"), 0.05), (0.03, 0), (0.03, 0.5)):
        with pytest.raises(StatisticsError, match=f"^band: {band}, alpha: {alpha}; a band above 0 and alpha between 0 and 0.5"):
            tost(0.0, 0.1, 5, band, alpha)


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


known_or_not = st.sampled_from([0.0, 1.0, float("nan")])


def completions(first, outcome, among):
    """Every rate the missing answers allow, by trying each of them."""
    options = []
    for f, o in zip(first, outcome, strict=True):
        firsts = [0.0, 1.0] if np.isnan(f) else [f]
        # What was answered after an unknown first answer is not used.
        seconds = [0.0, 1.0] if np.isnan(o) or np.isnan(f) else [o]
        options.append(list(itertools.product(firsts, seconds)))
    rates = [[o for f, o in full if f == among] for full in itertools.product(*options)]
    return [np.mean(r) for r in rates if r]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(known_or_not, known_or_not), min_size=1, max_size=5), st.sampled_from([0.0, 1.0]))
def test_conditioned_bounds_are_the_smallest_and_largest_rate_any_completion_has(pairs, among):
    first, outcome = zip(*pairs, strict=True)
    possible = completions(first, outcome, among)
    if not possible:
        with pytest.raises(StatisticsError, match="^manski: no outcome"):
            manski_conditioned(first, outcome, among=among)
        return
    found = manski_conditioned(first, outcome, among=among)
    assert (found.lower, found.upper) == pytest.approx((min(possible), max(possible)))


def test_conditioned_bounds_without_missing_first_answers_are_numpys_means_and_counts_are_kept():
    first = np.array([1, 1, 1, 0, 0, np.nan, np.nan])
    outcome = np.array([0.25, 0.5, np.nan, 1, 0.5, 0.75, np.nan])
    kept = first == 1
    bare = manski_conditioned(first[~np.isnan(first)], outcome[~np.isnan(first)])
    assert bare.lower == pytest.approx(np.nan_to_num(outcome, nan=0.0)[kept].mean())
    assert bare.upper == pytest.approx(np.nan_to_num(outcome, nan=1.0)[kept].mean())
    found = manski_conditioned(first, outcome)
    assert (found.lower, found.upper) == pytest.approx((0.75 / 5, 3.75 / 5))
    assert (found.n, found.num_in_set, found.num_missing_first, found.num_missing_second) == (5, 3, 2, 1)
    wrong = manski_conditioned(first, outcome, among=0)
    assert (wrong.lower, wrong.upper, wrong.n, wrong.num_missing_second) == (pytest.approx(1.5 / 4), pytest.approx(3.5 / 4), 4, 0)


@pytest.mark.parametrize(
    ("first", "outcome", "among", "message"),
    [
        ([1, 0], [1], 1, r"^manski: first answers \(2,\), outcomes \(1,\); one of each for every item$"),
        ([[1]], [[1]], 1, "^manski: first answers"),
        ([0.5], [1], 1, "^manski: first answers, and the set asked for, are 1"),
        ([1], [1], 2, "^manski: first answers, and the set asked for, are 1"),
        ([1], [1.5], 1, r"^manski: an outcome lies outside \[0, 1\]$"),
        ([1], [-0.5], 1, "^manski: an outcome lies outside"),
        ([0], [1], 1, "^manski: no outcome, neither observed nor missing$"),
    ],
)
def test_conditioned_answers_that_cannot_be_meant_are_refused(first, outcome, among, message):
    with pytest.raises(StatisticsError, match=message):
        manski_conditioned(first, outcome, among=among)
