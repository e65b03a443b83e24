"""Families, equivalence, bounds and power against their definitions and statsmodels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from holdfast.errors import StatisticsError
from holdfast.stats.decide import benjamini_hochberg, equivalent, holm, manski, mde


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_adjusted_p_values_equal_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1].tolist())


def test_an_unknown_p_value_stays_unknown_and_does_not_count():
    adjusted = holm([0.01, float("nan"), 0.04])
    assert adjusted[0] == pytest.approx(0.02) and np.isnan(adjusted[1])


def test_equivalence_needs_the_whole_interval_inside_the_band():
    assert (
        equivalent(0.0, 0.01, 30, 0.03) and not equivalent(0.02, 0.01, 30, 0.03) and not equivalent(0.0, float("nan"), 30, 0.03)
    )


def test_missing_outcomes_give_the_published_bounds():
    assert manski(0, 22, 278) == pytest.approx((0.0, 278 / 300))
    with pytest.raises(StatisticsError):
        manski(0, 0, 0)


def test_a_larger_family_needs_a_larger_effect():
    assert mde(0.01, 30, 15) > mde(0.01, 30, 1) > 0.01 and np.isnan(mde(float("nan"), 30, 1))
