"""The command: parts kept and taken up, a table of 80 columns, a page that holds the result's own numbers."""

import dataclasses
import json
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast import calibration
from holdfast.calibration import page, run
from holdfast.calibration.run import Settings, calibrate, problems
from holdfast.cli.app import app

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


def test_progress_adds_up_to_the_work_announced(made):
    _, _, ticks = made
    assert ticks.done == ticks.total > 1000


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
        calibrate(dataclasses.replace(TINY, seed=1), out, Ticks())


def test_the_table_is_readable_at_80_columns_and_names_every_scenario(made):
    _, found, _ = made
    lines = page.text(found | {"problems": ["a planted value of a name that is long " * 4]}).splitlines()
    assert max(map(len, lines)) <= 80
    assert all(any(line.startswith(s.name) for line in lines) for s in run.SCENARIOS)


def test_the_charts_are_drawn_offline_with_a_mark_for_every_number(made):
    _, found, _ = made
    plot, coverage = page.charts(found)
    shown = [
        r
        for r in found["recovery"]["rows"]
        if r["recovered"] is not None and "sensitivity" not in r["metric"] and "margin" not in r["metric"]
    ]
    assert plot.count('aria-roledescription="circle"') == len(shown) > 200
    assert "few clusters" in coverage and "<script" not in page.page(found) and "http://www.w3.org" in plot


def test_organisms_run_only_when_given_and_stand_in_the_result(made, tmp_path):
    out, found, _ = made
    assert "organisms" not in found
    cell = {"rate": 0.25, "yield": {"recovered": {"estimate": 0.231}}}
    trained = {"axes": {"doubt": [cell]}, "agrees": False, "max_gap": {"doubt": 0.4}, "tolerance": 0.08}
    with_them = calibrate(TINY, out, Ticks(), organisms=lambda folder: {**trained, "folder": folder.name})
    assert with_them["organisms"]["folder"] == "organisms" and "missed by 0.400" in with_them["problems"][-1]
    for shown in (page.text(with_them), page.markdown(with_them)):
        assert "doubt        planted 0.250  recovered 0.231" in shown
    assert "trained organisms" not in page.text(found)
    (out / "calibration.json").write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")


def test_a_value_that_is_not_recovered_and_a_rate_beyond_its_limit_are_both_problems(made):
    _, found, _ = made
    broken = json.loads(json.dumps(found))
    broken["recovery"]["rows"][0]["recovered_it"] = False
    broken["studies"][0]["rates"]["false_verdict"] = {"rate": 0.5, "se": 0.01, "n": 100}
    unpromised = next(p for p in broken["studies"] if not p["promised"])
    unpromised["rates"]["false_verdict"] = {"rate": 0.4, "se": 0.01, "n": 100}
    told = problems(broken)
    assert any("40.0 %" in p for p in run.limits(broken)) and not any("40.0 %" in p for p in told)
    assert any(broken["recovery"]["rows"][0]["metric"] in p for p in told) and any("false verdict in 50.0 %" in p for p in told)


@pytest.mark.parametrize(("strict", "code"), [([], 0), (["--strict"], 1)])
def test_strict_leaves_with_1_when_something_is_beyond_what_is_promised(made, tmp_path, monkeypatch, strict, code):
    _, found, _ = made
    monkeypatch.setattr(calibration, "calibrate", lambda settings, out, progress, organisms: _write(out, {**found, "problems": ["x: y"]}))
    written = CliRunner().invoke(
        app, ["calibrate", "--quick", "-o", str(tmp_path / "out"), "--page", str(tmp_path / "new/page.md"), *strict]
    )
    assert written.exit_code == code, written.output
    assert "1 beyond what is promised" in written.output and (tmp_path / "out/calibration.html").is_file()
    assert (tmp_path / "new/page.md").read_text().startswith("# Calibration") and (tmp_path / "new/page.json").is_file()


def _write(out, found):
    out.mkdir(parents=True)
    (out / "calibration.json").write_text(json.dumps(found))
    return found


def test_a_page_that_is_no_markdown_is_refused_before_anything_runs(tmp_path):
    result = CliRunner().invoke(app, ["calibrate", "--page", "x.html", "-o", str(tmp_path / "out")])
    assert result.exit_code != 0 and "must be a Markdown file" in str(result.exception) and not (tmp_path / "out").exists()


def test_the_page_in_the_documentation_is_rendered_from_the_result_beside_it():
    found = json.loads((DOCS / "calibration.json").read_text(encoding="utf-8"))
    assert page.markdown(found) == (DOCS / "calibration.md").read_text(encoding="utf-8")
    assert found["settings"]["num_studies"] >= 2000 and found["problems"] == problems(found)
    assert {p["scenario"] for p in found["studies"]} == {s.name for s in run.SCENARIOS}
