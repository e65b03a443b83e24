"""Intervals of counts: parity with statsmodels, and the bounds over every pairing by definition."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from holdfast_llama2_7b.rates import difference


@pytest.mark.parametrize(("a", "b"), [((35, 500), (92, 500)), ((0, 300), (58, 300)), ((77, 200), (198, 200)), ((53, 300), (32, 310))])
def test_newcombes_interval_is_statsmodels(a, b):
    ours = difference(*a, *b)
    theirs = confint_proportions_2indep(b[0], b[1], a[0], a[1], method="newcomb", compare="diff")
    assert (ours.lower, ours.upper) == pytest.approx(theirs, abs=1e-10)


def test_no_event_is_no_certainty():
    assert difference(0, 300, 58, 300).se is None


def test_paired_standard_errors_bound_every_pairing_of_the_counts():
    n = 6
    for h0, h1 in itertools.product(range(n + 1), repeat=2):
        base = np.array([1] * h0 + [0] * (n - h0))
        every = [np.std(np.isin(range(n), hits).astype(int) - base, ddof=1) / n**0.5 for hits in itertools.combinations(range(n), h1)]
        assert difference(h0, n, h1, n).paired_se == pytest.approx((min(every), max(every)), abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(0, n))))
def test_swapping_the_models_mirrors_the_interval(counts):
    n, h0, h1 = counts
    a, b = difference(h0, n, h1, n), difference(h1, n, h0, n)
    assert (a.lower, a.upper) == pytest.approx((-b.upper, -b.lower), abs=1e-12)
    assert a.lower - 1e-12 <= a.estimate <= a.upper + 1e-12 and -1 - 1e-12 <= a.lower and a.upper <= 1 + 1e-12
