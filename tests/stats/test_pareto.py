"""Pareto order and ranks: definitions by loop, scipy's normal probabilities, properties of any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats.pareto import joint_draws, p_dominates, p_front, p_rank, pareto_front

points = st.lists(st.tuples(st.integers(-2, 2), st.integers(-2, 2)), min_size=1, max_size=8)


def front_by_loop(gain, shift):
    beaten = lambda i: any(  # noqa: E731
        g >= gain[i] and s <= shift[i] and (g, s) != (gain[i], shift[i]) for g, s in zip(gain, shift, strict=True)
    )
    return [not beaten(i) for i in range(len(gain))]


def test_the_front_is_the_staircase_of_running_minima_in_scipys_order_of_gain():
    rng = np.random.default_rng(0)
    gain, shift = rng.normal(size=(2, 50))
    order = 50 - stats.rankdata(gain, method="ordinal").astype(int)
    by_gain = np.argsort(order)
    best = np.minimum.accumulate(shift[by_gain])
    expected = np.zeros(50, dtype=bool)
    expected[by_gain[shift[by_gain] == best]] = True
    assert pareto_front(gain, shift).tolist() == expected.tolist()


@settings(max_examples=60, deadline=None)
@given(points)
def test_the_front_is_never_empty_equals_stand_together_and_the_loop_agrees(found):
    gain, shift = np.array(found, dtype=float).T
    front = pareto_front(gain, shift)
    assert front.any() and front.tolist() == front_by_loop(gain.tolist(), shift.tolist())
    assert pareto_front(np.append(gain, gain), np.append(shift, shift)).tolist() == [*front, *front]


def test_an_unknown_adapter_is_not_on_the_front_and_beats_nobody():
    assert pareto_front([1, 2, np.nan, 3], [1, 2, -9, np.nan]).tolist() == [True, True, False, False]
    with pytest.raises(StatisticsError, match="^shift_A: 1 entries, 2 needed$"):
        pareto_front([1, 2], [1])
    with pytest.raises(StatisticsError, match="^gain_A: holds something that is not a number$"):
        pareto_front(["a"], [1])


def test_numbers_may_come_as_any_list_of_numbers():
    assert joint_draws([0], np.array([1], dtype=object), np.random.default_rng(0), num_draws=2).dtype == float
    drawn = np.array([[1, 0], [2, 3]], dtype=object)
    assert p_rank(drawn).tolist() == [[0.5, 0.5], [0.5, 0.5]] and p_dominates(drawn, drawn).tolist() == [[0, 0], [0, 0]]
    assert p_front(drawn, drawn.astype(float)).tolist() == p_front(drawn.astype(float), drawn).tolist() == [1, 1]


def test_draws_have_the_distribution_scipy_gives_for_mean_and_covariance():
    mean, covariance = np.array([1.0, -2.0, 0.5]), np.array([[2.0, 0.8, 0.0], [0.8, 1.0, -0.3], [0.0, -0.3, 0.5]])
    drawn = joint_draws(mean, covariance, np.random.default_rng(1), num_draws=4000)
    assert drawn.shape == (4000, 3)
    chi2 = stats.Covariance.from_precision(np.linalg.inv(covariance), covariance).whiten(drawn - mean)
    assert stats.kstest((chi2**2).sum(1), stats.chi2(3).cdf).pvalue > 0.01
    assert np.cov(drawn.T) == pytest.approx(covariance, abs=0.12) and drawn.mean(0) == pytest.approx(mean, abs=0.1)
    for k, p in enumerate(mean):
        assert stats.kstest(drawn[:, k], stats.norm(p, np.sqrt(covariance[k, k])).cdf).pvalue > 0.01
    assert joint_draws(mean, covariance, np.random.default_rng(1)).shape == (10_000, 3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), se=st.lists(st.floats(0, 3), min_size=1, max_size=4))
def test_draws_are_the_generators_alone_and_errors_are_a_diagonal_covariance(seed, se):
    mean = np.arange(len(se), dtype=float)
    a = joint_draws(mean, se, np.random.default_rng(seed), num_draws=20)
    b = joint_draws(mean, np.diag(np.square(se)), np.random.default_rng(seed), num_draws=20)
    assert a == pytest.approx(b, abs=1e-7)
    assert (a == mean + np.random.default_rng(seed).standard_normal((20, len(se))) * se).all()
    assert (b == joint_draws(mean, np.diag(np.square(se)), np.random.default_rng(seed), num_draws=20)).all()


def test_a_singular_covariance_is_drawn_and_what_is_none_is_refused():
    twin = joint_draws([0, 0], [[1, 1], [1, 1]], np.random.default_rng(2), num_draws=50)
    assert twin[:, 0] == pytest.approx(twin[:, 1], abs=1e-7) and twin.std() > 0.5
    assert (joint_draws([1, 2], np.zeros((2, 2)), np.random.default_rng(2), num_draws=3) == [1, 2]).all()
    rng = np.random.default_rng(3)
    for spread, message in (
        ([[1e-6, 5e-7], [4e-7, 1e-6]], "^spread: a covariance must be symmetric$"),
        ([[1e-6, 2e-6], [2e-6, 1e-6]], "^spread: no covariance, its smallest eigenvalue is -1e-06$"),
        ([[1, 0.5], [0.4, 1]], "^spread: a covariance must be symmetric$"),
        ([[1, 2], [2, 1]], "^spread: no covariance, its smallest eigenvalue is -1$"),
        ([1, -0.5], "^spread: standard error -0.5 is negative$"),
        ([1, 1, 1], r"^spread: shape \(3,\); \(2,\) standard errors or a 2 x 2 covariance$"),
        ([1, np.nan], "^mean_V, spread: an unknown value cannot be drawn; leave that adapter out$"),
        ([1, np.inf], "^mean_V, spread: an unknown value"),
    ):
        with pytest.raises(StatisticsError, match=message):
            joint_draws([0, 0], spread, rng)
    with pytest.raises(StatisticsError, match="^mean_V, spread: an unknown value"):
        joint_draws([0, np.nan], [1, 1], rng)
    with pytest.raises(StatisticsError, match="^mean_V: 2 axes"):
        joint_draws([[0]], [1], rng)
    with pytest.raises(StatisticsError, match="^num_draws: 0 must be a whole number of at least 1$"):
        joint_draws([0], [1], rng, num_draws=0)
    assert joint_draws([0], [1], rng, num_draws=1).shape == (1, 1)


def test_the_probability_of_dominance_is_scipys_normal_probability():
    drawn = joint_draws([0.3, 0.0, 0.1, 0.4], [0.2, 0.3, 0.25, 0.15], np.random.default_rng(4), num_draws=20_000)
    found = p_dominates(drawn[:, :2], drawn[:, 2:])
    gain = stats.norm.cdf(0.3 / np.hypot(0.2, 0.3))
    shift = stats.norm.cdf(0.3 / np.hypot(0.25, 0.15))
    assert found[0, 1] == pytest.approx(gain * shift, abs=0.015) and found[1, 0] == pytest.approx((1 - gain) * (1 - shift), abs=0.015)
    assert found[0, 0] == found[1, 1] == 0


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), num=st.integers(1, 5))
def test_dominance_goes_one_way_and_turns_with_both_signs(seed, num):
    gain, shift = np.random.default_rng(seed).integers(-2, 3, (2, 30, num)).astype(float)
    found = p_dominates(gain, shift)
    assert (found + found.T <= 1 + 1e-12).all() and (np.diag(found) == 0).all()
    assert p_dominates(-gain, -shift) == pytest.approx(found.T)


def test_the_probability_of_the_front_is_the_share_of_draws_and_of_two_the_complement_of_scipys_dominance():
    drawn = joint_draws([0.3, 0.0, 0.1, 0.4], [0.2, 0.3, 0.25, 0.15], np.random.default_rng(5), num_draws=20_000)
    gain = stats.norm.cdf(0.3 / np.hypot(0.2, 0.3))
    shift = stats.norm.cdf(0.3 / np.hypot(0.25, 0.15))
    found = p_front(drawn[:, :2], drawn[:, 2:])
    assert found.tolist() == pytest.approx([1 - (1 - gain) * (1 - shift), 1 - gain * shift], abs=0.015)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), num=st.integers(1, 5))
def test_somebody_is_always_on_the_front_and_an_adapter_nobody_ever_beats_is_surely(seed, num):
    gain, shift = np.random.default_rng(seed).integers(-2, 3, (2, 30, num)).astype(float)
    found = p_front(gain, shift)
    assert found.sum() >= 1 - 1e-12 and ((0 <= found) & (found <= 1)).all()
    assert found == pytest.approx(np.mean([front_by_loop(g, s) for g, s in zip(gain.tolist(), shift.tolist(), strict=True)], axis=0))
    best = p_front(np.hstack([gain, np.full((30, 1), 9.0)]), np.hstack([shift, np.full((30, 1), -9.0)]))
    assert best.tolist() == [0.0] * num + [1.0]


def test_ranks_are_scipys_smallest_first():
    value = np.random.default_rng(6).normal(size=(500, 4))
    rank = stats.rankdata(value, axis=1, method="ordinal")
    expected = [[(rank[:, a] == k + 1).mean() for k in range(4)] for a in range(4)]
    assert p_rank(value) == pytest.approx(np.array(expected))


def test_tied_adapters_share_the_ranks_they_span():
    assert p_rank(np.array([[1.0, 0.0, 1.0, 5.0]])).tolist() == [[0, 0.5, 0.5, 0], [1, 0, 0, 0], [0, 0.5, 0.5, 0], [0, 0, 0, 1]]


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1000), num=st.integers(1, 5))
def test_ranks_and_adapters_are_shared_out_whole_and_turning_the_sign_turns_the_order(seed, num):
    value = np.random.default_rng(seed).integers(-2, 3, (30, num)).astype(float)
    found = p_rank(value)
    assert found.sum(0) == pytest.approx(np.ones(num)) and found.sum(1) == pytest.approx(np.ones(num))
    assert p_rank(-value) == pytest.approx(found[:, ::-1])


@pytest.mark.parametrize(
    ("gain", "shift", "message"),
    [
        (np.ones(3), np.ones(3), r"^draws: shapes \(3,\) and \(3,\); draws x adapters"),
        (np.ones((3, 2)), np.ones((3, 3)), r"^draws: shapes \(3, 2\) and \(3, 3\)"),
        (np.ones((0, 2)), np.ones((0, 2)), "^draws: shapes"),
        (np.full((3, 2), np.nan), np.ones((3, 2)), "^draws: hold an unknown value; leave that adapter out$"),
        (np.ones((3, 2)), np.full((3, 2), np.nan), "^draws: hold an unknown value"),
    ],
)
def test_draws_that_do_not_fit_are_refused(gain, shift, message):
    for function in (p_dominates, p_front):
        with pytest.raises(StatisticsError, match=message):
            function(gain, shift)
    with pytest.raises(StatisticsError, match="^draws: "):
        p_rank(np.array([[np.nan, 1.0]]))
