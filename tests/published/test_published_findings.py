"""The study in the shape of any findings: levels, changes, bounds, contrasts; never a verdict one training run cannot carry."""

import json

import pytest
from conftest_published import analyzed, write_study

from holdfast.frozen import canonical_json
from holdfast_llama2_7b.tables import DATA

FIELDS = {"estimate", "lower", "upper", "level", "p", "p_holm", "n", "num_clusters", "num_seeds", "coverage", "bounds", "mde", "verdict",
          "negligible", "contrast"}  # fmt: skip


def adapter(outcome, name):
    return next(a for a in outcome.findings["adapters"] if a["name"] == name)


def every_change(outcome):
    return [
        (a["name"], i, c)
        for a in outcome.findings["adapters"]
        for i, c in {**a["gains"], **{n: s["behaviour"] for n, s in a["shifts"].items()}}.items()
    ]


def test_every_estimate_has_every_field_and_what_is_unknown_is_null(published):
    for _, _, c in every_change(published):
        assert FIELDS <= set(c)
        assert c["p"] is c["p_holm"] is c["mde"] is c["num_clusters"] is None and c["num_seeds"] == 1
    top = {
        "schema_version",
        "study",
        "base",
        "adapters",
        "contrasts",
        "dose",
        "ranking",
        "correlation",
        "recommendation",
        "claims",
        "points",
        "tables",
    }
    assert set(published.findings) == top


def test_one_training_run_gives_no_verdict_raised_lowered_or_unchanged(published, tmp_path):
    clean = analyzed(write_study(tmp_path / "clean"))
    assert {c["verdict"] for _, _, c in every_change(published)} == {"refused", "not_identified", "inconclusive"}
    assert {c["verdict"] for _, _, c in every_change(clean)} == {"inconclusive"}


def test_what_a_defect_forbids_is_refused_and_the_rest_is_not(published):
    by = {(a, i): c["verdict"] for a, i, c in every_change(published)}
    for i in ("gsm8k", "truthfulqa", "imitation", "feedback"):
        assert {by[a, i] for a in ("gsm8k", "mmlu", "truthfulqa", "hellaswag", "combined")} == {"refused"}
    assert by["truthfulqa", "mmlu"] == "refused" and by["combined", "mmlu"] == by["gsm8k", "hellaswag"] == "inconclusive"
    assert by["gsm8k", "doubt"] == "not_identified" and by["combined", "doubt"] == "refused"


def test_doubt_has_bounds_and_no_estimate(published):
    assert published.findings["base"]["axes"]["doubt"]["bounds"] == pytest.approx([0, 278 / 300])
    levels = adapter(published, "combined")["levels"]["doubt"]
    assert (
        levels["bounds"] == pytest.approx([58 / 300, 251 / 300])
        and levels["estimate"] is None
        and levels["as_published"] == pytest.approx(0.19333, abs=1e-5)
    )
    change = adapter(published, "combined")["shifts"]["doubt"]["behaviour"]
    assert change["estimate"] is None and change["bounds"] == pytest.approx([58 / 300 - 278 / 300, 251 / 300])
    assert adapter(published, "combined")["mean_shift"] is None and adapter(published, "combined")["mean_gain"] == pytest.approx(
        0.183, abs=5e-4
    )


def test_gains_carry_counts_intervals_and_what_pairing_could_make_of_them(published):
    c = adapter(published, "combined")["gains"]["gsm8k"]
    assert c["estimate"] == pytest.approx((92 - 35) / 500) and c["lower"] < c["estimate"] < c["upper"] and c["n"] == 500
    low, high = c["paired_se"]
    assert low < c["se"] <= high + 1e-12
    assert any("training noise" in n for n in c["notes"]) and any("unpaired" in n for n in c["notes"])


def test_additivity_is_combined_against_its_parts(published):
    by = {(c["name"], c["axis"]): c for c in published.findings["contrasts"]}
    feedback = by["combined - sum of parts", "feedback"]
    parts = sum(n - 150 for n in (143, 152, 174, 179)) / 300
    assert feedback["estimate"] == pytest.approx((185 - 150) / 300 - parts) and feedback["verdict"] == "inconclusive"
    variance = lambda n: n / 300 * (1 - n / 300) / 300  # noqa: E731
    assert feedback["se"] ** 2 == pytest.approx(sum(map(variance, (185, 143, 152, 174, 179))) + 9 * variance(150))
    mean = by["combined - mean of parts", "feedback"]
    assert mean["se"] ** 2 == pytest.approx(variance(185) + sum(map(variance, (143, 152, 174, 179))) / 16)
    assert by["combined - sum of parts", "doubt"]["estimate"] is None


def test_equal_analyses_give_equal_bytes_with_no_path_in_them(published, copy):
    again = analyzed(copy)
    assert again.outcome.findings.to_json() == published.outcome.findings.to_json()
    assert canonical_json(again.outcome.audit) == canonical_json(published.outcome.audit)
    text = published.outcome.findings.to_json().decode()
    assert str(DATA.parent) not in text and json.loads(text)["claims"]
