"""Planned power: statsmodels where a design has one variance, simulation where it has three."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.power import TTestPower

from holdfast.errors import StatisticsError
from holdfast.stats.crossed import crossed
from holdfast.stats.power import (
    Design,
    Variances,
    pilot_variances,
    planned_mde,
    planned_power,
    planned_se,
    required_clusters,
    required_seeds,
)

THREE = Variances(seed=0.0004, cluster=0.04, interaction=0.06)
part = st.floats(1e-4, 0.1)
some = st.builds(Variances, seed=part, cluster=part, interaction=st.floats(0, 0.1))


def study(rng, variances, design, effect=0.0):
    """Paired differences of one domain under the planned variances: one item a cluster."""
    s, k = design.num_seeds, design.num_clusters
    return (
        effect
        + rng.normal(0, np.sqrt(variances.seed), (s, 1))
        + rng.normal(0, np.sqrt(variances.cluster), (1, k))
        + rng.normal(0, np.sqrt(variances.interaction), (s, k))
    )


@pytest.mark.parametrize(("clusters", "effect", "alpha"), [(10, 0.5, 0.05), (40, 0.3, 0.01), (5, 2.0, 0.1)])
def test_power_over_clusters_alone_equals_statsmodels(clusters, effect, alpha):
    ours = planned_power(effect, Variances(seed=0, cluster=1), Design(num_seeds=2, num_clusters=clusters), alpha=alpha)
    assert ours == pytest.approx(TTestPower().power(effect, clusters, alpha), abs=1e-6)


@pytest.mark.parametrize("wanted", [0.3, 0.5])
def test_numbers_needed_equal_the_next_whole_number_above_statsmodels(wanted):
    exact = TTestPower().solve_power(effect_size=wanted, alpha=0.05, power=0.8)
    design = Design(num_seeds=50, num_clusters=50)
    # The MDE's sum of two t quantiles is a little above the noncentral t: never below what is needed, and by one at most.
    clusters = required_clusters(wanted, Variances(seed=0, cluster=1), design).number
    seeds = required_seeds(wanted, Variances(seed=1, cluster=0), design).number
    assert np.ceil(exact) <= clusters <= np.ceil(exact) + 1 and seeds == clusters


def test_the_planned_standard_error_is_the_sum_of_its_parts_and_has_satterthwaites_degrees_of_freedom():
    se, df = planned_se(THREE, Design(num_seeds=5, num_clusters=60, num_domains=4))
    seed, cluster = 0.0004 / 5 + 0.06 / 300, 0.04 / 60
    assert se == pytest.approx(np.sqrt(seed + cluster), rel=1e-12)
    assert df == pytest.approx((seed + cluster) ** 2 / (seed**2 / 16 + cluster**2 / 59), rel=1e-12)


def test_the_mde_is_two_t_quantiles_of_scipy_times_the_planned_standard_error():
    design = Design(num_seeds=5, num_clusters=60, family=15)
    se, df = planned_se(THREE, design)
    expected = (stats.t.ppf(1 - 0.05 / 30, df) + stats.t.ppf(0.8, df)) * se
    assert planned_mde(THREE, design) == pytest.approx(expected, rel=1e-12)
    other = (stats.t.ppf(1 - 0.1 / 30, df) + stats.t.ppf(0.9, df)) * se
    assert planned_mde(THREE, design, alpha=0.1, power=0.9) == pytest.approx(other, rel=1e-12)


def test_simulated_studies_find_the_mde_as_often_as_planned_and_their_standard_errors_are_the_planned_one():
    rng, design, rounds = np.random.default_rng(0), Design(num_seeds=8, num_clusters=40), 400
    effect = planned_mde(THREE, design)
    found = [crossed(study(rng, THREE, design, effect), np.arange(40)) for _ in range(rounds)]
    rate = np.mean([f.p < 0.05 for f in found])
    assert rate == pytest.approx(0.8, abs=0.06) and planned_power(effect, THREE, design) == pytest.approx(0.8, abs=0.01)
    assert np.mean([f.se**2 for f in found]) == pytest.approx(planned_se(THREE, design)[0] ** 2, rel=0.1)
    assert np.std([f.estimate for f in found]) == pytest.approx(planned_se(THREE, design)[0], rel=0.1)


def test_a_pilot_gives_back_the_variances_it_was_drawn_from():
    rng, design = np.random.default_rng(1), Design(num_seeds=8, num_clusters=40)
    pilots = [pilot_variances(study(rng, THREE, design), np.arange(40)) for _ in range(300)]
    for name in ("seed", "cluster", "interaction"):
        assert np.mean([getattr(p, name) for p in pilots]) == pytest.approx(getattr(THREE, name), rel=0.15, abs=2e-4)


def test_a_pilot_equals_the_mean_squares_of_statsmodels_two_way_table():
    """Henderson's moments of the balanced table without replication."""
    d = np.random.default_rng(2).normal(size=(6, 25)) + np.random.default_rng(3).normal(size=25) * 2 + np.arange(6)[:, None]
    seed, item = np.indices(d.shape)
    design = lambda label: np.eye(label.max() + 1)[label.ravel()]  # noqa: E731
    both = OLS(d.ravel(), np.hstack([design(seed), design(item)[:, 1:]])).fit()
    ms_rest = both.mse_resid
    ms_seed = (OLS(d.ravel(), design(item)).fit().ssr - both.ssr) / 5
    ms_item = (OLS(d.ravel(), design(seed)).fit().ssr - both.ssr) / 24
    found = pilot_variances(d, np.arange(25))
    assert found.interaction == pytest.approx(ms_rest, rel=1e-9)
    assert found.seed == pytest.approx((ms_seed - ms_rest) / 25, rel=1e-9)
    assert found.cluster == pytest.approx((ms_item - ms_rest) / 6, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(0.1, 10))
