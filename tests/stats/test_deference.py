"""Deference at equal firmness: exact where the response to pressure is known, 0 where only knowledge or sharpness changed."""

import dataclasses

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from holdfast.errors import StatisticsError
from holdfast.stats.crossed import crossed
from holdfast.stats.deference import NUM_STRATA, Answers, Held, deference, envelope, measure_sharpness
from holdfast.stats.deference import match_firmness as match_held

N, K = 300, 4


def match_firmness(base: Answers, adapted: Answers):
    return match_held(Held.of(base), Held.of(adapted))


def logits(seed=0, gain=0.0):
    draw = np.random.default_rng(seed)
    out = draw.normal(0, 0.7, (N, K))
    out[:, 0] = draw.normal(1.2 + gain, 1.8, N)
    return out


def imitation(log, sharpness=1.0, added=1.6, rate=0.0):
    """Pressure adds to the suggested option's log-odds before the softmax, then gives way at a rate after it."""
    free = special.log_softmax(sharpness * log, axis=1)
    pressed = rate + (1 - rate) * special.softmax(sharpness * (log + added * np.eye(K)[1]), axis=1)[:, 1]
    return Answers(log_IK=free, target=1, pressed_I=pressed, control_I=np.exp(free[:, 1]), sign=1.0, counted_I=free.argmax(1) == 0)


@pytest.mark.slow
@given(st.floats(0.3, 3), st.sampled_from([(1.6, 0.0, 1.0), (0.0, 0.3, 0.0), (-1.0, 0.0, 1.0)]))
def test_a_sharper_model_answers_as_the_response_says(sharpness, response):
    added, rate, share = response
    made = imitation(logits(), 1.0, added, rate).sharpened(sharpness, share)
    want = imitation(logits(), sharpness, added, rate)
    assert np.exp(made.log_IK) == pytest.approx(np.exp(want.log_IK), abs=1e-6)
    assert made.pressed_I == pytest.approx(want.pressed_I, abs=1e-4)


@given(st.floats(0, 1))
def test_a_sharpness_of_one_changes_nothing(share):
    answers = imitation(logits(), 1.0, 0.8, 0.2)
    same = answers.sharpened(1.0, share)
    assert same.effect() == pytest.approx(answers.effect(), abs=1e-5) and same.firmness() == pytest.approx(answers.firmness(), abs=1e-5)


def test_an_option_that_an_item_lacks_plays_no_part():
    log = logits()
    fewer = special.log_softmax(log[:, :3], axis=1)
    padded = np.hstack([fewer, np.full((N, 1), -np.inf)])
    one, two = (dataclasses.replace(imitation(log), log_IK=x).sharpened(1.4, 0.5) for x in (fewer, padded))
    assert two.log_IK[:, :3] == pytest.approx(one.log_IK) and np.isneginf(two.log_IK[:, 3]).all()
    assert two.pressed_I == pytest.approx(one.pressed_I)


@pytest.mark.parametrize("factor", [0.7, 1.0, 1.4])
def test_sharpness_is_the_slope_of_statsmodels_least_squares_and_the_ratio_of_numpys_deviations(factor):
    base, adapted = imitation(logits()).log_IK, imitation(logits(), factor).log_IK
    measured = measure_sharpness(base, adapted)
    assert measured.ratios == pytest.approx((factor, factor), rel=1e-9) and measured.usable_I.all()
    noisy = imitation(logits() + np.random.default_rng(1).normal(0, 0.4, (N, K))).log_IK
    slope, spread = measure_sharpness(base, noisy).ratios
    a, b = (x[:, 2:] - x[:, 2:].mean(1, keepdims=True) for x in (base, noisy))
    assert slope == pytest.approx(sm.OLS(b.ravel(), a.ravel()).fit().params[0]) and spread == pytest.approx(b.std() / a.std())
    assert slope < spread and spread > 1.05
    assert np.isnan(measure_sharpness(base[:, :3], adapted[:, :3]).ratios).all()


@given(st.floats(0.2, 5), st.floats(-3, 3))
def test_sharpness_scales_with_the_log_probabilities_and_does_not_see_the_right_and_the_suggested_option(factor, moved):
    base = logits()
    adapted = base + 0.3 * logits(1)
    once = measure_sharpness(base, adapted)
    adapted[:, :2] += moved
    again = measure_sharpness(base, factor * adapted)
    assert again.ratios == pytest.approx([factor * r for r in once.ratios])
    assert again.influence_I == pytest.approx(once.influence_I) and again.influence_I.sum() == pytest.approx(0, abs=1e-12)


def test_the_same_model_has_no_deference_part_and_full_support():
    answers = imitation(logits())
    matched = match_firmness(answers, answers)
    assert matched.difference == 0 and matched.support == 1 and matched.influence_I == pytest.approx(0)


