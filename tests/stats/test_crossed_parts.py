"""What the crossed interval is made of: means of seeds, and a seed variance pooled over domains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from holdfast.stats.crossed import crossed, pooled_seed_variance, seed_means

CLUSTER = np.arange(20) // 2


def shifts(seed, seeds=4):
    return np.random.default_rng(seed).normal(0.1, 1, (seeds, 20))


def test_means_of_seeds_are_numpys_over_the_items_each_has():
    d = shifts(0)
    d[0, :7], d[2, 3] = np.nan, np.nan
    assert seed_means(d) == pytest.approx(np.nanmean(d, axis=1))
    d[1] = np.nan
    assert np.isnan(seed_means(d)).tolist() == [False, True, False, False]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-5, 5))
def test_a_constant_moves_the_mean_of_every_seed_and_the_order_of_items_does_not(seed, shift):
    d, order = shifts(seed), np.random.default_rng(seed).permutation(20)
    assert seed_means(d[:, order] + shift) == pytest.approx(seed_means(d) + shift)


def test_the_pooled_seed_variance_is_the_mean_square_within_domains_of_statsmodels():
    groups = [np.random.default_rng(k).normal(k, 1, n) for k, n in enumerate((3, 5, 4))]
    domain = np.repeat(np.eye(3), (3, 5, 4), axis=0)
    found = pooled_seed_variance(groups)
    assert (found[0], found[1]) == pytest.approx((OLS(np.concatenate(groups), domain).fit().mse_resid, 9))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10))
def test_a_pooled_variance_does_not_see_domain_means_or_lone_seeds_and_scales_as_a_square(seed, scale):
    groups = [np.random.default_rng(seed + k).normal(0, 1, 4) for k in range(3)]
    a = pooled_seed_variance(groups)
    b = pooled_seed_variance([scale * g + k for k, g in enumerate(groups)] + [np.array([7.0]), np.array([np.nan, 3.0])])
    assert (b[0], b[1]) == (pytest.approx(scale**2 * a[0]), a[1])
    assert pooled_seed_variance([np.array([1.0]), np.array([])]) is None


def test_without_item_noise_the_crossed_interval_is_scipys_t_interval_over_seeds():
    means = np.random.default_rng(1).normal(size=6)
    found, theirs = crossed(np.repeat(means[:, None], 20, 1), CLUSTER), stats.ttest_1samp(means, 0)
    low, high = theirs.confidence_interval(0.95)
    assert (found.lower, found.upper, found.p, found.df) == pytest.approx((low, high, theirs.pvalue, 5), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10))
def test_another_unit_rescales_the_crossed_interval_and_labels_of_clusters_are_only_names(seed, scale):
    d, names = shifts(seed), np.random.default_rng(seed).permutation(100)
    a, b = crossed(d, CLUSTER), crossed(scale * d, names[CLUSTER])
    assert (b.estimate, b.se, b.lower, b.upper) == pytest.approx(tuple(scale * v for v in (a.estimate, a.se, a.lower, a.upper)), abs=1e-9)
    assert (b.df, b.p) == pytest.approx((a.df, a.p), rel=1e-6)
