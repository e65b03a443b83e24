"""The crossed interval: against scipy, statsmodels and its own definitions, and by the coverage it promises."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats
from statsmodels.formula.api import ols
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.anova import anova_lm

from holdfast.errors import StatisticsError
from holdfast.stats.crossed import SeedPool, _degrees_of_freedom, crossed, pooled_seed_variance, seed_means


def test_one_seed_and_singleton_clusters_reduce_to_the_paired_t_interval():
    d = np.random.default_rng(0).normal(0.1, 1, 40)
    ours = crossed(d[None], np.arange(40))
    theirs = stats.ttest_1samp(d, 0)
    interval = theirs.confidence_interval(0.95)
    assert (ours.lower, ours.upper, ours.p) == pytest.approx((interval.low, interval.high, theirs.pvalue), rel=1e-10)


def test_one_seed_and_even_clusters_match_statsmodels_cluster_robust_standard_error():
    rng = np.random.default_rng(1)
    cluster = np.repeat(np.arange(12), 5)
    d = rng.normal(0, 1, 60) + rng.normal(0, 1, 12)[cluster]
    fit = OLS(d, np.ones((60, 1))).fit(cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": False})
    found = crossed(d[None], cluster)
    assert found.se == pytest.approx(fit.bse[0] * np.sqrt(12 / 11), rel=1e-9) and found.df == pytest.approx(11)


def test_one_seed_and_uneven_clusters_are_the_delete_one_cluster_jackknife():
    rng = np.random.default_rng(2)
    cluster = np.repeat(np.arange(7), [1, 2, 3, 5, 8, 13, 21])
    d = rng.normal(0, 1, 53) + rng.normal(0, 1, 7)[cluster]
    left_out = np.array([d[cluster != c].mean() for c in range(7)])
    found = crossed(d[None], cluster)
    assert found.se**2 == pytest.approx(6 / 7 * ((left_out - d.mean()) ** 2).sum(), rel=1e-12)
    size = np.bincount(cluster) / 53
    assert found.df == pytest.approx(1 / (size**2).sum() - 1)


def test_several_seeds_have_the_variance_of_statsmodels_two_way_analysis():
    rng = np.random.default_rng(3)
    seeds, items = 4, 25
    d = 0.1 + rng.normal(0, 0.2, (seeds, 1)) + rng.normal(0, 0.5, (1, items)) + rng.normal(0, 0.3, (seeds, items))
    long = pd.DataFrame({"d": d.ravel(), "seed": np.repeat(np.arange(seeds), items), "item": np.tile(np.arange(items), seeds)})
    table = anova_lm(ols("d ~ C(seed) + C(item)", long).fit())
    square = table["sum_sq"] / table["df"]
    expected = (square["C(seed)"] + square["C(item)"] - square["Residual"]) / (seeds * items)
    found = crossed(d, np.arange(items))
    assert found.se**2 == pytest.approx(expected, rel=1e-9)
    assert found.estimate == pytest.approx(d.mean()) and found.seed_variance == pytest.approx(d.mean(1).var(ddof=1))


def test_degrees_of_freedom_are_the_seeds_where_seeds_are_all_the_variance_and_the_clusters_where_they_are_none_of_it():
    rng = np.random.default_rng(4)
    seeds_only = rng.normal(0, 1, (4, 1)) + np.zeros((1, 30))
    assert crossed(seeds_only, np.arange(30)).df == pytest.approx(3)
    items_only = rng.normal(0, 1, (1, 30)) + np.zeros((4, 1))
    assert crossed(items_only, np.arange(30)).df == pytest.approx(29)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), missing=st.floats(0, 0.5))
def test_item_order_cluster_names_and_seed_order_do_not_matter_and_swapping_the_models_mirrors(seed, missing):
    rng = np.random.default_rng(seed)
    d, cluster, order = rng.normal(size=(4, 20)), rng.integers(0, 8, 20), rng.permutation(20)
    d[rng.random(d.shape) < missing] = np.nan
    d[:, 0] = 1.0
    pool = SeedPool(0.3, 8.0, float(rng.uniform(0, 20)))
    a = crossed(d, cluster, pooled=pool)
    for b in (
        crossed(d[:, order], cluster[order], pooled=pool),
        crossed(d[::-1], cluster, pooled=pool),
        crossed(d, np.array([f"name {9 - c}" for c in cluster]), pooled=pool),
    ):
        assert (a.estimate, a.se, a.df, a.num_clusters) == pytest.approx((b.estimate, b.se, b.df, b.num_clusters), abs=1e-12)
    c = crossed(-d, cluster, pooled=pool)
    assert (a.lower, a.upper) == pytest.approx((-c.upper, -c.lower), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.01, 50))
def test_the_interval_scales_with_the_differences_and_a_higher_level_holds_a_lower_one(seed, scale):
    rng = np.random.default_rng(seed)
    d, cluster = rng.normal(0.2, 1, (3, 30)), rng.integers(0, 10, 30)
    a, b, wide = crossed(d, cluster), crossed(scale * d, cluster), crossed(d, cluster, level=0.99)
    assert (b.estimate, b.se, b.df, b.p) == pytest.approx((scale * a.estimate, scale * a.se, a.df, a.p), rel=1e-9)
    assert wide.lower < a.lower < a.upper < wide.upper
    assert (a.p < 0.05) == (a.lower > 0 or a.upper < 0)


def test_one_cluster_that_holds_nearly_everything_leaves_one_degree_of_freedom_and_a_finite_interval():
    found = crossed(np.random.default_rng(9).normal(size=(1, 200)), np.r_[0, np.ones(199)])
    assert found.df == 1 and math.isfinite(found.lower)


def test_unknown_is_never_zero():
    d = np.random.default_rng(5).normal(size=(3, 30))
    for lone in (crossed(d[:1], np.zeros(30)), crossed(d, np.zeros(30))):
        assert np.isnan(lone.se) and np.isnan(lone.lower) and np.isnan(lone.p) and lone.num_clusters == 1
    half = d.copy()
    half[1] = np.nan
    assert crossed(half, np.arange(30)).num_seeds == 2
    with pytest.raises(StatisticsError, match="no known difference"):
        crossed(np.full((2, 3), np.nan), np.arange(3))
    with pytest.raises(StatisticsError, match="one for each"):
        crossed(d, np.arange(29))


def test_a_large_table_of_single_items_takes_no_memory_that_grows_with_their_square():
    import tracemalloc

    d, cluster = np.random.default_rng(6).normal(size=(3, 14_000)), np.arange(14_000)
    tracemalloc.start()
    crossed(d, cluster)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1000))
def test_a_seeds_mean_is_over_the_items_it_has_and_unknown_where_it_has_none(seed):
    rng = np.random.default_rng(seed)
    d = rng.normal(size=(5, 12))
    d[rng.random(d.shape) < 0.6] = np.nan
    d[2] = np.nan
    expected = [np.mean([x for x in row if x == x]) if not np.isnan(row).all() else np.nan for row in d]
    assert seed_means(d) == pytest.approx(np.array(expected), nan_ok=True)


def brute_prior_df(variances: list[float], df: float) -> float:
    """The posterior mean weight of the pool by adaptive quadrature over scale and weight, with scipy's F density."""
    scale = float(np.exp(np.mean(np.log(variances))))

    def likelihood(weight: float) -> float:
        prior = df * weight / (1 - weight)
        density = lambda log_scale: float(  # noqa: E731
            np.prod([stats.f.pdf(v / (scale * math.exp(log_scale)), df, prior) * v / (scale * math.exp(log_scale)) for v in variances])
        )
        return 2 * (1 - weight) * integrate.quad(density, -4, 5, limit=200)[0]

    nodes, weights = special.roots_legendre(24)
    b, w = (nodes + 1) / 2, weights / 2
    values = np.array([likelihood(x) for x in b])
    mean = float((w * values * b).sum() / (w * values).sum())
    return df * mean / (1 - mean)


