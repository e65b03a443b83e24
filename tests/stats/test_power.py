"""Planned effects: scipy's quantiles, and simulated studies that find them as often as planned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats.crossed import crossed
from holdfast.stats.power import Design, Variances, _planned_se, planned_mde

THREE = Variances(seed=0.0004, cluster=0.04, interaction=0.06)
part = st.floats(1e-4, 0.1)
some = st.builds(Variances, seed=part, cluster=part, interaction=st.floats(0, 0.1))


def study(rng, variances, design, effect=0.0):
    """Paired differences of one domain under the planned variances: one item per cluster."""
    s, k = design.num_seeds, design.num_clusters
    return (
        effect
        + rng.normal(0, np.sqrt(variances.seed), (s, 1))
        + rng.normal(0, np.sqrt(variances.cluster), (1, k))
        + rng.normal(0, np.sqrt(variances.interaction), (s, k))
    )


def test_the_planned_standard_error_is_the_sum_of_its_parts_and_has_satterthwaites_degrees_of_freedom():
    se, df = _planned_se(THREE, Design(num_seeds=5, num_clusters=60, num_domains=4))
    seed, cluster = 0.0004 / 5 + 0.06 / 300, 0.04 / 60
    assert se == pytest.approx(np.sqrt(seed + cluster), rel=1e-12)
    assert df == pytest.approx((seed + cluster) ** 2 / (seed**2 / 16 + cluster**2 / 59), rel=1e-12)


def test_the_mde_is_two_t_quantiles_of_scipy_times_the_planned_standard_error():
    design = Design(num_seeds=5, num_clusters=60, family=15)
    se, df = _planned_se(THREE, design)
    expected = (stats.t.ppf(1 - 0.05 / 30, df) + stats.t.ppf(0.8, df)) * se
    assert planned_mde(THREE, design) == pytest.approx(expected, rel=1e-12)
    other = (stats.t.ppf(1 - 0.1 / 30, df) + stats.t.ppf(0.9, df)) * se
    assert planned_mde(THREE, design, alpha=0.1, power=0.9) == pytest.approx(other, rel=1e-12)


def test_simulated_studies_find_the_mde_as_often_as_planned_and_their_standard_errors_are_the_planned_one():
    rng, design, rounds = np.random.default_rng(0), Design(num_seeds=8, num_clusters=40), 400
    effect = planned_mde(THREE, design)
    found = [crossed(study(rng, THREE, design, effect), np.arange(40)) for _ in range(rounds)]
    assert np.mean([f.p < 0.05 for f in found]) == pytest.approx(0.8, abs=0.06)
    assert np.mean([f.se**2 for f in found]) == pytest.approx(_planned_se(THREE, design)[0] ** 2, rel=0.1)
    assert np.std([f.estimate for f in found]) == pytest.approx(_planned_se(THREE, design)[0], rel=0.1)


@settings(max_examples=30, deadline=None)
@given(variances=some, seeds=st.integers(2, 20), clusters=st.integers(2, 200))
def test_a_larger_design_has_a_smaller_planned_standard_error(variances, seeds, clusters):
    se, df = _planned_se(variances, Design(num_seeds=seeds, num_clusters=clusters))
    assert _planned_se(variances, Design(num_seeds=seeds + 1, num_clusters=clusters))[0] < se
    assert _planned_se(variances, Design(num_seeds=seeds, num_clusters=clusters + 1))[0] < se
    assert min(seeds, clusters) - 1 <= df + 1e-9 and df <= seeds + clusters - 2 + 1e-9


@settings(max_examples=30, deadline=None)
@given(variances=some, seeds=st.integers(3, 20), clusters=st.integers(10, 200), family=st.integers(1, 30))
def test_a_larger_family_or_power_raises_the_mde(variances, seeds, clusters, family):
    design = Design(num_seeds=seeds, num_clusters=clusters, family=family, num_domains=4)
    here = planned_mde(variances, design)
    assert here < planned_mde(variances, Design(num_seeds=seeds, num_clusters=clusters, family=family + 1, num_domains=4))
    assert here < planned_mde(variances, design, power=0.9)


def test_an_impossible_design_is_refused():
    design = Design(num_seeds=5, num_clusters=50)
    with pytest.raises(StatisticsError, match="^alpha: "):
        planned_mde(THREE, design, alpha=0)
    with pytest.raises(StatisticsError, match="^power: 1 must"):
        planned_mde(THREE, design, power=1)
    for field, low in {"num_seeds": 1, "num_clusters": 1, "num_domains": 0, "family": 0}.items():
        with pytest.raises(StatisticsError, match=f"^{field}: {low} must be a whole number of at least {low + 1}$"):
            Design(**({"num_seeds": 2, "num_clusters": 2} | {field: low}))
    for field in ("seed", "cluster", "interaction"):
        for bad in (-1.0, float("nan"), float("inf")):
            with pytest.raises(StatisticsError, match=f"^{field} variance: {bad} must be"):
                Variances(**({"seed": 1.0, "cluster": 1.0, "interaction": 1.0} | {field: bad}))
    with pytest.raises(StatisticsError, match="^variances: all are 0"):
        Variances(seed=0, cluster=0)
