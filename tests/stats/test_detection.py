"""Signal detection: closed forms of scipy and statsmodels, linearity against the bootstrap, coverage."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.discrete.discrete_model import Probit

from holdfast.errors import StatisticsError
from holdfast.stats.crossed import crossed
from holdfast.stats.detection import _d_prime_and_criterion, detection, detection_shift

rates = st.floats(0.001, 0.999)


def z(p):
    return stats.norm.ppf(p)


def corrected(outcome):
    known = outcome[~np.isnan(outcome)]
    return (known.sum() + 0.5) / (len(known) + 1)


def asked(seed, num_items=200, hit=0.8, false=0.3):
    rng = np.random.default_rng(seed)
    return (rng.random(num_items) < hit).astype(float), (rng.random(num_items) < false).astype(float)


def test_d_prime_and_criterion_are_the_coefficients_of_statsmodels_probit():
    """P(yes) = Phi(-c + d' x), x = +1/2 for signal and -1/2 for noise."""
    hit, false = asked(0)
    signal = np.repeat([0.5, -0.5], 200)
    fit = Probit(np.concatenate([hit, false]), np.column_stack([signal, np.ones(400)])).fit(disp=0)
    assert _d_prime_and_criterion(hit.mean(), false.mean()) == pytest.approx((fit.params[0], -fit.params[1]), rel=1e-5)


@settings(max_examples=50, deadline=None)
@given(rates, rates)
def test_saying_the_opposite_mirrors_criterion_and_swapping_rates_mirrors_d_prime(h, f):
    d, c = _d_prime_and_criterion(h, f)
    assert _d_prime_and_criterion(1 - f, 1 - h) == pytest.approx((d, -c), abs=1e-9)
    assert _d_prime_and_criterion(f, h) == pytest.approx((-d, c), abs=1e-9)
    assert _d_prime_and_criterion(h, h)[0] == 0


def test_standard_errors_are_those_of_statsmodels_probit_for_independent_items():
    hit, false = asked(1, num_items=400)
    signal = np.repeat([0.5, -0.5], 400)
    fit = Probit(np.concatenate([hit, false]), np.column_stack([signal, np.ones(800)])).fit(disp=0)
    # Asked both ways in separate clusters: no covariance between H and F.
    found = detection(np.append(hit, np.full(400, np.nan)), np.append(np.full(400, np.nan), false), np.arange(800))
    assert found.d_prime.se == pytest.approx(fit.bse[0], rel=0.02) and found.criterion.se == pytest.approx(fit.bse[1], rel=0.02)
    assert found.d_prime.estimate == pytest.approx(fit.params[0], rel=0.02)
    assert found.num_missing == 800


def test_missing_outcomes_are_counted_and_an_item_missing_both_ways_is_no_item():
    hit, false = asked(10, num_items=40)
    hit[:3], false[2:7] = np.nan, np.nan
    found = detection(hit, false, np.arange(40) // 2)
    assert (found.hit_rate, found.false_alarm_rate) == pytest.approx((corrected(hit), corrected(false)))
    assert found.num_missing == 8
    assert (found.d_prime.n, found.d_prime.num_clusters, found.d_prime.level) == (39, 20, 0.95)


def test_rates_carry_hautus_correction_and_the_interval_its_definition():
    rng = np.random.default_rng(2)
    hit, false, cluster = rng.random(40), rng.random(40), np.arange(40) // 2
    hit[::2], false[1::2] = np.nan, np.nan
    found = detection(hit, false, cluster, level=0.9)
    h, f = corrected(hit), corrected(false)
    assert (found.hit_rate, found.false_alarm_rate) == pytest.approx((h, f))
    assert found.num_missing == 40
    assert found.d_prime.estimate == pytest.approx(z(h) - z(f)) and found.criterion.estimate == pytest.approx(-(z(h) + z(f)) / 2)
    pdf = stats.norm.pdf
    for interval, a, b in ((found.d_prime, 1, -1), (found.criterion, -0.5, -0.5)):
        variance = 0.0
        for k in range(20):
            part = a * np.nansum((hit - np.nanmean(hit))[cluster == k]) / 21 / pdf(z(h))
            part += b * np.nansum((false - np.nanmean(false))[cluster == k]) / 21 / pdf(z(f))
            variance += 20 / 19 * part**2
        variance += a**2 * 0.5 * ((1 - h) ** 2 + h**2) / 21**2 / pdf(z(h)) ** 2
        variance += b**2 * 0.5 * ((1 - f) ** 2 + f**2) / 21**2 / pdf(z(f)) ** 2
        assert interval.se == pytest.approx(np.sqrt(variance), rel=1e-9)
        assert interval.cluster_variance == pytest.approx(variance)
        half = stats.t.ppf(0.95, interval.df) * interval.se
        assert (interval.lower, interval.upper) == pytest.approx((interval.estimate - half, interval.estimate + half))
        assert (interval.num_clusters, interval.num_seeds, interval.n, interval.level) == (20, 1, 40, 0.9) and interval.df == pytest.approx(
            19
        )


def test_a_rate_of_one_or_zero_has_about_the_error_of_a_binomial_at_the_corrected_rate():
    found = detection(np.ones(40), np.append(np.ones(20), np.zeros(20)), np.arange(40))
    h, f = 40.5 / 41, 0.5
    expected = sum(p * (1 - p) / 40 / stats.norm.pdf(z(p)) ** 2 for p in (h, f))
    assert found.d_prime.se**2 == pytest.approx(expected, rel=0.1)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_swapping_hits_and_false_alarms_mirrors_d_prime_with_its_interval_and_keeps_criterion(seed):
    rng = np.random.default_rng(seed)
    hit, false, cluster = rng.random(30), rng.random(30), rng.integers(0, 8, 30)
    a, b = detection(hit, false, cluster), detection(false, hit, cluster)
    assert (b.d_prime.lower, b.d_prime.upper) == pytest.approx((-a.d_prime.upper, -a.d_prime.lower), abs=1e-9)
    assert (b.criterion.lower, b.criterion.upper) == pytest.approx((a.criterion.lower, a.criterion.upper), abs=1e-9)


def test_intervals_cover_when_items_share_stems():
    rng, hits, rounds = np.random.default_rng(3), np.zeros(2), 300
    cluster, truth = np.repeat(np.arange(60), 3), np.zeros(2)
    grid = (np.arange(20_000) + 0.5) / 20_000
    u = stats.norm.ppf(grid)
    truth[:] = _d_prime_and_criterion(stats.norm.cdf(0.8 + 0.7 * u).mean(), stats.norm.cdf(-0.5 + 0.7 * u).mean())
    for _ in range(rounds):
        stem = rng.normal(0, 0.7, 60)[cluster]
        hit = (rng.random(180) < stats.norm.cdf(0.8 + stem)).astype(float)
        false = (rng.random(180) < stats.norm.cdf(-0.5 + stem)).astype(float)
        found = detection(hit, false, cluster)
        hits += [i.lower <= t <= i.upper for i, t in zip((found.d_prime, found.criterion), truth, strict=True)]
    assert ((0.915 <= hits / rounds) & (hits / rounds <= 0.99)).all()


def study(seed, seeds=4, num_items=120):
    rng = np.random.default_rng(seed)
    easy = rng.normal(0, 0.1, num_items)
    make = lambda p, shape: np.clip(p + easy + rng.normal(0, 0.05, shape), 0.01, 0.99)  # noqa: E731
    return (
        make(0.8, (seeds, num_items)) + rng.normal(0, 0.002, (seeds, 1)),
        make(0.4, (seeds, num_items)),
        make(0.75, num_items),
        make(0.3, num_items),
    )


def test_shifts_of_seeds_are_differences_of_scipys_z_and_their_mean_is_the_estimate():
    hit, false, hit0, false0 = study(4)
    hit[0, :5], false[1, 3:9], hit0[7], false0[11:13] = np.nan, np.nan, np.nan, np.nan
    found = detection_shift(hit, false, hit0, false0, np.arange(120) // 2)
    d, c = [], []
    for h, f in zip(hit, false, strict=True):
        both_h, both_f = ~np.isnan(h + hit0), ~np.isnan(f + false0)
        now = z(corrected(h[both_h])), z(corrected(f[both_f]))
        base = z(corrected(hit0[both_h])), z(corrected(false0[both_f]))
        d.append(now[0] - now[1] - base[0] + base[1])
        c.append(-(now[0] + now[1] - base[0] - base[1]) / 2)
    assert found.d_prime.estimate == pytest.approx(np.mean(d)) and found.criterion.estimate == pytest.approx(np.mean(c))
    assert found.d_prime.seed_variance == pytest.approx(np.var(d, ddof=1))
    assert found.num_missing == (6 + 2) + (1 + 8) + 2 * (1 + 2) and not found.at_bound
    assert (found.d_prime.n, found.d_prime.num_clusters, found.d_prime.num_seeds) == (120, 60, 4)


def test_the_shift_interval_is_the_crossed_interval_of_its_tangent_over_items():
    """Where rates barely move z is a straight line: the shift of d' is that of the mean of h - f over its slope."""
    hit, false, hit0, false0 = 0.5 + 0.001 * np.random.default_rng(5).normal(size=(4, 5, 60))[:, :, :]
    hit0, false0 = hit0[0], false0[0]
    found = detection_shift(hit, false, hit0, false0, np.arange(60), level=0.9)
    slope = 60 / 61 / stats.norm.pdf(0)
    for interval, diff in ((found.d_prime, hit - false - hit0 + false0), (found.criterion, -(hit + false - hit0 - false0) / 2)):
        flat = crossed(slope * diff, np.arange(60), level=0.9)
        for name in ("estimate", "se", "df", "lower", "upper"):
            assert getattr(interval, name) == pytest.approx(getattr(flat, name), rel=1e-3), name


def test_the_shift_of_one_seed_has_the_spread_a_bootstrap_over_stems_gives():
    hit, false, hit0, false0 = study(6, seeds=1)
    cluster = np.arange(120) // 3
    found = detection_shift(hit, false, hit0, false0, cluster)
    rng, made = np.random.default_rng(0), []
    for _ in range(800):
        pick = (rng.integers(0, 40, 40)[:, None] * 3 + np.arange(3)).ravel()
        d = [_d_prime_and_criterion(corrected(h[pick]), corrected(f[pick])) for h, f in ((hit[0], false[0]), (hit0, false0))]
        made.append(np.subtract(*d))
    assert (found.d_prime.se, found.criterion.se) == pytest.approx(tuple(np.std(made, axis=0)), rel=0.1)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_an_adapter_that_answers_as_the_base_shifts_nothing_and_turning_the_models_round_mirrors(seed):
    hit, false, hit0, false0 = study(seed, seeds=1)
    same = detection_shift(hit0[None], false0[None], hit0, false0, np.arange(120))
    assert (same.d_prime.estimate, same.criterion.estimate, same.d_prime.se) == pytest.approx((0, 0, 0), abs=1e-12)
    there = detection_shift(hit, false, hit0, false0, np.arange(120))
    back = detection_shift(hit0[None], false0[None], hit[0], false[0], np.arange(120))
    for a, b in ((there.d_prime, back.d_prime), (there.criterion, back.criterion)):
        assert (a.lower, a.upper) == pytest.approx((-b.upper, -b.lower), abs=1e-9)


def test_a_pooled_seed_variance_and_a_single_row_are_taken():
    hit, false, hit0, false0 = study(7)
    pooled = detection_shift(hit, false, hit0, false0, np.arange(120), pooled=(2.0, 30.0))
    assert pooled.d_prime.se > np.sqrt(2 / 4)
    row = detection_shift(hit[0], false[0], hit0, false0, np.arange(120))
    two_axes = detection_shift(hit[:1], false[:1], hit0, false0, np.arange(120))
    assert row.d_prime.lower == two_axes.d_prime.lower and row.d_prime.num_seeds == 1


@pytest.mark.parametrize("which", [0, 1, 2, 3])
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_rate_at_its_bound_leaves_the_shift_and_no_limits(which, value):
    made = list(study(8))
    made[which] = made[which] * 0 + value
    found = detection_shift(*made, np.arange(120))
    assert found.at_bound and np.isfinite(found.d_prime.estimate) and np.isfinite(found.criterion.estimate)
    for e in (found.d_prime, found.criterion):
        assert np.isnan([e.se, e.lower, e.upper, e.p]).all() and e.num_seeds == 4


def test_input_without_rates_is_refused():
    hit, false, hit0, false0 = study(9)
    cluster = np.arange(120)
    with pytest.raises(StatisticsError, match=r"^hit_I: 2 lies outside \[0, 1\]$"):
        detection(hit0 * 0 + 2, false0, cluster)
    with pytest.raises(StatisticsError, match=r"^false_alarm_I: -1 lies outside \[0, 1\]$"):
        detection(hit0, false0 * 0 - 1, cluster)
    with pytest.raises(StatisticsError, match="^hit_I: holds no known outcome$"):
        detection(hit0 * np.nan, false0, cluster)
    with pytest.raises(StatisticsError, match="^false_alarm_I: holds no known outcome$"):
        detection(hit0, false0 * np.nan, cluster)
    with pytest.raises(StatisticsError, match="^false_alarm_I: 119 entries, 120 needed$"):
        detection(hit0, false0[1:], cluster)
    with pytest.raises(StatisticsError, match="^cluster_I: 119 entries for 120 items"):
        detection(hit0, false0, cluster[1:])
    with pytest.raises(StatisticsError, match="^level: "):
        detection(hit0, false0, cluster, level=1)
    with pytest.raises(StatisticsError, match="^level: "):
        detection_shift(hit, false, hit0, false0, cluster, level=0)
    with pytest.raises(StatisticsError, match=r"^false_alarm_SI: shape \(3, 120\), hit_SI has \(4, 120\)"):
        detection_shift(hit, false[1:], hit0, false0, cluster)
    with pytest.raises(StatisticsError, match="^base_hit_I: 119 entries, 120 needed$"):
        detection_shift(hit, false, hit0[1:], false0, cluster)
    with pytest.raises(StatisticsError, match="^base_false_alarm_I: 119 entries, 120 needed$"):
        detection_shift(hit, false, hit0, false0[1:], cluster)
    for k, name in enumerate(("hit_SI", "false_alarm_SI", "base_hit_I", "base_false_alarm_I")):
        bad = [hit, false, hit0, false0]
        bad[k] = bad[k] + 1
        with pytest.raises(StatisticsError, match=f"^{name}: .* lies outside"):
            detection_shift(*bad, cluster)
    with pytest.raises(StatisticsError, match="^hit_SI: holds no known outcome$"):
        detection_shift(hit * np.nan, false, hit0, false0, cluster)
    with pytest.raises(StatisticsError, match="^false_alarm_SI: holds no known outcome$"):
        detection_shift(hit, false * np.nan, hit0, false0, cluster)
