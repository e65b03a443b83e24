"""Rates of rescored replies: Wilson or cluster intervals, coverage, bounds where it is too low."""

import json

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from holdfast.analysis.rescored import summarize, text
from holdfast.errors import DataError
from holdfast.stats.crossed import crossed


def write(path, outcomes, **extra):
    rows = [{"id": k, "outcome": o, "answer": None, "reason": "r", **{f: v[k] for f, v in extra.items()}} for k, o in enumerate(outcomes)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def test_rates_are_over_the_replies_that_were_read_with_wilson_intervals(tmp_path):
    found = summarize(write(tmp_path / "r.jsonl", ["correct"] * 60 + ["suggested"] * 25 + ["other"] * 11 + ["unparsed"] * 4))["all"]
    assert found["coverage"] == 0.96 and found["verdict"] is None and found["counts"]["unparsed"] == 4
    for outcome, k in (("correct", 60), ("suggested", 25), ("other", 11)):
        rate = found["rates"][outcome]
        assert rate["estimate"] == k / 96 and rate["bounds"] is None
        assert (rate["lower"], rate["upper"]) == pytest.approx(proportion_confint(k, 96, method="wilson"))


def test_below_95_percent_only_bounds_are_given(tmp_path):
    found = summarize(write(tmp_path / "r.jsonl", ["correct"] * 5 + ["other"] * 4 + ["unparsed"]))["all"]
    assert found["verdict"] == "not_identified" and found["reasons"] == ["coverage below .95"]
    assert found["rates"]["correct"] == {"estimate": None, "lower": None, "upper": None, "bounds": [0.5, 0.6]}
    assert found["rates"]["suggested"]["bounds"] == [0, 0.1]
    assert "[50.0 to 60.0]" in text(summarize(tmp_path / "r.jsonl")) and "not_identified" in text(summarize(tmp_path / "r.jsonl"))


def test_coverage_that_differs_between_models_identifies_neither(tmp_path):
    outcomes = ["correct"] * 97 + ["unparsed"] * 3 + ["correct"] * 100 + ["correct"] * 100
    found = summarize(
        write(tmp_path / "r.jsonl", outcomes, model=["a"] * 100 + ["b"] * 100 + ["a"] * 100, condition=["x"] * 200 + ["y"] * 100)
    )
    verdicts = {(g["group"]["model"], g["group"]["condition"]): g["verdict"] for g in found["groups"]}
    assert verdicts == {("a", "x"): "not_identified", ("b", "x"): "not_identified", ("a", "y"): None}
    assert found["grouped_by"] == ["model", "condition"] and found["all"]["n"] == 300


def test_a_cluster_field_gives_cluster_intervals(tmp_path):
    rng = np.random.default_rng(0)
    clusters = [int(c) for c in rng.integers(0, 30, 400)]
    right = [bool((c % 3 == 0) ^ (rng.random() < 0.1)) for c in clusters]
    path = write(tmp_path / "r.jsonl", ["correct" if r else "other" for r in right], cluster_id=clusters)
    found = summarize(path)["all"]
    expected = crossed(np.array(right, float)[None], np.array(clusters))
    assert found["num_clusters"] == len(set(clusters))
    assert (found["rates"]["correct"]["lower"], found["rates"]["correct"]["upper"]) == pytest.approx((expected.lower, expected.upper))
    assert found["rates"]["correct"]["upper"] - found["rates"]["correct"]["lower"] > 1.5 * np.subtract(
        *proportion_confint(sum(right), 400, method="wilson")[::-1]
    )
    single = summarize(write(tmp_path / "s.jsonl", ["correct"] * 5, cluster=["x"] * 5))["all"]["rates"]["correct"]
    assert (single["estimate"], single["lower"]) == (1, None) and "unknown" in text(summarize(tmp_path / "s.jsonl"))


def test_too_many_groups_leave_only_the_whole(tmp_path):
    path = write(tmp_path / "r.jsonl", ["correct"] * 1500, item=list(range(1500)))
    found = summarize(path)
    assert found["groups"] == [] and found["all"]["n"] == 1500 and "more than 1000 groups" in text(found)


def test_what_rescore_did_not_write_is_refused_by_file_and_line(tmp_path):
    for rows, said in (
        ('{"id": 1}', "r.jsonl:1: outcome: missing"),
        ('{"id": 1, "outcome": "right", "answer": null, "reason": "r"}', "r.jsonl:1: outcome"),
        ("", "holds no row"),
        (
            '{"id": 1, "outcome": "other", "answer": null, "reason": "r"}\n{"id": 1, "outcome": "other", "answer": null, "reason": "r", "m": 1}',
            "r.jsonl:2: fields",
        ),
        ('{"id": 1, "outcome": "other", "answer": null, "reason": "r", "m": [1]}', "one value each"),
    ):
        (tmp_path / "r.jsonl").write_text(rows)
        with pytest.raises(DataError, match=said):
            summarize(tmp_path / "r.jsonl")
