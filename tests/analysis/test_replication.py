"""Several studies side by side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import made_adapter, made_findings

from holdfast.analysis.replication import counts, refusals, replicate, status
from holdfast.results import Finding, Shift

WORDS = ("refused", "not_identified", "raised", "lowered", "unchanged", "inconclusive")


def cell(verdict, negligible=None, estimate=0.01, **rest):
    return Finding(estimate=estimate, lower=estimate - 0.02, upper=estimate + 0.02, verdict=verdict, negligible=negligible, **rest)


def findings(estimands=None, role="domain", **verdicts):
    shifts = {axis: Shift(behaviour=v if isinstance(v, Finding) else cell(v)) for axis, v in verdicts.items()}
    return made_findings([made_adapter("maths", role, shifts=shifts)], estimands=estimands or {})


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("raised", "raised"), "replicates"),
        (("raised", "lowered"), "contradicted"),
        (("raised", "unchanged"), "differs"),
        (("raised", "inconclusive"), "not shown"),
        (("raised", "lowered", "inconclusive"), "contradicted"),
    ],
)
def test_what_replicates_is_said_by_the_verdicts(words, said):
    assert status([cell(w) for w in words]) == said


def test_a_negligible_effect_counts_as_unchanged():
    assert status([cell("raised", True), cell("unchanged")]) == "replicates"


@given(st.lists(st.sampled_from(WORDS), min_size=2, max_size=4))
def test_the_order_of_the_studies_does_not_matter(words):
    assert status([cell(w) for w in words]) == status([cell(w) for w in reversed(words)])


def test_a_cell_that_one_study_alone_has_is_refused_with_the_reason():
    studies = [("A", findings(doubt="raised", feedback="raised")), ("B", findings(doubt="raised"))]
    assert [(r.instrument, r.status) for r in replicate(studies)] == [("doubt", "replicates")]
    (row,) = refusals(studies)
    assert (row.adapter, row.part, row.instrument, row.reason) == ("maths", "behaviour", "feedback", "only in A")


def test_two_estimands_or_units_are_not_compared():
    other = [("A", findings({"doubt": "excess_doubt"}, doubt="raised")), ("B", findings({"doubt": "rate, no control"}, doubt="raised"))]
    assert replicate(other) == [] and refusals(other)[0].reason == "not the same estimand: excess_doubt in A, rate, no control in B"
    units = [("A", findings(doubt=cell("raised"))), ("B", findings(doubt=cell("raised", unit="nats")))]
    assert replicate(units) == [] and refusals(units)[0].reason == "not the same unit: fraction in A, nats in B"


def test_signs_and_effects_found_in_all_are_counted_over_domain_adapters():
    one = {"a": cell("raised"), "b": cell("raised"), "c": cell("raised", True), "d": cell("inconclusive", estimate=-0.01)}
    one["e"] = cell("raised", estimate=0.0)
    two = {"a": cell("raised"), "b": cell("lowered", estimate=-0.01), "c": cell("raised"), "d": cell("lowered", estimate=-0.01)}
    two["e"] = cell("raised")
    n = counts(replicate([("A", findings(**one)), ("B", findings(**two))]), "behaviour")
    assert n == {"rows": 5, "replicates": 2, "differs": 1, "contradicted": 1, "not shown": 1, "signed": 4, "same_sign": 3, "coins": 2.0,
                 "moved_in_all": 3, "moved_alike": 2}  # fmt: skip
    nulls = [("A", findings(role="null", **one)), ("B", findings(role="null", **two))]
    assert counts(replicate(nulls), "behaviour")["rows"] == 0
