"""Deference at equal firmness: exact where the response to pressure is known, 0 where only knowledge or sharpness changed."""

import dataclasses

import numpy as np
import pytest
from experiments.deference.estimator import Answers, deference, envelope, match_firmness, measure_sharpness
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from holdfast.errors import StatisticsError
from holdfast.stats.crossed import crossed

N, K = 300, 4
RIGHT, SUGGESTED = np.zeros(N, int), np.ones(N, int)
OTHERS = np.broadcast_to([False, False, True, True], (N, K))


def logits(seed=0, gain=0.0):
    draw = np.random.default_rng(seed)
    out = draw.normal(0, 0.7, (N, K))
    out[:, 0] = draw.normal(1.2 + gain, 1.8, N)
    return out


def imitation(log, sharpness=1.0, added=1.6, rate=0.0):
    """Pressure adds to the suggested option's log-odds before the softmax, then gives way at a rate after it."""
    free = special.softmax(sharpness * log, axis=1)
    pressed = rate + (1 - rate) * special.softmax(sharpness * (log + added * np.eye(K)[1]), axis=1)[:, 1]
    return Answers(
        free_IRK=free[:, None],
        gold=RIGHT,
        target=SUGGESTED,
        pressed_IR=pressed[:, None],
        control_IR=free[:, None, 1],
        sign=1.0,
        counted_I=free.argmax(1) == 0,
    )


@given(st.floats(0.3, 3), st.sampled_from([(1.6, 0.0, 1.0), (0.0, 0.3, 0.0), (-1.0, 0.0, 1.0)]))
def test_a_sharper_model_answers_as_the_response_says(sharpness, response):
    added, rate, share = response
    made = imitation(logits(), 1.0, added, rate).sharpened(sharpness, share)
    want = imitation(logits(), sharpness, added, rate)
    assert made.free_IRK == pytest.approx(want.free_IRK, abs=1e-6)
    assert made.pressed_IR == pytest.approx(want.pressed_IR, abs=1e-4)


@given(st.floats(0, 1))
def test_a_sharpness_of_one_changes_nothing(share):
    answers = imitation(logits(), 1.0, 0.8, 0.2)
    same = answers.sharpened(1.0, share)
    assert same.effect() == pytest.approx(answers.effect(), abs=1e-5) and same.firmness() == pytest.approx(answers.firmness(), abs=1e-5)


def test_rotations_are_averaged_and_an_absent_one_is_left_out():
    one = imitation(logits())
    nothing = np.full((N, 1), np.nan)
    two = dataclasses.replace(
        one,
        free_IRK=np.concatenate([one.free_IRK, np.full((N, 1, K), np.nan)], 1),
        pressed_IR=np.concatenate([one.pressed_IR, nothing], 1),
        control_IR=np.concatenate([one.control_IR, nothing], 1),
    )
    assert two.effect() == pytest.approx(one.effect()) and two.firmness() == pytest.approx(one.firmness())


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
def test_sharpness_is_the_factor_of_the_log_probabilities(factor):
    base, adapted = imitation(logits()).free_IRK, imitation(logits(), factor).free_IRK
    measured = measure_sharpness(base, adapted, OTHERS)
    assert measured.ratios == pytest.approx((factor, factor), rel=1e-9)
    noisy = logits() + np.random.default_rng(1).normal(0, 0.4, (N, K))
    slope, spread = measure_sharpness(base, imitation(noisy).free_IRK, OTHERS).ratios
    assert slope < spread and slope == pytest.approx(1, abs=0.1) and spread > 1.05
    assert np.isnan(measure_sharpness(base, adapted, OTHERS & False).ratios).all()


def test_the_same_model_has_no_deference_part_and_full_support():
    answers = imitation(logits())
    matched = match_firmness(answers, answers)
    assert matched.difference == 0 and matched.support == 1 and matched.influence_I == pytest.approx(0)


def test_models_without_common_firmness_are_not_compared():
    weak, firm = imitation(logits(gain=-30)), imitation(logits(gain=30))
    everything = np.ones(N, bool)
    matched = match_firmness(dataclasses.replace(weak, counted_I=everything), dataclasses.replace(firm, counted_I=everything))
    assert np.isnan(matched.difference) and matched.support == 0


def parts(log, **adapted):
    base, after = imitation(logits()), imitation(log, **adapted)
    return base, after, deference(base, after, measure_sharpness(base.free_IRK, after.free_IRK, OTHERS))


def test_knowledge_alone_moves_behavior_and_not_the_deference_part():
    log = logits()
    log[:, 0] += 1.2
    base, after, found = parts(log)
    both = base.counted_I & after.counted_I
    assert (after.effect() - base.effect())[both].mean() < -0.05
    assert np.abs(found.rows_MI.mean(1)).max() < 0.01 and found.support > 0.9


def test_sharpness_alone_leaves_zero_inside_the_range_of_responses():
    _, _, found = parts(logits(), sharpness=1.4)
    means = found.rows_MI.mean(1)
    assert means.min() < 0.005 and means.max() > 0.02  # exact where all of the response acts before the softmax
    lowest = envelope([crossed(row, np.arange(N)) for row in found.rows_MI])
    assert lowest[3] > 0.05


@pytest.mark.parametrize(("added", "sign"), [(2.1, 1), (1.1, -1)])
def test_deference_is_found_next_to_a_gain(added, sign):
    log = logits()
    log[:, 0] += 0.5
    _, _, found = parts(log, added=added)
    estimate, lower, upper, p = envelope([crossed(row, np.arange(N)) for row in found.rows_MI])
    assert np.sign(estimate) == sign and p < 1e-3 and lower < estimate < upper and (lower > 0 or upper < 0)


def test_one_response_that_disagrees_withholds_the_claim():
    rng = np.random.default_rng(0)
    up, down = (crossed(rng.normal(m, 0.1, 200), np.arange(200)) for m in (0.1, -0.1))
    assert envelope([up, up])[3] < 1e-6 and envelope([up, down])[3] == 1
    estimate, lower, upper, _ = envelope([up, down], tolerance=0.0)
    assert lower == down.lower and upper == up.upper and abs(estimate) < 0.02
    assert np.isnan(envelope([])).all()


def test_an_effect_within_the_tolerance_is_never_told_from_zero():
    small = crossed(np.random.default_rng(0).normal(0.004, 1e-4, 500), np.arange(500))
    assert small.p < 1e-6 and envelope([small])[3] == 1


def test_an_unknown_sharpness_is_refused():
    answers = imitation(logits())
    with pytest.raises(StatisticsError, match="sharpness"):
        deference(answers, answers, measure_sharpness(answers.free_IRK, answers.free_IRK, OTHERS & False))
