"""Wilson's interval against scipy and statsmodels."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from holdfast.errors import StatisticsError
from holdfast.stats.rates import wilson


@pytest.mark.parametrize(("hits", "total"), [(0, 300), (58, 300), (198, 200), (1, 1), (35, 500), (300, 300)])
def test_wilson_is_statsmodels(hits, total):
    assert wilson(hits, total) == pytest.approx(proportion_confint(hits, total, method="wilson"), abs=1e-10)


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_wilson_is_scipys_to_the_last_digits_and_turns_with_the_outcome(counts, level):
    hits, total = counts
    low, high = wilson(hits, total, level)
    assert (low, high) == pytest.approx(binomtest(hits, total).proportion_ci(level, "wilson"), rel=1e-12, abs=1e-13)
    assert wilson(total - hits, total, level) == pytest.approx((1 - high, 1 - low), rel=1e-9, abs=1e-12)


def test_no_event_is_no_certainty():
    low, high = wilson(0, 300)
    assert low == 0 and high == pytest.approx(0.0126, abs=5e-4)  # a normal interval has no width here


def test_counts_that_cannot_be_are_refused():
    for bad in ((3, 2), (-1, 2), (0, 0)):
        with pytest.raises(StatisticsError, match="hits"):
            wilson(*bad)
