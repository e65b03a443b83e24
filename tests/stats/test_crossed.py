"""The crossed interval: against scipy, against its definition, and by the coverage it promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from holdfast.errors import StatisticsError
from holdfast.stats.crossed import crossed, pooled_seed_variance, seed_means


def test_one_seed_and_singleton_clusters_reduce_to_the_paired_t_interval():
    d = np.random.default_rng(0).normal(0.1, 1, 40)
    ours = crossed(d[None], np.arange(40))
    theirs = stats.ttest_1samp(d, 0)
    interval = theirs.confidence_interval(0.95)
    assert (ours.lower, ours.upper, ours.p) == pytest.approx((interval.low, interval.high, theirs.pvalue), rel=1e-10)


def test_one_seed_matches_statsmodels_cluster_robust_standard_error():
    rng = np.random.default_rng(1)
    cluster = rng.integers(0, 12, 60)
    d = rng.normal(0, 1, 60) + rng.normal(0, 1, 12)[cluster]
    fit = OLS(d, np.ones((60, 1))).fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False})
    k = len(np.unique(cluster))
    assert crossed(d[None], cluster).se == pytest.approx(fit.bse[0] * np.sqrt(k / (k - 1)), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000))
def test_item_order_does_not_matter_and_swapping_the_models_mirrors(seed):
    rng = np.random.default_rng(seed)
    d, cluster, order = rng.normal(size=(4, 20)), rng.integers(0, 8, 20), rng.permutation(20)
    a, b, c = crossed(d, cluster), crossed(d[:, order], cluster[order]), crossed(-d, cluster)
    assert (a.estimate, a.se) == pytest.approx((b.estimate, b.se), abs=1e-12)
    assert (a.lower, a.upper) == pytest.approx((-c.upper, -c.lower), abs=1e-12)


def test_a_higher_level_widens_and_unknown_is_never_zero():
    d = np.random.default_rng(2).normal(size=(3, 30))
    assert crossed(d, np.arange(30), level=0.99).upper > crossed(d, np.arange(30)).upper
    lone = crossed(d[:1], np.zeros(30))
    assert np.isnan(lone.se) and np.isnan(lone.lower) and np.isnan(lone.p)
    with pytest.raises(StatisticsError):
        crossed(np.full((2, 3), np.nan), np.arange(3))


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng, hits, rounds = np.random.default_rng(3), 0, 400
    for _ in range(rounds):
        domains = [
            0.1
            + rng.normal(0, 0.05, (5, 1))
            + rng.normal(0, 0.3, (1, 40))[:, np.repeat(np.arange(40), 2)]
            + rng.normal(0, 0.3, (5, 80))
            for _ in range(4)
        ]
        pooled = pooled_seed_variance([seed_means(d) for d in domains])
        found = crossed(domains[0], np.repeat(np.arange(40), 2), pooled=pooled)
        hits += found.lower <= 0.1 <= found.upper
    assert 0.91 <= hits / rounds <= 0.985