def test_a_pilot_in_another_unit_has_variances_in_that_unit_squared(seed, scale):
    d = np.random.default_rng(seed).normal(size=(4, 12)) + np.random.default_rng(seed + 1).normal(size=12)
    a, b = pilot_variances(d, np.arange(12)), pilot_variances(scale * d, np.arange(12))
    for name in ("seed", "cluster", "interaction"):
        assert getattr(b, name) == pytest.approx(scale**2 * getattr(a, name), rel=1e-6, abs=1e-9)


@settings(max_examples=30, deadline=None)
@given(variances=some, seeds=st.integers(2, 20), clusters=st.integers(2, 200))
def test_a_larger_design_has_a_smaller_planned_standard_error(variances, seeds, clusters):
    here = planned_se(variances, Design(num_seeds=seeds, num_clusters=clusters))
    assert planned_se(variances, Design(num_seeds=seeds + 1, num_clusters=clusters))[0] < here[0]
    assert planned_se(variances, Design(num_seeds=seeds, num_clusters=clusters + 1))[0] < here[0]
    assert min(seeds, clusters) - 1 <= here[1] + 1e-9 and here[1] <= seeds + clusters - 2 + 1e-9


@settings(max_examples=30, deadline=None)
@given(variances=some, seeds=st.integers(3, 20), clusters=st.integers(10, 200), family=st.integers(1, 30))
def test_a_larger_family_never_lowers_the_mde_and_at_the_mde_power_is_what_was_asked(variances, seeds, clusters, family):
    design = Design(num_seeds=seeds, num_clusters=clusters, family=family, num_domains=4)
    effect = planned_mde(variances, design)
    assert effect < planned_mde(variances, Design(num_seeds=seeds, num_clusters=clusters, family=family + 1, num_domains=4))
    assert planned_power(effect, variances, design) == pytest.approx(0.8, abs=0.06)


@settings(max_examples=25, deadline=None)
@given(variances=some, effect=st.floats(0, 1), family=st.integers(1, 10))
def test_power_grows_with_the_effect_from_alpha_over_m_and_does_not_see_its_sign(variances, effect, family):
    design = Design(num_seeds=5, num_clusters=50, family=family)
    here = planned_power(effect, variances, design)
    assert 0.05 / family - 1e-5 <= here <= planned_power(effect + 0.1, variances, design) + 1e-9 <= 1 + 2e-9
    assert planned_power(-effect, variances, design) == pytest.approx(here)
    assert planned_power(0.0, variances, design) == pytest.approx(0.05 / family, rel=1e-5)


