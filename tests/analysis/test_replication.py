"""Several studies side by side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.analysis.replication import markdown, replicate, status

WORDS = ("refused", "not_identified", "raised", "lowered", "unchanged", "inconclusive")


def cell(verdict, negligible=None):
    return {"estimate": 0.01, "lower": -0.01, "upper": 0.03, "verdict": verdict, "negligible": negligible}


def findings(**verdicts):
    shifts = {axis: cell(v) for axis, v in verdicts.items()}
    return {"adapters": [{"name": "maths", "role": "domain", "gains": {}, "shifts": shifts}]}


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


def test_a_cell_one_study_lacks_is_left_out_and_the_page_escapes_names():
    studies = [("a|<b>", findings(doubt="raised", feedback="raised")), ("c", findings(doubt="raised"))]
    rows = replicate(studies)
    assert [(r["instrument"], r["status"]) for r in rows] == [("doubt", "replicates")]
    page = markdown(studies, rows)
    assert "+1.0 [-1.0, +3.0] raised" in page and "<b>" not in page and "a|" not in page