@pytest.mark.slow
@pytest.mark.parametrize("variances", [[1.0, 1.1, 0.9, 1.2], [0.01, 1.0, 4.0, 0.3], [1.0, 2.0]])
def test_what_the_pool_is_worth_is_its_posterior_mean_by_quadrature(variances):
    # Three seed means of a given variance: v = ((-a)^2 + 0 + a^2) / 2.
    groups = [np.array([-math.sqrt(v), 0.0, math.sqrt(v)]) for v in variances]
    found = pooled_seed_variance(groups)
    assert found.prior_df == pytest.approx(brute_prior_df(variances, 2.0), rel=0.02)
    assert (found.variance, found.df) == pytest.approx((np.mean(variances), 2.0 * len(variances)))


def test_domains_that_agree_are_pooled_further_than_domains_that_do_not():
    rng = np.random.default_rng(7)
    shape = rng.normal(size=(6, 5))
    shape /= shape.std(1, ddof=1, keepdims=True)
    alike = pooled_seed_variance(list(shape))
    unlike = pooled_seed_variance([x * s for x, s in zip(shape, (0.1, 1, 3, 0.2, 5, 1), strict=True)])
    assert alike.prior_df > 2 * unlike.prior_df


def test_without_two_seeds_or_a_second_domain_nothing_is_borrowed():
    assert pooled_seed_variance([np.array([0.1]), np.array([np.nan, 0.2])]) is None
    alone = pooled_seed_variance([np.array([0.1, 0.3, 0.2])])
    d = np.random.default_rng(8).normal(size=(3, 20))
    assert alone.prior_df == 0
    own, pooled = crossed(d, np.arange(20)), crossed(d, np.arange(20), pooled=pooled_seed_variance([seed_means(d)]))
    assert (own.se, own.df) == pytest.approx((pooled.se, pooled.df))