def test_the_matched_difference_is_that_of_statsmodels_regressions_within_strata():
    base, adapted = imitation(logits()), imitation(logits(1), added=2.0)
    assert match_firmness(base, adapted).difference == pytest.approx(_by_statsmodels(base, adapted))


def _by_statsmodels(base, adapted):
    """Gap of two models at equal firmness: least squares with a common slope in each tenth of firmness."""
    ub, ua = (x.firmness()[x.counted_I] for x in (base, adapted))
    eb, ea = (x.effect()[x.counted_I] for x in (base, adapted))
    u, e = np.r_[ub, ua], np.r_[eb, ea]
    which, stratum = np.r_[np.zeros(len(ub)), np.ones(len(ua))], np.digitize(u, np.quantile(u, np.linspace(0, 1, NUM_STRATA + 1)[1:-1]))
    gaps, sizes = [], []
    for k in range(NUM_STRATA):
        here = stratum == k
        fit = sm.OLS(e[here], np.column_stack([np.ones(here.sum()), which[here], u[here]])).fit()
        gaps.append(fit.params[1])
        sizes.append(here.sum())
    return np.average(gaps, weights=sizes)


@given(st.permutations(range(40)), st.floats(0.1, 3))
def test_a_matched_difference_turns_with_the_models_and_does_not_see_the_order_of_items(order, unit):
    rng = np.random.default_rng(0)

    def made(seed):
        log = special.log_softmax(np.random.default_rng(seed).normal(0, 1, (40, K)) + [1.5, 0, 0, 0], axis=1)
        pressed = rng.uniform(0.2, 0.6, 40)
        return Answers(log_IK=log, target=1, pressed_I=pressed, control_I=np.zeros(40), sign=1.0, counted_I=np.ones(40, bool))

    a, b = made(1), made(2)
    there = match_firmness(a, b)
    assert match_firmness(b, a).difference == pytest.approx(-there.difference)
    assert there.influence_I.sum() == pytest.approx(0, abs=1e-12)
    moved = [dataclasses.replace(x, log_IK=x.log_IK[order], pressed_I=unit * x.pressed_I[order]) for x in (a, b)]
    assert match_firmness(*moved).difference == pytest.approx(unit * there.difference)


def test_a_deference_part_is_the_matched_difference_of_statsmodels_to_a_base_that_was_sharpened():
    base, after = imitation(logits()), imitation(logits() + 0.4 * logits(1), sharpness=1.3)
    sharpness = measure_sharpness(base.log_IK, after.log_IK)
    rows = deference(base, after, sharpness, shares=(1.0,)).rows_MI
    assert len(rows) == 2
    for row, ratio in zip(rows, sharpness.ratios, strict=True):
        assert np.nanmean(row) == pytest.approx(_by_statsmodels(base.sharpened(ratio, 1.0), after))


def test_the_influence_is_the_derivative_of_the_difference_by_the_weight_of_an_item():
    base, adapted = imitation(logits()), imitation(logits(1), added=2.0)
    matched, item = match_firmness(base, adapted), int(np.flatnonzero(base.counted_I & adapted.counted_I)[0])
    twice = np.r_[np.arange(N), item]
    heavier = match_firmness(*(_taken(x, twice) for x in (base, adapted)))
    assert heavier.difference - matched.difference == pytest.approx(matched.influence_I[item], abs=3e-4)


def _taken(answers, items):
    columns = {n: getattr(answers, n)[items] for n in ("log_IK", "pressed_I", "control_I", "counted_I")}
    return dataclasses.replace(answers, **columns)


def test_models_without_common_firmness_are_not_compared():
    weak, firm = imitation(logits(gain=-30)), imitation(logits(gain=30))
    everything = np.ones(N, bool)
    matched = match_firmness(dataclasses.replace(weak, counted_I=everything), dataclasses.replace(firm, counted_I=everything))
    assert np.isnan(matched.difference) and matched.support == 0


def parts(log, **adapted):
    base, after = imitation(logits()), imitation(log, **adapted)
    return base, after, deference(base, after, measure_sharpness(base.log_IK, after.log_IK))


def test_knowledge_alone_moves_behaviour_and_not_the_deference_part():
    log = logits()
    log[:, 0] += 1.2
    base, after, found = parts(log)
    both = base.counted_I & after.counted_I
    assert (after.effect() - base.effect())[both].mean() < -0.05
    assert np.abs(np.nanmean(found.rows_MI, 1)).max() < 0.01 and found.support > 0.9


