"""Correlation over mixes: scipy's r, ranks and permutations; York's line by direct minimization; the refusals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from holdfast.errors import StatisticsError
from holdfast.stats.correlation import _disattenuated, _errors_in_variables, _pearson, correlate


def mixes(seed, num=8, slope=0.5):
    rng = np.random.default_rng(seed)
    gain = rng.normal(0, 1, num)
    return gain, slope * gain + rng.normal(0, 0.7, num), rng.uniform(0.05, 0.3, num), rng.uniform(0.05, 0.3, num)


def rng():
    return np.random.default_rng(0)


def scipys_exact_p(x, y):
    size = lambda a, axis: np.round(np.abs((a * (y - y.mean())).sum(axis)), 9)  # noqa: E731
    return stats.permutation_test(
        (x,), size, permutation_type="pairings", vectorized=True, n_resamples=np.inf, alternative="greater"
    ).pvalue


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_eight_mixes_give_scipys_exact_permutation_p_values(seed):
    gain, shift, *errors = mixes(seed)
    found = correlate(gain, shift, *errors, rng())
    for r, p, theirs in (
        (found.pearson, found.p_pearson, stats.pearsonr(gain, shift).statistic),
        (found.spearman, found.p_spearman, stats.spearmanr(gain, shift).statistic),
    ):
        assert r == pytest.approx(theirs)
        x, y = (gain, shift) if theirs == stats.pearsonr(gain, shift).statistic else (stats.rankdata(gain), stats.rankdata(shift))
        assert p == pytest.approx(scipys_exact_p(x, y), rel=1e-9)
    assert found.exact is True and found.num_permutations == 40_320 and found.num_mixes == 8 and found.refused is None


def test_many_mixes_are_permuted_at_random_as_often_as_asked_from_the_generator():
    gain, shift, *errors = mixes(3, num=15)
    found = correlate(gain, shift, *errors, rng(), num_permutations=20_000)
    assert found.exact is False and found.num_permutations == 20_000
    assert found.p_pearson == pytest.approx(stats.pearsonr(gain, shift).pvalue, abs=0.02)
    assert found.p_spearman == pytest.approx(stats.spearmanr(gain, shift).pvalue, abs=0.02)
    assert found == correlate(gain, shift, *errors, rng(), num_permutations=20_000)
    # A perfect order is beaten by no permutation: one of 20 001.
    sure = correlate(gain, 2 * gain, *errors, rng(), num_permutations=20_000)
    assert sure.p_pearson == sure.p_spearman == pytest.approx(1 / 20_001)
    assert correlate(gain, shift, *errors, rng()).num_permutations == 50_000


def test_tied_ranks_count_as_ties():
    gain, shift, *errors = mixes(4)
    gain, shift = np.round(gain), np.round(shift)
    found = correlate(gain, shift, *errors, rng())
    assert found.spearman == pytest.approx(stats.spearmanr(gain, shift).statistic)
    x, y = stats.rankdata(gain), stats.rankdata(shift)
    assert found.p_spearman == pytest.approx(scipys_exact_p(x, y))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10))
def test_units_and_order_do_not_change_a_correlation_and_a_sign_turns_it(seed, scale):
    gain, shift, gain_se, shift_se = mixes(seed, num=9)
    order = np.random.default_rng(seed).permutation(9)
    a = correlate(gain, shift, gain_se, shift_se, rng(), num_permutations=500)
    b = correlate(-scale * gain + 1, shift, scale * gain_se, shift_se, rng(), num_permutations=500)
    c = correlate(gain[order], shift[order], gain_se[order], shift_se[order], rng(), num_permutations=500)
    assert (b.pearson, b.spearman, b.p_pearson, b.p_spearman) == pytest.approx((-a.pearson, -a.spearman, a.p_pearson, a.p_spearman))
    assert b.leave_one_out == pytest.approx((-a.leave_one_out[1], -a.leave_one_out[0]))
    assert b.corrected_r == pytest.approx(-a.corrected_r, nan_ok=True) and c.corrected_r == pytest.approx(a.corrected_r, nan_ok=True)
    assert c.leave_one_out == pytest.approx(a.leave_one_out) and c.pearson == pytest.approx(a.pearson)
    assert a.leave_one_out[0] <= a.pearson <= a.leave_one_out[1]


@pytest.mark.parametrize(
    ("num", "words"), [(0, "no point"), (1, "one point"), (2, "two points"), (5, "five points"), (6, "six points"), (7, "seven points")]
)
def test_under_eight_mixes_only_a_description_is_given_with_the_reason(num, words):
    gain, shift, *errors = mixes(5, num=num)
    found = correlate(gain, shift, *errors, rng())
    assert found.refused == f"{words}, no claim: at least 8 domain mixes are needed" and found.num_mixes == num
    assert found.pearson == pytest.approx(stats.pearsonr(gain, shift).statistic if num > 2 else np.nan, nan_ok=True)
    assert np.isnan([found.spearman, found.p_pearson, found.p_spearman, found.corrected_r]).all()
    assert (found.exact, found.num_permutations, found.leave_one_out, found.line) == (None, 0, None, None)


def test_an_unknown_mix_is_counted_and_left_out_and_constant_coordinates_are_refused():
    gain, shift, *errors = mixes(6, num=10)
    gain[1], shift[4] = np.nan, np.nan
    found, keep = correlate(gain, shift, *errors, rng()), [0, 2, 3, 5, 6, 7, 8, 9]
    assert (found.num_mixes, found.num_missing) == (8, 2)
    assert found == correlate(gain[keep], shift[keep], *(e[keep] for e in errors), rng()).__class__(
        **{f: getattr(found, f) for f in found.__slots__}
    )
    assert found.pearson == pytest.approx(stats.pearsonr(gain[keep], shift[keep]).statistic)
    still = correlate(np.ones(9), shift[:9], *(e[:9] for e in errors), rng())
    assert still.refused == "no claim: gain or shift is the same in every mix" and still.num_missing == 1 and still.num_mixes == 8
    few = correlate(gain[:8], shift[:8], *(e[:8] for e in errors), rng())
    assert few.refused.startswith("six points") and few.num_missing == 2


def test_the_range_without_one_mix_is_scipys_over_all_of_them():
    gain, shift, *errors = mixes(7)
    without = [stats.pearsonr(np.delete(gain, m), np.delete(shift, m)).statistic for m in range(8)]
    assert correlate(gain, shift, *errors, rng()).leave_one_out == pytest.approx((min(without), max(without)))


@pytest.mark.parametrize("bad", [0.0, np.nan])
@pytest.mark.parametrize("which", [0, 1])
def test_without_known_errors_there_is_no_line_and_no_correction(which, bad):
    gain, shift, *errors = mixes(8)
    full = correlate(gain, shift, *errors, rng())
    assert full.line == _errors_in_variables(gain, shift, *errors) and full.corrected_r == _disattenuated(gain, shift, *errors)
    errors[which][3] = bad
    found = correlate(gain, shift, *errors, rng())
    assert found.line is None and np.isnan(found.corrected_r) and found.pearson == full.pearson


def test_the_correlation_is_scipys():
    gain, shift, *_ = mixes(9, num=12)
    assert _pearson(gain, shift) == pytest.approx(stats.pearsonr(gain, shift).statistic, rel=1e-12)
    x = np.array([1.0, 2.0, 4.0])
    assert (_pearson(x, 2 * x), _pearson(x, -x)) == pytest.approx((1, -1))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=0, max_size=8))
def test_the_correlation_lies_within_one_or_is_unknown(points):
    x, y = np.array(points).reshape(-1, 2).T
    r = _pearson(x, y)
    assert np.isnan(r) if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0 else abs(r) <= 1 or np.isnan(r)
    assert _pearson(y, x) == pytest.approx(r, nan_ok=True)


def test_the_corrected_correlation_is_scipys_over_the_root_of_reliabilities_and_finds_the_true_one():
    gain, shift, gain_se, shift_se = mixes(10)
    reliable = [1 - np.mean(e**2) / np.var(v, ddof=1) for v, e in ((gain, gain_se), (shift, shift_se))]
    assert _disattenuated(gain, shift, gain_se, shift_se) == pytest.approx(
        stats.pearsonr(gain, shift).statistic / np.sqrt(np.prod(reliable))
    )
    many = np.random.default_rng(11)
    true = many.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], 20_000)
    noisy = true + many.normal(0, [1.0, 0.5], true.shape)
    assert _pearson(*noisy.T) < 0.45
    assert _disattenuated(*noisy.T, np.full(20_000, 1.0), np.full(20_000, 0.5)) == pytest.approx(0.6, abs=0.03)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_taking_attenuation_out_never_shrinks_a_correlation_and_no_error_leaves_it(seed):
    gain, shift, gain_se, shift_se = mixes(seed)
    r, free = _pearson(gain, shift), _disattenuated(gain, shift, gain_se, shift_se)
    assert np.isnan(free) or (abs(free) >= abs(r) and free * r >= 0)
    assert _disattenuated(gain, shift, np.zeros(8), np.zeros(8)) == pytest.approx(r)


def test_errors_as_large_as_the_spread_leave_no_corrected_correlation():
    gain, shift, *_ = mixes(12)
    assert np.isnan(_disattenuated(gain, shift, np.full(8, 9.0), np.zeros(8)))
    assert np.isnan(_disattenuated(gain, shift, np.zeros(8), np.full(8, 9.0)))
    assert np.isnan(_disattenuated(gain, shift, np.full(8, 9.0), np.full(8, 9.0)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_the_line_is_the_minimum_scipy_finds_and_its_error_the_curvature_there(seed):
    gain, shift, gain_se, shift_se = mixes(seed, num=10)

    def misfit(line):
        return (((shift - line[0] - line[1] * gain) ** 2) / (shift_se**2 + line[1] ** 2 * gain_se**2)).sum()

    found = _errors_in_variables(gain, shift, gain_se, shift_se)
    starts = [
        optimize.minimize(misfit, [0, b], method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-12, "maxiter": 5000})
        for b in (-1, 0.3, 2)
    ]
    theirs = min(starts, key=lambda o: o.fun)
    assert found.converged and (found.intercept, found.slope) == pytest.approx(tuple(theirs.x), rel=1e-5, abs=1e-6)


def test_the_line_and_its_standard_error_are_yorks_for_pearsons_data():
    """Pearson's data with York's weights: the standard example, with its published answers (York et al. 2004, table II)."""
    x = np.array([0.0, 0.9, 1.8, 2.6, 3.3, 4.4, 5.2, 6.1, 6.5, 7.4])
    y = np.array([5.9, 5.4, 4.4, 4.6, 3.5, 3.7, 2.8, 2.8, 2.4, 1.5])
    wx = np.array([1000, 1000, 500, 800, 200, 80, 60, 20, 1.8, 1.0])
    wy = np.array([1, 1.8, 4, 8, 20, 20, 70, 70, 100, 500])
    found = _errors_in_variables(x, y, wx**-0.5, wy**-0.5)
    assert found.slope == pytest.approx(-0.480533407, abs=1e-8) and found.intercept == pytest.approx(5.47991022, abs=1e-7)
    assert found.slope_se == pytest.approx(0.0579850090, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.2, 5))
def test_points_on_a_line_give_it_and_swapping_coordinates_gives_its_inverse(seed, scale):
    gain, _, gain_se, shift_se = mixes(seed)
    on = _errors_in_variables(gain, 0.3 + 2 * gain, gain_se, shift_se)
    assert (on.slope, on.intercept, on.converged) == (pytest.approx(2), pytest.approx(0.3, abs=1e-9), True)
    gain, shift, gain_se, shift_se = mixes(seed, num=12, slope=2.0)
    a, b = _errors_in_variables(gain, shift, gain_se, shift_se), _errors_in_variables(shift, gain, shift_se, gain_se)
    assert a.slope * b.slope == pytest.approx(1, rel=1e-5)
    bigger = _errors_in_variables(gain, scale * shift + 1, gain_se, scale * shift_se)
    assert (bigger.slope, bigger.slope_se) == pytest.approx((scale * a.slope, scale * a.slope_se), rel=1e-5)


def test_with_equal_errors_the_line_is_demings_closed_form():
    gain, shift, *_ = mixes(13)
    u, v = gain - gain.mean(), shift - shift.mean()
    gap = v @ v - 4 * (u @ u)
    expected = (gap + np.sqrt(gap**2 + 16 * (u @ v) ** 2)) / (2 * u @ v)
    found = _errors_in_variables(gain, shift, np.full(8, 0.1), np.full(8, 0.2))
    assert found.slope == pytest.approx(expected) and found.intercept == pytest.approx(shift.mean() - expected * gain.mean())


def test_a_line_that_cannot_be_found_is_unknown(monkeypatch):
    x, still = np.arange(4.0), np.full(4, 0.1)
    flat = _errors_in_variables(x, np.ones(4), still, still)
    assert flat.converged and flat.slope == 0 and flat.intercept == pytest.approx(1)
    monkeypatch.setattr("holdfast.stats.correlation._MAX_STEPS", 1)
    stopped = _errors_in_variables(*mixes(14))
    assert not stopped.converged and np.isnan([stopped.slope, stopped.intercept, stopped.slope_se]).all()


def test_lists_that_do_not_fit_are_refused_by_name():
    gain, shift, gain_se, shift_se = mixes(15)
    for k, name in enumerate(("shift_M", "gain_se_M", "shift_se_M"), start=1):
        given = [gain, shift, gain_se, shift_se]
        given[k] = given[k][1:]
        with pytest.raises(StatisticsError, match=f"^{name}: 7 entries, 8 needed$"):
            correlate(*given, rng())
    with pytest.raises(StatisticsError, match="^gain_M: 2 axes"):
        correlate(np.ones((2, 2)), shift, gain_se, shift_se, rng())
    for which in (2, 3):
        given = [gain, shift, gain_se, shift_se]
        given[which] = given[which] * -1
        with pytest.raises(StatisticsError, match="^gain_se_M, shift_se_M: a standard error is negative$"):
            correlate(*given, rng())
    with pytest.raises(StatisticsError, match="^num_permutations: 0 must be a whole number of at least 1$"):
        correlate(gain, shift, gain_se, shift_se, rng(), num_permutations=0)
    assert correlate(gain, shift, gain_se, shift_se, rng(), num_permutations=1).num_permutations == 1
