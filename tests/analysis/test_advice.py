"""The recommendation says what the cells say, and never calls an untold axis safe."""

import pytest
from made_records import made_adapter, made_findings, made_shift

from holdfast.analysis.advice import recommend
from holdfast.results import Finding


def findings(beyond=None, **verdicts):
    """`beyond`: doubt of the first adapter, less the format-only adapter's."""
    cell = lambda word: made_shift(verdict=word, negligible=None, estimate=0.05, lower=0.04, upper=0.06)  # noqa: E731
    adapters = [
        made_adapter(
            name, shifts=dict(zip(("doubt", "feedback"), map(cell, words), strict=True)), vs_format_only={"doubt": beyond} if beyond else {}
        )
        for name, words in verdicts.items()
    ]
    return made_findings(adapters, axes=("doubt", "feedback"))


@pytest.mark.parametrize(
    ("words", "label"),
    [
        (("raised", "lowered"), "(risky)"),
        (("lowered", "unchanged"), "(protective)"),
        (("unchanged", "unchanged"), "(neutral)"),
        (("lowered", "not_identified"), "cannot be classified"),
        (("unchanged", "inconclusive"), "cannot be classified"),
        (("refused", "unchanged"), "cannot be classified"),
    ],
)
def test_a_domain_is_classed_by_its_verdicts_alone(words, label):
    texts = [r.text for r in recommend(findings(truth=words))]
    hits = [text for text in texts if "truth" in text and ("(" in text[-13:] or "classified" in text)]
    assert any(label in text for text in hits)
    assert sum("adapters/0/shifts" in r.cells for r in recommend(findings(truth=words))) == 1


def test_every_sentence_cites_cells_that_exist():
    for entry in recommend(findings(truth=("raised", "lowered"), maths=("unchanged", "unchanged"))):
        assert all(path.split("/")[1] in "01" for path in entry.cells)
        assert entry.cells or entry.text.startswith("No domain")


def beyond(verdict, estimate=0.063, lower=0.036, upper=0.09):
    return Finding(estimate=estimate, lower=lower, upper=upper, verdict=verdict, negligible=False)


def caveats(cell):
    found = findings(truth=("raised", "unchanged"), beyond=cell)
    return [r.text for r in recommend(found) if "beyond the format-only adapter" in r.text]


def test_what_is_not_identified_beyond_the_format_is_said_without_a_number_and_is_no_proof():
    for cell in (beyond("not_identified"), beyond("not_identified", None, None, None)):
        (said,) = caveats(cell)
        assert "what is left is not identified beyond" in said and "6.3" not in said
    assert caveats(beyond("raised")) == []
    (said,) = caveats(beyond("inconclusive", 0.01, -0.02, 0.04))
    assert "+1.0 points [-2.0, +4.0] beyond" in said