def test_an_adapter_whose_seeds_do_not_differ_neither_breaks_the_pool_nor_passes_for_noise():
    still = pooled_seed_variance([np.zeros(3), np.array([0.1, 0.4, 0.2])])
    assert 0 < still.prior_df < 2 and still.variance > 0
    assert pooled_seed_variance([np.zeros(3), np.zeros(3)]) == SeedPool(0.0, 4.0, 0.0)


def test_a_variance_known_from_elsewhere_is_taken_as_it_is():
    d = np.random.default_rng(10).normal(size=(4, 1)) + np.zeros((1, 15))
    found = crossed(d, np.arange(15), pooled=(3.0, 20.0))
    assert (found.seed_variance, found.df, found.se) == pytest.approx((3.0, 20.0, math.sqrt(3 / 4)))


@settings(max_examples=50, deadline=None)
@given(parts=st.lists(st.tuples(st.floats(0.01, 100), st.floats(1, 300)), min_size=1, max_size=5), scale=st.floats(0.1, 10))
def test_degrees_of_freedom_lie_between_the_fewest_of_a_part_and_satterthwaites(parts, scale):
    found = _degrees_of_freedom(parts)
    total = sum(v for v, _ in parts)
    satterthwaite = total**2 / sum(v**2 / df for v, df in parts)
    assert min(df for _, df in parts) - 1e-9 <= found <= satterthwaite + 1e-9
    assert _degrees_of_freedom([(scale * v, df) for v, df in parts[::-1]]) == pytest.approx(found)
    assert _degrees_of_freedom([*parts, (0.0, 1.0)]) == pytest.approx(found)


def test_parts_that_do_not_vary_have_the_most_degrees_of_freedom_and_an_unknown_part_makes_them_unknown():
    assert _degrees_of_freedom([(0.0, 2.0), (0.0, 9.0)]) == 9 and math.isnan(_degrees_of_freedom([(1.0, 2.0), (math.nan, 9.0)]))


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), worth=st.floats(0, 1e6))
def test_a_domains_variance_lies_between_its_own_and_the_pools(seed, worth):
    d = np.random.default_rng(seed).normal(size=(4, 15))
    own = float(d.mean(1).var(ddof=1))
    found = crossed(d, np.arange(15), pooled=SeedPool(3.0, 20.0, worth)).seed_variance
    assert min(own, 3.0) - 1e-12 <= found <= max(own, 3.0) + 1e-12


def test_the_degrees_of_freedom_of_two_equal_parts_are_scipys_harmonic_mean_times_the_fourth_root_of_two():
    for a, b in ((2.0, 9.0), (4.0, 4.0), (20.0, 150.0)):
        expected = stats.hmean([a, b]) * 2**0.25
        assert _degrees_of_freedom([(0.3, a), (0.3, b)]) == pytest.approx(expected)
