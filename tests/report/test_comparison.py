"""A comparison in every form: complete, escaped, at most 80 columns in a terminal."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ElementTree

import made_findings as made
import pytest
import yaml
from rich.cells import cell_len

from holdfast.config import load_study
from holdfast.report import comparison
from holdfast.report.finished import Finished


def source(findings, folder=None):
    return Finished("made", made.record(findings), [], folder, folder)


@pytest.fixture(scope="module")
def three():
    """B lacks no adapter, has other estimates; C has one adapter more and measures doubt otherwise."""
    other, third = made.findings(), made.findings(("maths", "law", "physics", "null_rows"))
    other["base"]["name"], third["study"]["name"] = "made:1", "third"
    other["adapters"][0]["shifts"]["doubt"] = made.shift(made.cell(-0.05, verdict="lowered"))
    third["study"]["estimands"]["doubt"] = "another"
    return comparison.side_by_side([source(f) for f in (made.findings(), other, third)])


def test_every_study_is_named_and_every_number_is_there_in_80_columns(three):
    page = comparison.text(three)
    assert max(map(cell_len, page.splitlines())) <= 80
    for line in ("A: study made, base made:0, 3 adapters, 5 seeds", "B: study made, base made:1", "C: study third"):
        assert line in page
    assert "A -4.0 [-6.0, -2.0] lowered" in page and "(-31.0, +12.3) not identified" in page
    assert "only in C: physics" in page and "not the same estimand: excess in A, excess in B, another in C: maths" in " ".join(page.split())


def test_two_studies_that_contradict_each_other_are_said_to():
    other = made.findings()
    other["adapters"][0]["shifts"]["doubt"] = made.shift(made.cell(-0.05, verdict="lowered"))
    found = comparison.side_by_side([source(made.findings()), source(other)])
    assert found.counts["deference"]["contradicted"] == 1 and "contradicted: 1 of 4 (maths doubt)" in comparison.as_markdown(found)


def test_csv_holds_one_line_a_cell_and_the_reasons(three):
    rows = list(csv.DictReader(io.StringIO(comparison.as_csv(three), newline="")))
    assert sum(r["study"] != "" and r["study"] is not None for r in rows) == sum(c is not None for r in three.rows for c in r.effects)
    assert {r["status"] for r in rows if not r["study"]} == {f"not compared: {r.reason}" for r in three.refused}


def test_json_holds_what_the_tables_hold(three):
    found = json.loads(comparison.as_json_text(three))
    assert (
        [s["letter"] for s in found["studies"]] == ["A", "B", "C"]
        and found["counts"] == three.counts
        and found["refused"] == [{k: getattr(r, k) for k in ("adapter", "part", "instrument", "reason")} for r in three.refused]
    )


def test_settings_that_differ_are_named(tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, seeds in zip(folders, (5, 3), strict=True):
        folder.mkdir()
        study = load_study("embedded", [f"seeds={seeds}", f"name={folder.name}"])
        (folder / "study.yaml").write_text(yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False), encoding="utf-8")
    a, b = made.findings(), made.findings()
    assert comparison.side_by_side([source(a, folders[0]), source(b, folders[1])]).settings == {"seeds": ["5", "3"]}
    assert comparison.side_by_side([source(a, folders[0]), source(b)]).settings == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", made.HOSTILE)
def test_a_name_from_data_is_text_in_every_form(name):
    found = comparison.side_by_side([source(made.findings((name, "law", "null_rows"))) for _ in range(2)])
    page = comparison.as_html(found)
    assert "<script" not in page and not re.search(r"""(?:src|href)=["']?http""", page.replace("http://www.w3.org/", ""))
    svg = comparison.WRITERS[".svg"](found).decode()
    ElementTree.fromstring(svg)
    assert max(map(cell_len, comparison.text(found).splitlines())) <= 80
    for line in comparison.as_markdown(found).splitlines():
        assert len(re.findall(r"(?<!\\)\|", line)) in (0, 6)
    for row in csv.reader(io.StringIO(comparison.as_csv(found), newline="")):
        assert not row[0].startswith(("=", "+", "-", "@"))


def test_bounds_are_drawn_without_a_point(three):
    rows = [r for r in comparison.chart(three).to_dict()["data"]["values"] if r["verdict"] == "not_identified"]
    assert rows and all(r["points"] is None and (r["lower"], r["upper"]) == (-31.0, 12.3) for r in rows)
