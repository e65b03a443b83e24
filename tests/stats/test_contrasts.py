"""Contrasts between adapters: their definition written out, scipy and `crossed` as special cases, and coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats.contrasts import additivity, combine, every_pair, measure_terms
from holdfast.stats.crossed import combine_terms, crossed, measure_term, pooled_seed_variance, seed_means

CLUSTER = np.repeat(np.arange(12), 2)


def adapters(seed, shapes=((3, 24), (5, 24)), missing=0.0):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0, 0.5, 24)
    own = lambda: rng.normal(0, 0.5, 12)[CLUSTER]  # noqa: E731
    made = [0.2 + shared + own() + rng.normal(0, 0.2, (s, 1)) + rng.normal(0, 0.4, (s, n)) for s, n in shapes]
    for d in made:
        d[rng.random(d.shape) < missing] = np.nan
    return made


def by_definition(diffs, weights, cluster):
    """Estimate and variance, cluster by cluster and seed by seed; the cluster part is the delete-one-cluster jackknife."""
    keys = sorted(set(cluster.tolist()))
    correction = (len(keys) - 1) / len(keys)
    share_of = lambda d: {k: np.mean([np.sum(~np.isnan(row[cluster == k])) / np.sum(~np.isnan(row)) for row in d]) for k in keys}  # noqa: E731
    shares, size = [share_of(d) for d in diffs], sum(map(abs, weights))
    together = {k: sum(abs(w) / size * s[k] for w, s in zip(weights, shares, strict=True)) for k in keys}
    influence, seed_part, interaction, estimate = dict.fromkeys(keys, 0.0), 0.0, 0.0, 0.0
    for d, w, share in zip(diffs, weights, shares, strict=True):
        means = [np.nanmean(row) for row in d]
        estimate += w * np.mean(means)
        seed_part += w**2 * np.var(means, ddof=1) / len(d)
        of_seed = [{k: np.nansum((row - m)[cluster == k]) / np.sum(~np.isnan(row)) for k in keys} for row, m in zip(d, means, strict=True)]
        for k in keys:
            mean = np.mean([u[k] for u in of_seed])
            influence[k] += w * mean
            interaction += w**2 * correction * sum(((u[k] - mean) / (1 - share[k])) ** 2 for u in of_seed) / (len(d) - 1) / len(d)
    shared = max(correction * sum((u / (1 - together[k])) ** 2 for k, u in influence.items()) - interaction, 0.0)
    return estimate, seed_part, shared


@pytest.mark.parametrize("missing", [0.0, 0.2])
@pytest.mark.parametrize("weights", [(1.0, -1.0), (0.5, 2.0)])
def test_a_contrast_equals_its_definition_written_out(weights, missing):
    diffs = adapters(1, missing=missing)
    estimate, seed_part, shared = by_definition(diffs, weights, CLUSTER)
    ours = combine(diffs, weights, CLUSTER)
    assert ours.estimate == pytest.approx(estimate, rel=1e-12)
    assert ours.se**2 == pytest.approx(seed_part + shared, rel=1e-9) and shared > 0
    assert (ours.num_seeds, ours.num_clusters, ours.n, ours.level) == (3, 12, 24, 0.95)
    half = stats.t.ppf(0.975, ours.df) * ours.se
    assert (ours.lower, ours.upper) == pytest.approx((estimate - half, estimate + half))
    assert ours.p == pytest.approx(2 * stats.t.sf(abs(estimate) / ours.se, ours.df))


def test_without_item_noise_a_pair_has_the_statistic_of_welchs_t_test_of_scipy():
    a, b = np.random.default_rng(2).normal(0.3, 0.1, 4), np.random.default_rng(3).normal(0.1, 0.3, 7)
    ours = combine([np.repeat(a[:, None], 6, 1), np.repeat(b[:, None], 6, 1)], [1, -1], np.arange(6))
    theirs = stats.ttest_ind(a, b, equal_var=False)
    assert ours.estimate / ours.se == pytest.approx(theirs.statistic, rel=1e-9)
    assert 3 < ours.df < 10 and ours.num_seeds == 4


def test_degrees_of_freedom_are_satterthwaites_as_in_welchs_test_of_scipy():
    a, b = np.random.default_rng(2).normal(0.3, 0.1, 4), np.random.default_rng(3).normal(0.1, 0.3, 7)
    ours = combine([np.repeat(a[:, None], 6, 1), np.repeat(b[:, None], 6, 1)], [1, -1], np.arange(6))
    theirs = stats.ttest_ind(a, b, equal_var=False)
    low, high = theirs.confidence_interval(0.95)
    assert (ours.df, ours.p) == pytest.approx((theirs.df, theirs.pvalue), rel=1e-9)
    assert (ours.lower, ours.upper) == pytest.approx((low, high), rel=1e-9)


def test_tiny_variances_have_degrees_of_freedom_too():
    a, b = (np.tile(d[0], (3, 1)) for d in adapters(11))
    found = combine([a * 1e-100, b * 1e-100], [1, -1], CLUSTER)
    assert found.df == pytest.approx(11) and found.p == pytest.approx(combine([a, b], [1, -1], CLUSTER).p)


def test_one_seed_each_is_the_paired_t_test_of_scipy_over_items_and_says_so():
    a, b = np.random.default_rng(4).normal(size=(2, 30))
    ours, theirs = combine([a, b], [1, -1], np.arange(30), level=0.9), stats.ttest_rel(a, b)
    assert (ours.p, ours.df) == pytest.approx((theirs.pvalue, 29))
    assert (ours.lower, ours.upper) == pytest.approx(tuple(theirs.confidence_interval(0.9)), rel=1e-9)
    assert ours.num_seeds == 1 and np.isnan(ours.seed_variance)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), missing=st.sampled_from([0.0, 0.3]), pool=st.booleans())
def test_one_adapter_of_weight_one_is_crossed_itself(seed, missing, pool):
    diffs = adapters(seed, missing=missing)
    pooled = pooled_seed_variance([seed_means(d) for d in diffs]) if pool else None
    a, b = combine(diffs, [0, 1], CLUSTER, pooled=pooled), crossed(diffs[1], CLUSTER, pooled=pooled)
    for name in ("estimate", "se", "df", "lower", "upper", "p", "num_clusters", "num_seeds", "n", "seed_variance", "cluster_variance"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-12), name


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), factor=st.floats(0.1, 5), missing=st.sampled_from([0.0, 0.3]))
def test_scaling_weights_scales_the_interval_and_order_of_items_or_adapters_does_not_matter(seed, factor, missing):
    diffs, order = adapters(seed, missing=missing), np.random.default_rng(seed).permutation(24)
    a = combine(diffs, [1, -1], CLUSTER)
    b = combine(diffs[::-1], [factor, -factor], CLUSTER)
    c = combine([d[:, order] for d in diffs], [1, -1], CLUSTER[order])
    assert (b.estimate, b.se, b.lower, b.upper) == pytest.approx(
        (-factor * a.estimate, factor * a.se, -factor * a.upper, -factor * a.lower), rel=1e-6, abs=1e-9
    )
    assert (a.estimate, a.se, a.df) == pytest.approx((c.estimate, c.se, c.df), rel=1e-6, abs=1e-9)


def test_what_all_adapters_do_to_an_item_cancels():
    diffs = adapters(5)
    easier = [d + np.random.default_rng(6).normal(0, 50, 12)[CLUSTER] for d in diffs]
    a, b = combine(diffs, [1, -1], CLUSTER), combine(easier, [1, -1], CLUSTER)
    assert a.estimate == pytest.approx(b.estimate) and a.se == pytest.approx(b.se, rel=1e-6)
    assert combine(easier, [1, 1], CLUSTER).se > 5 * a.se


def test_the_interval_of_a_difference_covers_it_as_often_as_it_says():
    rng, hits, rounds = np.random.default_rng(7), 0, 300
    for _ in range(rounds):
        shared, made = rng.normal(0, 0.5, (1, 12))[:, CLUSTER], []
        for mean, s in ((0.3, 4), (0.1, 6)):
            own = rng.normal(0, 0.3, (1, 12))[:, CLUSTER]
            made.append(mean + shared + own + rng.normal(0, 0.1, (s, 1)) + rng.normal(0, 0.3, (s, 24)))
        found = combine(made, [1, -1], CLUSTER)
        hits += found.lower <= 0.2 <= found.upper
    assert 0.915 <= hits / rounds <= 0.99


def test_a_pooled_seed_variance_is_used_once_however_many_adapters_borrow_it():
    a, b = np.repeat(np.random.default_rng(8).normal(size=(2, 3, 1)), 6, axis=2)
    ours = combine([a, b], [1, -1], np.arange(6), pooled=(0.5, 8.0))
    assert ours.se**2 == pytest.approx(0.5 / 3 + 0.5 / 3) and ours.df == pytest.approx(8.0)
    assert ours.seed_variance == pytest.approx(1.0)
    # One adapter alone has one seed: the pooled variance, or nothing, says how it varies.
    lone = combine([a, b[:1]], [1, -2], np.arange(6), pooled=(0.5, 8.0))
    assert lone.se**2 == pytest.approx(0.5 / 3 + 4 * 0.5) and lone.num_seeds == 1 and lone.seed_variance == pytest.approx(2.5)
    unknown = combine([a, b[:1]], [1, -2], np.arange(6))
    assert np.isnan([unknown.se, unknown.lower, unknown.upper, unknown.p, unknown.df]).all() and np.isfinite(unknown.estimate)


def test_one_cluster_gives_an_estimate_and_no_interval():
    found = combine(adapters(9), [1, -1], np.zeros(24))
    assert np.isfinite(found.estimate) and np.isnan([found.se, found.lower, found.p, found.cluster_variance]).all()
    assert found.num_clusters == 1


def test_nothing_that_varies_is_a_point():
    found = combine([np.full((2, 4), 0.25), np.full((2, 4), 0.125)], [1, -1], np.arange(4))
    assert (found.lower, found.estimate, found.upper, found.se, found.p) == (0.125, 0.125, 0.125, 0.0, 0.0)
    assert combine([np.full((2, 4), 0.25), np.full((2, 4), 0.25)], [1, -1], np.arange(4)).p == 1.0


def test_an_adapter_of_weight_zero_plays_no_part_even_unknown_and_unknown_seeds_and_items_do_not_count():
    a, b = adapters(10)
    unknown = np.full((2, 24), np.nan)
    assert combine([a, unknown, b], [1, 0, -1], CLUSTER) == combine([a, b], [1, -1], CLUSTER)
    padded = np.vstack([a, np.full(24, np.nan)])
    assert combine([padded, b], [1, -1], CLUSTER) == combine([a, b], [1, -1], CLUSTER)
    a[:, :4], b[:, :4] = np.nan, np.nan
    found = combine([a, b], [1, -1], CLUSTER)
    assert (found.n, found.num_clusters) == (20, 10)
    b[:, 4:6] = np.nan
    assert combine([a, b], [1, -1], CLUSTER).n == 20


@pytest.mark.parametrize(
    ("diffs", "weights", "message"),
    [
        ([np.ones((2, 3)), np.ones((2, 4))], [1, -1], r"^diffs: \[3, 4\] items; adapters must be measured on the same items$"),
        ([np.ones((2, 3))] * 2, [0, 0], "^weights: .* not all 0"),
        ([np.ones((2, 3))] * 2, [1, np.nan], "^weights: "),
        ([np.ones((2, 3))] * 2, [1], "^weights: 1 entries, 2 needed$"),
        ([np.ones((2, 3)), np.full((2, 3), np.nan)], [1, -1], r"^diffs\[1\]: holds no known difference$"),
        ([np.ones((2, 4))] * 2, [1, -1], "^cluster_I: 3 entries for 4 items; one for each$"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(diffs, weights, message):
    with pytest.raises(StatisticsError, match=message):
        combine(diffs, weights, np.arange(3))
    with pytest.raises(StatisticsError, match="^level: 95 must lie strictly between 0 and 1$"):
        combine([np.ones((2, 3))], [1], np.arange(3), level=95)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), pool=st.booleans(), weights=st.sampled_from([(1, -1, 0), (0, 2, -0.5), (1, 1, 1)]))
def test_terms_measured_once_give_every_contrast_as_combine_does(seed, pool, weights):
    diffs = adapters(seed, shapes=((3, 24), (5, 24), (2, 24)), missing=0.2)
    pooled = (0.05, 7.0) if pool else None
    terms = measure_terms(diffs, CLUSTER, names="abc", pooled=pooled)
    assert combine_terms(terms, weights, pooled=pooled, level=0.9) == combine(diffs, weights, CLUSTER, pooled=pooled, level=0.9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), shift=st.floats(-3, 3))
def test_a_terms_influence_sums_to_nothing_and_moving_the_shift_moves_its_mean_alone(seed, shift):
    diffs = adapters(seed, missing=0.2)
    for a, b in zip(measure_terms(diffs, CLUSTER, names="ab"), measure_terms([d + shift for d in diffs], CLUSTER, names="ab"), strict=True):
        assert a.influence_C.sum() == pytest.approx(0, abs=1e-12) and b.mean == pytest.approx(a.mean + shift)
        assert b.influence_C == pytest.approx(a.influence_C, abs=1e-9)
        assert (b.seed_variance, b.interaction) == pytest.approx((a.seed_variance, a.interaction), abs=1e-9)


def test_a_terms_seed_part_is_scipys_standard_error_and_its_interaction_that_of_a_two_way_table():
    d = adapters(3)[1]
    term = measure_term(d, CLUSTER)
    assert np.sqrt(term.seed_variance / 5) == pytest.approx(stats.sem(d.mean(1)))
    assert (term.mean, term.num_seeds, term.seed_df) == (pytest.approx(d.mean()), 5, 4)
    cell = np.array([np.bincount(CLUSTER, row) / 2 for row in d])
    rest = cell - cell.mean(0) - cell.mean(1, keepdims=True) + cell.mean()
    assert term.interaction == pytest.approx((rest**2).sum() / (4 * 11) / (5 * 12))


NAMES = ["maths", "truth", "chat", "all"]
names = st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=3, max_size=6, unique=True)


def test_pairs_are_the_differences_of_tukeys_all_pairs_in_order():
    """scipy's Tukey test compares the same pairs: first minus second."""
    groups = [np.random.default_rng(k).normal(k, 1, 5) for k in range(4)]
    theirs = stats.tukey_hsd(*groups).statistic
    means = np.array([g.mean() for g in groups])
    found = every_pair(NAMES)
    assert [c.name for c in found][:3] == ["maths - truth", "maths - chat", "maths - all"] and len(found) == 6
    assert [c.weights @ means for c in found] == pytest.approx(theirs[np.triu_indices(4, 1)].tolist())


