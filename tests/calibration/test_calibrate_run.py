"""The command: parts kept and taken up, a table of 80 columns, a page that holds the result's own numbers."""

import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

import holdfast_calibration as calibration
from holdfast.cli.app import app
from holdfast.errors import DataError
from holdfast_calibration import page, run
from holdfast_calibration.records import Calibration, Rate, Settings
from holdfast_calibration.run import calibrate, problems, to_json

TINY = Settings(num_items=30, num_studies=4, num_whole=2)
DOCS = Path(__file__).parents[2] / "docs"


class Ticks:
    def __init__(self):
        self.total, self.done = 0, 0

    @contextmanager
    def __call__(self, total, label):
        self.total += total

        def tick(count, name):
            self.done += count

        yield tick


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("calibration")
    ticks = Ticks()
    return out, calibrate(TINY, out, ticks), ticks


@pytest.mark.slow
def test_progress_adds_up_to_the_work_announced(made):
    _, _, ticks = made
    assert ticks.done == ticks.total > 1000


@pytest.mark.slow
def test_a_second_run_takes_up_every_part_and_an_interrupted_one_makes_what_is_missing(made, monkeypatch):
    out, found, _ = made
    monkeypatch.setattr(run, "recover", lambda *a, **k: pytest.fail("recovered again"))
    kept = sorted((out / "parts").iterdir())
    before = (out / "calibration.json").read_bytes()
    lost = next(p for p in kept if b'"scenario":"few clusters"' in p.read_bytes())
    lost.unlink()
    assert calibrate(TINY, out, Ticks()) == found
    assert (out / "calibration.json").read_bytes() == before and sorted((out / "parts").iterdir()) == kept


def test_a_part_made_with_other_code_is_made_again(made, monkeypatch):
    out, _, _ = made
    monkeypatch.setattr(run, "code_digest", lambda: "another estimator")
    monkeypatch.setattr(run, "recover", lambda *a, **k: (_ for _ in ()).throw(InterruptedError))
    with pytest.raises(InterruptedError):
        calibrate(TINY, out, Ticks())


def test_another_seed_or_size_takes_up_nothing_of_the_first(made, monkeypatch):
    out, _, _ = made
    monkeypatch.setattr(run, "recover", lambda *a, **k: (_ for _ in ()).throw(InterruptedError))
    with pytest.raises(InterruptedError):
        calibrate(TINY.model_copy(update={"seed": 1}), out, Ticks())


def test_the_table_is_readable_at_80_columns_and_names_every_scenario(made):
    _, found, _ = made
    lines = page.text(found.model_copy(update={"problems": ("a planted value of a name that is long " * 4,)})).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(s.name) for line in lines) for s in run.SCENARIOS)


def test_the_charts_are_drawn_offline_with_a_mark_for_every_number(made):
    _, found, _ = made
    plot, coverage = page.charts(found)
    shown = [r for r in found.recovery.rows if r.recovered is not None and "sensitivity" not in r.metric and "margin" not in r.metric]
    assert plot.count('aria-roledescription="circle"') == len(shown) > 200
    assert "few clusters" in coverage and "<script" not in page.page(found) and "http://www.w3.org" in plot


def test_trained_organisms_are_taken_up_from_the_output_folder_unless_they_are_left_out(made):
    out, found, _ = made
    assert (
        found.organisms is None
        and "trained organisms" not in page.text(found)
        and "python -m experiments.organisms" in page.markdown(found)
    )
    trained = {"axes": {"doubt": [{"rate": 0.25, "yield": {"recovered": {"estimate": 0.231}}}]}, "agrees": False, "max_gap": {"doubt": 0.4}}
    (out / "organisms").mkdir()
    file = out / "organisms" / "organisms.json"
    file.write_text(json.dumps({**trained, "tolerance": 0.08, "other": 1}))
    with_them = calibrate(TINY, out, Ticks())
    assert json.loads((out / "calibration.json").read_text())["organisms"] == {**trained, "tolerance": 0.08, "other": 1}
    assert "missed by 0.400" in with_them.problems[-1]
    for shown in (page.text(with_them), page.markdown(with_them)):
        assert "doubt        planted 0.250  recovered 0.231" in shown
    file.write_text("{}")
    with pytest.raises(DataError, match="is not a result of the organism experiments; make it with python -m experiments.organisms --out"):
        calibrate(TINY, out, Ticks())
    assert calibrate(TINY, out, Ticks(), organisms=False) == found
    assert "organisms" not in json.loads((out / "calibration.json").read_text())
    file.unlink()


def test_a_value_that_is_not_recovered_and_a_rate_beyond_its_limit_are_both_problems(made):
    _, found, _ = made
    spoiled = Rate(rate=0.5, se=0.01, n=100)
    rows = (found.recovery.rows[0].model_copy(update={"recovered_it": False}), *found.recovery.rows[1:])
    spoil = lambda p: p.model_copy(update={"rates": {**p.rates, "false_verdict": spoiled}})  # noqa: E731
    broken = found.model_copy(
        update={
            "recovery": found.recovery.model_copy(update={"rows": rows}),
            "studies": tuple(spoil(p) if p.scenario in ("3 seeds", "very unlike") else p for p in found.studies),
        }
    )
    problem, limit = problems(broken), run.limits(broken)
    assert any("very unlike" in p and "false verdict in 50.0 %" in p for p in limit) and not any("very unlike" in p for p in problem)
    assert any(rows[0].metric in p for p in problem) and any("3 seeds" in p and "false verdict in 50.0 %" in p for p in problem)


@pytest.mark.parametrize(("strict", "code"), [([], 0), (["--strict"], 1)])
def test_strict_leaves_with_1_when_something_is_beyond_what_is_promised(made, tmp_path, monkeypatch, strict, code):
    _, found, _ = made
    monkeypatch.setattr(
        calibration, "calibrate", lambda settings, out, progress, organisms: _write(out, found.model_copy(update={"problems": ("x: y",)}))
    )
    written = CliRunner().invoke(
        app, ["calibrate", "--quick", "-o", str(tmp_path / "out"), "--page", str(tmp_path / "new/page.md"), *strict]
    )
    assert written.exit_code == code, written.output
    assert "1 beyond what is promised" in written.output and (tmp_path / "out/calibration.html").is_file()
    assert (tmp_path / "new/page.md").read_text().startswith("# Calibration") and (tmp_path / "new/page.json").is_file()


def _write(out, found):
    out.mkdir(parents=True)
    (out / "calibration.json").write_bytes(to_json(found))
    return found


def test_a_page_that_is_no_markdown_is_refused_before_anything_runs(tmp_path):
    result = CliRunner().invoke(app, ["calibrate", "--page", "x.html", "-o", str(tmp_path / "out")])
    assert result.exit_code != 0 and "must be a Markdown file" in str(result.exception) and not (tmp_path / "out").exists()


def test_the_page_in_the_documentation_is_rendered_from_the_result_beside_it():
    found = Calibration.model_validate_json((DOCS / "calibration.json").read_bytes())
    assert page.markdown(found) == (DOCS / "calibration.md").read_text(encoding="utf-8")
    assert found.settings.num_studies >= 2000 and list(found.problems) == problems(found)
    assert {p.scenario for p in found.studies} == {s.name for s in run.SCENARIOS}
