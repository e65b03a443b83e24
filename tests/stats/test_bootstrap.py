"""Bootstrap intervals: draw for draw as scipy's, the refusals, and the coverage they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats.bootstrap import cluster_bootstrap, crossed_bootstrap
from holdfast.stats.crossed import crossed


def clustered(seed, num_clusters=15, num_items=60):
    rng = np.random.default_rng(seed)
    cluster = np.concatenate([np.arange(num_clusters), rng.integers(0, num_clusters, num_items - num_clusters)])
    return rng.normal(0.2, 1, num_items) + rng.normal(0, 1, num_clusters)[cluster], named(cluster)


def named(cluster):
    """Labels whose order is that of the numbers."""
    return np.array([f"stem {c:03}" for c in cluster])


def test_the_percentile_interval_over_clusters_equals_scipy_draw_for_draw():
    value, cluster = clustered(0)
    code = np.unique(cluster, return_inverse=True)[1]
    sums, counts = np.bincount(code, value), np.bincount(code).astype(float)
    theirs = stats.bootstrap(
        (sums, counts),
        lambda s, c, axis: s.sum(axis) / c.sum(axis),
        paired=True,
        vectorized=True,
        n_resamples=500,
        method="percentile",
        confidence_level=0.9,
        rng=np.random.default_rng(5),
    )
    ours = cluster_bootstrap(value, cluster, np.random.default_rng(5), level=0.9, num_replicates=500)
    limits = (theirs.confidence_interval.low, theirs.confidence_interval.high, theirs.standard_error)
    assert (ours.lower, ours.upper, ours.se) == pytest.approx(limits, rel=1e-9)
    assert (ours.estimate, ours.n, ours.num_clusters, ours.num_seeds) == (pytest.approx(value.mean()), 60, 15, 1)
    assert (ours.num_discarded, ours.method, ours.level, ours.num_replicates) == (0, "percentile", 0.9, 500)


def test_the_studentised_interval_equals_its_textbook_loop():
    value, cluster = clustered(1)
    ours = cluster_bootstrap(value, cluster, np.random.default_rng(2), method="studentised", level=0.9, num_replicates=200)
    rng, codes = np.random.default_rng(2), np.unique(cluster)

    def mean_and_se(groups):
        everything = np.concatenate(groups)
        mean = everything.mean()
        return mean, np.sqrt(sum((g - mean).sum() ** 2 for g in groups)) / len(everything)

    groups = [value[cluster == c] for c in codes]
    mean, se = mean_and_se(groups)
    made = [mean_and_se([groups[i] for i in draw]) for draw in rng.integers(0, 15, (200, 15))]
    low, high = np.quantile([(m - mean) / s for m, s in made], [0.05, 0.95])
    assert (ours.lower, ours.upper) == pytest.approx((mean - high * se, mean - low * se), rel=1e-9)
    assert ours.se == pytest.approx(np.std([m for m, _ in made], ddof=1)) and ours.method == "studentised"


def test_the_crossed_interval_equals_its_textbook_loop():
    rng = np.random.default_rng(3)
    cluster = np.arange(30) % 12
    diff = rng.normal(size=(11, 30))
    diff[rng.random((11, 30)) < 0.2] = np.nan
    ours = crossed_bootstrap(diff, named(cluster), np.random.default_rng(4), num_replicates=200)
    again = np.random.default_rng(4)
    seeds, draws = again.integers(0, 11, (200, 11)), again.integers(0, 12, (200, 12))
    means = []
    for seed_S, draw_C in zip(seeds, draws, strict=True):
        items = np.concatenate([np.flatnonzero(cluster == c) for c in draw_C])
        means.append(np.mean([np.nanmean(diff[s, items]) for s in seed_S]))
    low, high = np.quantile(means, [0.025, 0.975])
    assert (ours.lower, ours.upper, ours.se) == pytest.approx((low, high, np.std(means, ddof=1)), rel=1e-9)
    assert ours.estimate == pytest.approx(np.nanmean(diff, 1).mean())
    assert (ours.num_seeds, ours.num_clusters, ours.n, ours.num_discarded, ours.method) == (11, 12, 30, 0, "percentile")


def test_without_item_noise_the_crossed_interval_is_scipys_bootstrap_over_seeds():
    means = np.random.default_rng(5).normal(size=12)
    theirs = stats.bootstrap((means,), np.mean, n_resamples=300, method="percentile", rng=np.random.default_rng(6))
    ours = crossed_bootstrap(np.repeat(means[:, None], 20, 1), np.arange(20), np.random.default_rng(6), num_replicates=300)
    limits = (theirs.confidence_interval.low, theirs.confidence_interval.high)
    assert (ours.lower, ours.upper) == pytest.approx(limits, rel=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), method=st.sampled_from(["percentile", "studentised"]), scale=st.floats(0.1, 10))
def test_changing_the_unit_changes_the_interval_alike(seed, method, scale):
    value, cluster = clustered(seed)
    make = lambda v: cluster_bootstrap(v, cluster, np.random.default_rng(seed), method=method, num_replicates=100)  # noqa: E731
    a, b = make(value), make(scale * value + 3)
    assert (b.lower, b.upper) == pytest.approx((scale * a.lower + 3, scale * a.upper + 3), rel=1e-6, abs=1e-6)
    assert a.lower < a.estimate < a.upper


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_an_item_no_seed_knows_changes_nothing_in_the_crossed_bootstrap(seed):
    diff = np.random.default_rng(seed).normal(size=(10, 24))
    wider = np.hstack([diff, np.full((10, 2), np.nan)])
    a = crossed_bootstrap(diff, named(np.arange(24) % 12), np.random.default_rng(1), num_replicates=100)
    b = crossed_bootstrap(wider, named(np.append(np.arange(24) % 12, [99, 0])), np.random.default_rng(1), num_replicates=100)
    assert a == b


def test_the_studentised_interval_covers_the_mean_of_skewed_clusters():
    rng, hits, rounds = np.random.default_rng(7), 0, 150
    cluster = np.repeat(np.arange(25), 2)
    for _ in range(rounds):
        value = rng.exponential(1, 25)[cluster] + rng.normal(0, 0.3, 50)
        found = cluster_bootstrap(value, cluster, rng, method="studentised", num_replicates=300)
        hits += found.lower <= 1 <= found.upper
    assert 0.90 <= hits / rounds <= 1.0


def test_ten_of_what_is_resampled_are_enough_and_nine_are_refused():
    rng = np.random.default_rng(8)
    assert crossed_bootstrap(rng.normal(size=(10, 10)), np.arange(10), rng, num_replicates=100).num_seeds == 10
    with pytest.raises(StatisticsError, match="^bootstrap: 9 seeds; a bootstrap over fewer than 10 does not cover"):
        crossed_bootstrap(rng.normal(size=(9, 10)), np.arange(10), rng)
    with pytest.raises(StatisticsError, match="^bootstrap: 9 seeds"):
        crossed_bootstrap(np.vstack([rng.normal(size=(9, 10)), np.full(10, np.nan)]), np.arange(10), rng)
    with pytest.raises(StatisticsError, match="^bootstrap: 9 clusters"):
        crossed_bootstrap(rng.normal(size=(10, 9)), np.arange(9), rng)
    with pytest.raises(StatisticsError, match="^bootstrap: 9 clusters"):
        cluster_bootstrap(rng.normal(size=20), np.arange(20) % 9, rng)


def test_input_that_gives_no_interval_is_refused():
    rng, value = np.random.default_rng(9), np.arange(20.0)
    with pytest.raises(StatisticsError, match="too many replicates without spread"):
        cluster_bootstrap(np.ones(20), np.arange(20), rng, method="studentised")
    with pytest.raises(StatisticsError, match="^method: unknown 'bca'; available: percentile, studentised$"):
        cluster_bootstrap(value, np.arange(20), rng, method="bca")
    for bad in ({"level": 1.0}, {"num_replicates": 99}):
        with pytest.raises(StatisticsError, match=f"^{next(iter(bad))}: "):
            cluster_bootstrap(value, np.arange(20), rng, **bad)
        with pytest.raises(StatisticsError, match=f"^{next(iter(bad))}: "):
            crossed_bootstrap(np.ones((10, 20)), np.arange(20), rng, **bad)
    with pytest.raises(StatisticsError, match="^cluster_I: 3 entries for 20 items"):
        cluster_bootstrap(value, np.arange(3), rng)
    sparse = np.full((12, 12), np.nan)
    sparse[np.arange(12), np.arange(12)] = 1.0
    with pytest.raises(StatisticsError, match="of 2000 replicates left a seed without items$"):
        crossed_bootstrap(sparse, np.arange(12), rng)


def test_replicates_that_lose_a_seed_are_discarded_and_counted():
    rng = np.random.default_rng(10)
    diff = rng.normal(size=(10, 40))
    diff[0, 4:] = np.nan
    found = crossed_bootstrap(diff, np.arange(40), rng, num_replicates=2000)
    # A replicate draws seed 0 with probability .65 and none of its four clusters with .014.
    assert 4 <= found.num_discarded <= 60 and np.isfinite([found.lower, found.upper, found.se]).all()


def test_two_thousand_replicates_are_the_default_and_one_close_to_the_student_interval():
    value, cluster = clustered(11, num_clusters=40, num_items=200)
    rng = np.random.default_rng(0)
    for method in ("percentile", "studentised"):
        found = cluster_bootstrap(value, cluster, rng, method=method)
        student = crossed(value[None], cluster)
        assert found.num_replicates == 2000 and found.level == 0.95
        assert (found.lower, found.upper) == pytest.approx((student.lower, student.upper), abs=0.35 * student.se)
    wide = crossed_bootstrap(np.random.default_rng(12).normal(size=(10, 40)), np.arange(40), rng)
    assert wide.num_replicates == 2000 and wide.level == 0.95
