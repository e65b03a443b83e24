"""The calibration of the deference part: parts are kept and taken up, a page says what was promised, measured and not reached."""

import json

import pytest
from experiments.deference import run
from experiments.deference.cases import FAMILIES, wanted
from experiments.deference.counts import Counts
from experiments.deference.page import page, share
from experiments.deference.worlds import AXES


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(run, "CHUNK", 1)
    monkeypatch.setattr(run, "FAMILIES", {"deference": FAMILIES["deference"]})


@pytest.mark.slow
def test_a_part_is_made_once_and_counts_what_its_study_calls(few, tmp_path):
    made = run.make_part(tmp_path, "mixture", "deference", 0, 0)
    (file,) = tmp_path.iterdir()
    assert made == Counts.model_validate_json(file.read_bytes()) and made.studies == 1 and made.false_families == 0
    for k, change in enumerate(FAMILIES["deference"][:2]):  # deference alone: found on every axis
        assert all(made.calls[f"{axis}/{k}/{wanted(change)}"] == 1 for axis in AXES)
    file.write_text(json.dumps({**json.loads(file.read_text()), "behaviour_families": 7}))
    assert run.make_part(tmp_path, "mixture", "deference", 0, 0).behaviour_families == 7  # taken up


def counts(family: str, studies: int, **other) -> Counts:
    blank = {"false_families": 0, "behaviour_families": 0, "calls": {}, "gain": (0.0,) * len(FAMILIES[family])}
    return Counts(response="mixture", family=family, studies=studies, **{**blank, **other})


def test_the_page_names_every_promise_that_is_not_kept():
    found = {f"{axis}/{k}/{wanted(c)}": 400 for axis in AXES for k, c in enumerate(FAMILIES["deference"])}
    kept = page([counts("one change", 400, false_families=20), counts("deference", 400, calls=found)])
    assert "Every promise is kept in every world." in kept and "| mixture | one change | 5.0 % \u00b1 1.1 |" in kept
    missed = page(
        [
            counts("one change", 400, false_families=30),
            counts("deference", 400, calls={**found, "doubt/0/raised": 300, "doubt/0/lowered": 20}),
        ]
    )
    lines = missed.split("## Not reached")[1].strip().splitlines()
    assert len(lines) == 3
    assert "a false call in 7.5 %" in lines[0] and "doubt: found in 75.0 %" in lines[1] and "doubt: the wrong sign in 5.0 %" in lines[2]


def test_parts_of_a_world_are_added_up():
    (whole,) = run.together(
        [counts("one change", 25, false_families=1, calls={"doubt/0/raised": 1}), counts("one change", 75, calls={"doubt/0/raised": 2})]
    )
    assert whole.studies == 100 and whole.false_families == 1 and whole.calls == {"doubt/0/raised": 3}


def test_the_monte_carlo_error_of_no_call_is_not_0():
    rate, error = share(0, 400)
    assert rate == 0 and 0.001 < error < 0.003
