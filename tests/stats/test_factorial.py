"""Effects of including a kind of data: statsmodels' least squares, its nested F test, and what an effect means."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS

from holdfast.errors import StatisticsError
from holdfast.stats.contrasts import combine
from holdfast.stats.factorial import _design_matrix, factorial

FOUR = ["chat", "code", "maths", "truth"]
ALL = [frozenset(m) for k in range(1, 5) for m in itertools.combinations(FOUR, k)]


def shift_of(mix, main, pair=None):
    """Shift of a mix from what including does: main effects, and an extra where both of a pair are in it."""
    return sum(main[d] for d in mix) + sum(v for (a, b), v in (pair or {}).items() if a in mix and b in mix)


def measured(mixes, main, pair=None, *, seed=0, noise=0.0, seeds=3, items=10):
    rng = np.random.default_rng(seed)
    make = lambda m, s: shift_of(m, main, pair) + rng.normal(0, noise, (s, items)) + rng.normal(0, noise, (s, 1))  # noqa: E731
    return [make(m, s) for m, s in zip(mixes, seeds if isinstance(seeds, list) else [seeds] * len(mixes), strict=True)]


MAIN = {"chat": 0.1, "code": 0.0, "maths": -0.05, "truth": 0.2}


def test_estimates_equal_least_squares_of_statsmodels():
    diffs = measured(ALL, MAIN, seed=1, noise=0.3)
    found = factorial(ALL, diffs, np.arange(10))
    half = {d: np.array([0.5 if d in m else -0.5 for m in ALL]) for d in FOUR}
    columns = [np.ones(15), *half.values(), *(half[a] * half[b] for a, b in itertools.combinations(FOUR, 2))]
    theirs = OLS([d.mean() for d in diffs], np.array(columns).T).fit()
    assert [e.interval.estimate for e in found.effects] == pytest.approx(theirs.params[1:].tolist(), rel=1e-9)
    assert found.order == 2
    assert [e.name for e in found.effects][:5] == ["chat", "code", "maths", "truth", "chat x code"]
    assert found.observed == pytest.approx([d.mean() for d in diffs])


def test_every_effect_has_the_interval_of_its_weights():
    diffs = measured(ALL, MAIN, seed=2, noise=0.3)
    for level in (0.95, 0.8):
        for e in factorial(ALL, diffs, np.arange(10) % 5, pooled=(0.2, 9.0), level=level).effects:
            assert e.interval == combine(diffs, e.weights, np.arange(10) % 5, pooled=(0.2, 9.0), level=level)


@pytest.mark.parametrize("seeds", [[3] * 15, [2, 3, 4, 1, 5] * 3])
@pytest.mark.parametrize("order", [1, 2])
def test_lack_of_fit_equals_the_nested_f_test_of_statsmodels(order, seeds):
    diffs = measured(ALL, MAIN, seed=3, noise=0.3, seeds=seeds)
    means = [d.mean(1) for d in diffs]
    y, cell = np.concatenate(means), np.repeat(np.arange(15), [len(m) for m in means])
    matrix, _ = _design_matrix(ALL, order=order)
    f, p, df = OLS(y, np.eye(15)[cell]).fit().compare_f_test(OLS(y, matrix[cell]).fit())
    found = factorial(ALL, diffs, np.arange(10), order=order).lack_of_fit
    assert (found.f, found.p, found.df_model) == pytest.approx((f, p, df), rel=1e-7)
    assert found.df_seeds == len(y) - 15


def test_a_design_matrix_is_half_an_indicator_and_its_products_as_numpys_kron_gives_them():
    """A full two-level design in standard order is a Kronecker power."""
    matrix, columns = _design_matrix(ALL, order=4 - 1)
    cell, factor = np.array([[1, -0.5], [1, 0.5]]), {}
    power = np.kron(np.kron(cell, cell), np.kron(cell, cell))
    members = list(itertools.product([0, 1], repeat=4))
    for j, bits in enumerate(members):
        factor[tuple(d for d, b in zip(FOUR, bits, strict=True) if b)] = j
    rows = [members.index(tuple(int(d in m) for d in FOUR)) for m in ALL]
    assert matrix == pytest.approx(power[np.ix_(rows, [factor[c] for c in columns])])


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(st.sampled_from(FOUR), st.floats(-1, 1), min_size=4), st.floats(-1, 1))
def test_planted_effects_come_back_an_interaction_also_as_half_of_itself_in_its_main_effects(main, extra):
    found = {e.domains: e.interval.estimate for e in factorial(ALL, measured(ALL, main, {("chat", "maths"): extra}), np.arange(10)).effects}
    for d in FOUR:
        # Including chat adds its own and, in the half of the mixes with maths, the extra.
        assert found[(d,)] == pytest.approx(main[d] + (extra / 2 if d in ("chat", "maths") else 0), abs=1e-9)
    for pair in itertools.combinations(FOUR, 2):
        assert found[pair] == pytest.approx(extra if pair == ("chat", "maths") else 0, abs=1e-9)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), order=st.sampled_from([1, 2]))
def test_the_order_of_mixes_does_not_matter_and_columns_identify(seed, order):
    turn = np.random.default_rng(seed).permutation(15)
    matrix, columns = _design_matrix(ALL, order=order)
    turned, same = _design_matrix([ALL[i] for i in turn], order=order)
    assert columns == same and (matrix[turn] == turned).all()
    assert np.linalg.matrix_rank(matrix) == matrix.shape[1] == len(columns)
    diffs = measured(ALL, MAIN, seed=seed, noise=0.2)
    a, b = factorial(ALL, diffs, np.arange(10)), factorial([ALL[i] for i in turn], [diffs[i] for i in turn], np.arange(10))
    assert [e.interval.lower for e in a.effects] == pytest.approx([e.interval.lower for e in b.effects])


def test_a_left_out_interaction_shows_as_lack_of_fit_and_seeds_alone_do_not():
    without = measured(ALL, MAIN, seed=4, noise=0.02)
    planted = measured(ALL, MAIN, {("chat", "maths"): 0.3}, seed=4, noise=0.02)
    cluster = np.arange(10)
    assert factorial(ALL, planted, cluster, order=1).lack_of_fit.p < 1e-6
    assert factorial(ALL, planted, cluster, order=2).lack_of_fit.p > 0.01
    assert factorial(ALL, without, cluster, order=1).lack_of_fit.p > 0.01


def test_lack_of_fit_is_unknown_without_spare_mixes_or_seeds():
    saturated = factorial(["a", "b", ["a", "b"]], [np.ones((2, 3))] * 3, np.arange(3), order=1).lack_of_fit
    assert (saturated.df_model, saturated.df_seeds) == (0, 3) and np.isnan([saturated.f, saturated.p]).all()
    one = factorial(ALL, measured(ALL, MAIN, noise=0.1, seeds=1), np.arange(10)).lack_of_fit
    assert (one.df_model, one.df_seeds) == (4, 0) and np.isnan([one.f, one.p]).all()
    still = factorial(ALL, [np.ones((2, 3))] * 15, np.arange(3)).lack_of_fit
    assert np.isnan([still.f, still.p]).all()


def test_a_subset_that_identifies_the_model_is_enough_and_seeds_without_items_do_not_count():
    some = [m for m in ALL if len(m) <= 2] + [frozenset(FOUR)]
    diffs = measured(some, MAIN, seed=5)
    padded = [np.vstack([d, np.full(10, np.nan)]) for d in diffs]
    a, b = factorial(some, diffs, np.arange(10)), factorial(some, padded, np.arange(10))
    assert a.effects == b.effects and a.observed == b.observed and a.lack_of_fit.df_model == 0
    assert [e.interval.estimate for e in a.effects[:4]] == pytest.approx([MAIN[d] for d in FOUR])


@pytest.mark.parametrize(
    ("mixes", "order", "message"),
    [
        (["a", "b", ["a", "b"]], 2, r"3 mixes tell 3 effects, the model has 4; indistinguishable: the mean, a, b, a x b\. Train more"),
        (["a", "b", ["a", "b", "c"], ["b", "c"], ["a", "c"], "c", ["a", "b"]], 3, "7 mixes tell 7 effects, the model has 8"),
        (["a", []], 1, "^mixes: one is empty; the base model is not a mix"),
        (["a", "b", ["b"]], 1, "^mixes: b is given twice"),
        ([["b", "a"], ["a", "b"]], 1, r"^mixes: a \+ b is given twice"),
        (["a", "b"], 3, "^order: 3 is more than the 2 domains$"),
        (["a", "b"], 0, "^order: 0 must be a whole number of at least 1$"),
        ([["a", "b"], ["a", "b", "c"], "c"], 1, r"indistinguishable: a, b\."),
    ],
)
def test_mixes_that_do_not_identify_the_model_are_refused_with_the_reason(mixes, order, message):
    with pytest.raises(StatisticsError, match=message):
        _design_matrix(mixes, order=order)


def test_the_name_of_a_domain_alone_is_its_mix():
    assert _design_matrix(["maths", "truth", ["truth", "maths"]], order=1)[1] == [(), ("maths",), ("truth",)]


def test_mixes_without_measurements_are_refused():
    with pytest.raises(StatisticsError, match="^diffs: 1 entries for 3 mixes; one for each$"):
        factorial(["a", "b", ["a", "b"]], [np.ones((2, 3))], np.arange(3), order=1)
    with pytest.raises(StatisticsError, match=r"^diffs of the mix b: holds no known difference$"):
        factorial(["a", "b", ["a", "b"]], [np.ones((2, 3)), np.full((2, 3), np.nan), np.ones((2, 3))], np.arange(3), order=1)
