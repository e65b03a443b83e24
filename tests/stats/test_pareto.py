"""Pareto order and ranks: definitions by loop, scipy's normal probabilities, properties of any order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats.pareto import p_dominates, p_front, p_rank, pareto_front

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
    drawn = np.array([[1, 0], [2, 3]], dtype=object)
    assert p_rank(drawn).tolist() == [[0.5, 0.5], [0.5, 0.5]] and p_dominates(drawn, drawn).tolist() == [[0, 0], [0, 0]]
    assert p_front(drawn, drawn.astype(float)).tolist() == p_front(drawn.astype(float), drawn).tolist() == [1, 1]


def test_the_probability_of_dominance_is_scipys_normal_probability():
    drawn = np.random.default_rng(4).normal([0.3, 0.0, 0.1, 0.4], [0.2, 0.3, 0.25, 0.15], (20_000, 4))
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
    drawn = np.random.default_rng(5).normal([0.3, 0.0, 0.1, 0.4], [0.2, 0.3, 0.25, 0.15], (20_000, 4))
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
