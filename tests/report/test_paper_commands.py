"""`holdfast figures`, `tables` and `compare`: what they write, and one line for what cannot be meant."""

import json
import re
from pathlib import Path

import made_findings as made
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from holdfast.cli.app import app
from holdfast.errors import HoldfastError
from holdfast.report.figures import PICTURES
from holdfast.report.table_contents import tables_of

HOW_TO = (Path(__file__).parents[2] / "docs" / "how-to-paper.md").read_text(encoding="utf-8")


def call(*arguments):
    done = CliRunner().invoke(app, [*map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture
def run(tmp_path):
    """A folder with findings and audit alone."""
    return folder(tmp_path / "run")


def folder(path, **other):
    path.mkdir()
    (path / "findings.json").write_text(json.dumps({**made.findings(), **other}), encoding="utf-8")
    (path / "audit.json").write_text(json.dumps(made.AUDIT), encoding="utf-8")
    return path


@pytest.mark.slow
def test_figures_go_beside_the_run_in_the_formats_that_are_named(run):
    said = call("figures", run, "--format", "svg", "-f", "pdf", "--picture", "forest", "--columns", "1")
    assert {p.name for p in (run / "figures").iterdir()} == {"forest-1col.svg", "forest-1col.pdf"} and "2 files" in said


@pytest.mark.slow
def test_figures_and_tables_go_where_they_are_told(run, tmp_path):
    call("figures", run, "-o", tmp_path / "paper", "--picture", "heat")
    call("tables", run, "-o", tmp_path / "paper")
    assert {"heat-1col.pdf", "heat-2col.pdf", "deference-1col.tex", "deference-2col.tex", "paper.tex"} <= {
        p.name for p in (tmp_path / "paper").iterdir()
    }
    assert not (run / "figures").exists() and not (run / "tables").exists()


def test_a_published_study_needs_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("tables", "published:llama2-7b", "-f", "markdown", "-f", "csv")
    found = tmp_path / "runs" / "published-llama2-7b" / "tables"
    assert {"claims.md", "claims.csv", "behaviour.md", "additivity.md"} <= {p.name for p in found.iterdir()}
    shifts = (found / "behaviour.md").read_text(encoding="utf-8")
    assert "over items only" in shifts and "(-73.3, +83.7) refused" in shifts and "five points, no claim" in shifts


@pytest.mark.slow
def test_tables_of_csv_are_those_of_the_report(run):
    from holdfast.report import write_report

    write_report(run, made.records(), made.ENTRIES, {}, None)
    before = {n: (run / "tables" / f"{n}.csv").read_bytes() for n in ("gains", "behaviour", "deference")}
    call("tables", run, "--format", "csv")
    assert before == {n: (run / "tables" / f"{n}.csv").read_bytes() for n in before}


@pytest.mark.slow
def test_compare_prints_80_columns_and_writes_every_form_that_is_named(run, tmp_path):
    other = folder(tmp_path / "other", recommendation=[])
    assert (
        "A: study made" in call("compare", run, other)
        and json.loads(call("compare", run, other, "--json"))["counts"]["deference"]["rows"] == 4
    )
    files = [tmp_path / f"c.{kind}" for kind in ("md", "csv", "html", "json", "txt", "svg", "pdf", "png")]
    said = call("compare", run, other, *(a for f in files for a in ("-o", f)))
    assert said.count("comparison: ") == 8 and all(f.stat().st_size > 500 for f in files)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["figures", "{run}", "--format", "gif"], "must be one of svg, pdf, png"),
        (["figures", "{run}", "--picture", "forrest"], "must be one of tradeoff"),
        (["figures", "{run}", "--picture", "curves"], "has nothing to draw there; available: tradeoff"),
        (["figures", "nowhere"], "no such file; name the folder of a finished run"),
        (["figures", "published:none"], "available: llama2-7b"),
        (["figures", "{damaged}", "--picture", "forest"], "are not what a run writes"),
        (["figures", "{broken}"], "not JSON; the run is damaged"),
        (["figures", "{run}", "-o", "{run}/findings.json"], "cannot be made"),
        (["tables", "{run}", "-f", "html"], "must be one of latex, markdown, csv"),
        (["tables", "{damaged}"], "are not what a run writes"),
        (["tables", "{list}"], "are not what a run writes"),
        (["compare", "{run}"], "at least two"),
        (["compare", "{run}", "{run}"], "a study cannot replicate itself"),
        (["compare", "{run}", "{stranger}"], "share no adapter and instrument that can be compared (maths, gsm8k: only in A)"),
        (["compare", "{run}", "{damaged}"], "are not what a run writes"),
        (["compare", "{run}", "{stranger}", "-o", "x.xls"], "must end in one of .md"),
    ],
)
def test_what_cannot_be_meant_is_one_line(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    folder(tmp_path / "damaged", adapters=[{"name": "maths", "role": "domain", "gains": {"gsm8k": 3}, "shifts": []}])
    folder(tmp_path / "list", adapters={"maths": 1})
    folder(tmp_path / "broken")
    (tmp_path / "broken" / "findings.json").write_text("{", encoding="utf-8")
    (tmp_path / "stranger").mkdir()
    (tmp_path / "stranger" / "findings.json").write_text(json.dumps(made.findings(("x", "y", "z"))), encoding="utf-8")
    places = {name: tmp_path / name for name in ("run", "damaged", "list", "broken", "stranger")}
    with pytest.raises(HoldfastError) as caught:
        call(*(a.format(**places) for a in arguments))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_the_how_to_names_the_pictures_the_tables_and_commands_that_can_be_parsed():
    pictures, tables = (
        re.findall(r"`([a-z-]+)`", HOW_TO.split(head)[1].split(end)[0])
        for head, end in (("6.75 inches):", ", whichever apply"), ("**Tables.**", ", and `claims`"))
    )
    assert pictures == list(PICTURES) and tables == [t.name for t in tables_of(made.records(), made.ENTRIES)]
    lines = re.findall(r"^holdfast (.+?)(?: +#.*)?$", HOW_TO, re.MULTILINE)
    assert len(lines) == 7
    for line in lines:
        name, *arguments = line.split()
        get_command(app).commands[name].make_context(name, arguments)