@settings(max_examples=15, deadline=None)
@given(variances=some, wanted=st.floats(0.05, 0.5))
def test_the_number_of_seeds_is_the_first_that_is_enough(variances, wanted):
    design = Design(num_seeds=3, num_clusters=80, family=3)
    need = required_seeds(wanted, variances, design)
    at = lambda s: planned_mde(variances, Design(num_seeds=s, num_clusters=80, family=3))  # noqa: E731
    assert need.floor == pytest.approx(at(10_000))
    if need.number is None:
        assert need.floor > wanted and np.isnan(need.mde)
    else:
        assert need.mde == pytest.approx(at(need.number)) and need.mde <= wanted
        assert all(at(s) > wanted for s in range(2, min(need.number, 40)))


@settings(max_examples=15, deadline=None)
@given(variances=some, wanted=st.floats(0.05, 0.5))
def test_the_number_of_clusters_is_the_first_that_is_enough(variances, wanted):
    design = Design(num_seeds=5, num_clusters=2, family=3)
    need = required_clusters(wanted, variances, design)
    at = lambda k: planned_mde(variances, Design(num_seeds=5, num_clusters=k, family=3))  # noqa: E731
    assert need.floor == pytest.approx(at(10_000))
    if need.number is None:
        assert need.floor > wanted and np.isnan(need.mde)
    else:
        assert need.mde == pytest.approx(at(need.number)) and need.mde <= wanted
        assert all(at(k) > wanted for k in range(2, min(need.number, 40)))


def test_where_items_alone_leave_too_much_no_number_of_seeds_is_enough():
    need = required_seeds(0.03, Variances(seed=0.001, cluster=0.1), Design(num_seeds=3, num_clusters=40))
    assert need.number is None and need.floor > 0.03
    assert required_clusters(0.03, Variances(seed=1e-5, cluster=0.1), Design(num_seeds=3, num_clusters=2)).number > 40


def test_alpha_and_power_reach_the_numbers_needed():
    design, variances = Design(num_seeds=9, num_clusters=90), Variances(seed=0.01, cluster=0.01)
    for need in (required_seeds, required_clusters):
        number = need(0.2, variances, design).number
        assert need(0.2, variances, design, alpha=0.001).number > number < need(0.2, variances, design, power=0.99).number
        with pytest.raises(StatisticsError, match="^wanted: 0 must be an effect above 0$"):
            need(0, variances, design)
        with pytest.raises(StatisticsError, match="^power: 1 must"):
            need(0.2, variances, design, power=1)


def test_a_certain_effect_has_power_one_and_an_impossible_design_is_refused():
    assert planned_power(50.0, Variances(seed=0.01, cluster=0.01), Design(num_seeds=5, num_clusters=50)) == pytest.approx(1.0)
    with pytest.raises(StatisticsError, match="^effect: nan"):
        planned_power(float("nan"), THREE, Design(num_seeds=5, num_clusters=50))
    with pytest.raises(StatisticsError, match="^alpha: "):
        planned_power(0.1, THREE, Design(num_seeds=5, num_clusters=50), alpha=0)
    for field, low in {"num_seeds": 1, "num_clusters": 1, "num_domains": 0, "family": 0}.items():
        with pytest.raises(StatisticsError, match=f"^{field}: {low} must be a whole number of at least {low + 1}$"):
            Design(**({"num_seeds": 2, "num_clusters": 2} | {field: low}))
    for field in ("seed", "cluster", "interaction"):
        for bad in (-1.0, float("nan"), float("inf")):
            with pytest.raises(StatisticsError, match=f"^{field} variance: {bad} must be"):
                Variances(**({"seed": 1.0, "cluster": 1.0, "interaction": 1.0} | {field: bad}))
    with pytest.raises(StatisticsError, match="^variances: all are 0"):
        Variances(seed=0, cluster=0)


def test_a_pilot_of_one_seed_or_one_cluster_is_refused_and_a_seed_without_items_does_not_count():
    d = np.random.default_rng(4).normal(size=(3, 10))
    with pytest.raises(StatisticsError, match="^pilot: 1 seeds, 10 clusters; two of each are needed$"):
        pilot_variances(d[:1], np.arange(10))
    with pytest.raises(StatisticsError, match="^pilot: 3 seeds, 1 clusters"):
        pilot_variances(d, np.zeros(10))
    wider = np.vstack([d, np.full(10, np.nan)])
    assert pilot_variances(wider, np.arange(10)) == pilot_variances(d, np.arange(10))