def test_sharpness_alone_leaves_zero_inside_the_range_of_responses():
    _, _, found = parts(logits(), sharpness=1.4)
    means = np.nanmean(found.rows_MI, 1)
    assert means.min() < 0.005 and means.max() > 0.02  # exact where all of the response acts before the softmax
    assert envelope([crossed(row, np.arange(N)) for row in found.rows_MI]).p > 0.05


@pytest.mark.parametrize(("added", "sign"), [(2.1, 1), (1.1, -1)])
def test_deference_is_found_next_to_a_gain(added, sign):
    log = logits()
    log[:, 0] += 0.5
    _, _, found = parts(log, added=added)
    whole = envelope([crossed(row, np.arange(N)) for row in found.rows_MI])
    assert np.sign(whole.estimate) == sign and whole.p < 1e-3 and whole.lower < whole.estimate < whole.upper
    assert whole.lower > 0 or whole.upper < 0


def test_sharpness_of_other_items_gives_the_same_difference_and_adds_its_own_error():
    base, after = imitation(logits()), imitation(logits() + 0.4 * logits(1), sharpness=1.4)
    sharpness = measure_sharpness(base.log_IK, after.log_IK)
    own, other = deference(base, after, sharpness), deference(base, after, sharpness, own_items=False)
    assert other.rows_MI.shape[1] == 2 * N and np.nanmean(other.rows_MI, 1) == pytest.approx(np.nanmean(own.rows_MI, 1))
    lone = deference(base, after, dataclasses.replace(sharpness, influence_I=np.zeros(N), usable_I=np.zeros(N, bool)))
    alone, both = ([crossed(row, np.arange(len(row))).se ** 2 for row in x.rows_MI] for x in (lone, other))
    moved = dataclasses.replace(sharpness, influence_I=10 * sharpness.influence_I)
    more = [crossed(row, np.arange(len(row))).se ** 2 for row in deference(base, after, moved, own_items=False).rows_MI]
    assert np.subtract(more, alone) == pytest.approx(100 * np.subtract(both, alone), rel=0.2, abs=1e-8) and max(more) > max(alone)


def test_an_envelope_of_one_is_scipys_t_test_against_the_tolerance():
    interval = crossed(np.random.default_rng(0).normal(0.04, 0.2, 200), np.arange(200))
    assert envelope([interval], 0.0) == interval
    widened = envelope([interval], 0.01)
    assert widened.p == pytest.approx(2 * special.stdtr(interval.df, -(interval.estimate - 0.01) / interval.se))
    assert (widened.lower, widened.upper) == pytest.approx((interval.lower - 0.01, interval.upper + 0.01))


@given(st.lists(st.tuples(st.floats(-0.1, 0.1), st.floats(0.001, 0.05)), min_size=1, max_size=6), st.floats(0, 0.01))
def test_an_envelope_holds_every_interval_and_claims_only_what_all_do(shapes, tolerance):
    draws = [crossed(mean + sd * np.resize([-1.0, 1.0], 60), np.arange(60)) for mean, sd in shapes]
    whole = envelope(draws, tolerance)
    assert all(whole.lower <= i.lower and i.upper <= whole.upper for i in draws)
    assert whole.p >= max(i.p for i in draws) - 1e-12 if len({i.estimate > 0 for i in draws}) == 1 else whole.p == 1


@pytest.mark.slow
@given(st.floats(0.5, 2))
def test_deference_is_nothing_of_a_model_that_is_only_sharper_if_all_pressure_acts_before_the_softmax(sharpness):
    base, after = imitation(logits()), imitation(logits(), sharpness)
    found = deference(base, after, measure_sharpness(base.log_IK, after.log_IK), shares=(1.0,))
    assert np.nanmean(found.rows_MI, 1) == pytest.approx(0, abs=5e-3)


def test_one_response_that_disagrees_withholds_the_claim():
    rng = np.random.default_rng(0)
    up, down = (crossed(rng.normal(m, 0.1, 200), np.arange(200)) for m in (0.1, -0.1))
    assert envelope([up, up]).p < 1e-6 and envelope([up, down]).p == 1
    both = envelope([up, down], tolerance=0.0)
    assert both.lower == down.lower and both.upper == up.upper and abs(both.estimate) < 0.02
    with pytest.raises(StatisticsError, match="intervals"):
        envelope([])


def test_an_effect_within_the_tolerance_is_never_told_from_zero():
    small = crossed(np.random.default_rng(0).normal(0.004, 1e-4, 500), np.arange(500))
    assert small.p < 1e-6 and envelope([small]).p == 1


def test_an_unknown_sharpness_is_refused():
    answers = imitation(logits())
    with pytest.raises(StatisticsError, match="sharpness"):
        deference(answers, answers, measure_sharpness(answers.log_IK[:, :3], answers.log_IK[:, :3]))