def test_additivity_is_the_combined_minus_the_sum_and_minus_the_mean_numpy_gives():
    means = np.array([0.4, 0.1, 0.3, 0.6])
    by_mean, by_sum = additivity(NAMES, "all", ["maths", "chat"], "truth")
    assert (by_mean.name, by_sum.name) == ("all - mean of its parts", "all - sum of its parts, beyond truth")
    assert by_mean.weights @ means == pytest.approx(means[3] - np.mean(means[[0, 2]])) and by_mean.weights[1] == 0
    assert by_sum.weights @ means == pytest.approx((means[3] - means[1]) - np.sum(means[[0, 2]] - means[1]))
    assert additivity(NAMES, "all", ["maths", "chat"]) == [by_mean]


@settings(max_examples=30, deadline=None)
@given(names)
def test_weights_of_pairs_sum_to_zero_and_every_pair_comes_once(found):
    made = every_pair(found)
    assert all(sorted(c.weights) == [-1.0] + [0.0] * (len(found) - 2) + [1.0] for c in made)
    assert len({c.name for c in made}) == len({c.weights for c in made}) == len(found) * (len(found) - 1) // 2


@settings(max_examples=30, deadline=None)
@given(st.lists(st.text("abcdef", min_size=1, max_size=4), min_size=4, max_size=6, unique=True))
def test_of_equal_parts_the_mean_is_one_of_them_and_the_sum_all_of_them(found):
    combined, null, *parts = found
    by_mean, by_sum = additivity(found, combined, parts, null)
    assert sum(by_mean.weights) == pytest.approx(0.0) and sum(by_sum.weights) == pytest.approx(0.0)


def test_invalid_names_are_refused():
    with pytest.raises(StatisticsError, match=r"^names: \['a'\]; at least two are needed, each once$"):
        every_pair(["a"])
    with pytest.raises(StatisticsError, match="each once$"):
        every_pair(["a", "a"])
    with pytest.raises(StatisticsError, match="^names: unknown adapter 'z'; available: a, b, c$"):
        additivity(["a", "b", "c"], "c", ["a", "z"])
    with pytest.raises(StatisticsError, match="^names: unknown adapter 'q'"):
        additivity(["a", "b", "c"], "q", ["a", "b"])
    with pytest.raises(StatisticsError, match="^parts: 'c' is the combined adapter itself$"):
        additivity(["a", "b", "c"], "c", ["a", "c"])
    with pytest.raises(StatisticsError, match=r"^names: \['a'\]; at least two"):
        additivity(["a", "b", "c"], "c", ["a"])
