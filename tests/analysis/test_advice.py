"""The recommendation says what the cells say, and never calls an untold axis safe."""

import pytest

from holdfast.analysis.advice import recommend


def findings(**verdicts):
    cell = lambda word: {"verdict": word, "negligible": None, "estimate": 0.05, "lower": 0.04, "upper": 0.06}  # noqa: E731
    return {
        "base": {"axes": {"doubt": {}, "feedback": {}}},
        "adapters": [
            {"name": name, "role": "domain", "shifts": dict(zip(("doubt", "feedback"), map(cell, words), strict=True))}
            for name, words in verdicts.items()
        ],
    }


@pytest.mark.parametrize(
    ("words", "label"),
    [
        (("raised", "lowered"), "(risky)"),
        (("lowered", "unchanged"), "(protective)"),
        (("unchanged", "unchanged"), "(neutral)"),
        (("lowered", "not_identified"), "cannot be classed"),
        (("unchanged", "inconclusive"), "cannot be classed"),
        (("refused", "unchanged"), "cannot be classed"),
    ],
)
def test_a_domain_is_classed_by_its_verdicts_alone(words, label):
    hits = [
        r["text"] for r in recommend(findings(truth=words)) if "truth" in r["text"] and ("(" in r["text"][-13:] or "classed" in r["text"])
    ]
    assert any(label in text for text in hits)
    assert sum("adapters/0/shifts" in r["cells"] for r in recommend(findings(truth=words))) == 1


def test_every_sentence_cites_cells_that_exist():
    for entry in recommend(findings(truth=("raised", "lowered"), maths=("unchanged", "unchanged"))):
        assert all(path.split("/")[1] in "01" for path in entry["cells"])
        assert entry["cells"] or entry["text"].startswith("No domain")


def beyond(verdict, estimate=0.063, lower=0.036, upper=0.09):
    return {"estimate": estimate, "lower": lower, "upper": upper, "verdict": verdict, "negligible": False}


def caveats(found, cell):
    found["adapters"][0]["vs_format_only"] = {"doubt": cell}
    return [r["text"] for r in recommend(found) if "beyond the format-only adapter" in r["text"]]


def test_what_is_not_identified_beyond_the_format_is_said_without_a_number_and_is_no_proof():
    raised = lambda: findings(truth=("raised", "unchanged"))  # noqa: E731
    for cell in (beyond("not_identified"), beyond("not_identified", None, None, None)):
        (said,) = caveats(raised(), cell)
        assert "what is left is not identified beyond" in said and "6.3" not in said
    assert caveats(raised(), beyond("raised")) == []
    (said,) = caveats(raised(), beyond("inconclusive", 0.01, -0.02, 0.04))
    assert "+1.0 points [-2.0, +4.0] beyond" in said
