"""What is planted in a scripted responder is what the real instruments and the real analysis find."""

import dataclasses
import json
import os

import numpy as np
import pytest

from holdfast.errors import DataError
from holdfast.instruments import available, build
from holdfast.instruments.style import CHAT_STYLE
from holdfast.sources import axis_items, items_from_rows, read_rows
from holdfast.sources.distinct import RowNotes
from holdfast_calibration.plant import PULLS, Plant
from holdfast_calibration.questionnaires import ROWS, Section, questionnaires
from holdfast_calibration.recovery import BASE, MORE, PLANTS, ask, recover, recover_exactly
from holdfast_calibration.responder import ScriptedResponder

ROOT = os.environ.get("HOLDFAST_DATA_ROOT")


@pytest.fixture(scope="module")
def asked() -> dict[str, list[Section]]:
    return questionnaires(60)


@pytest.fixture(scope="module")
def recovered(asked):
    plants = {"base": BASE, "more": MORE}
    return {name: recover(name, mine, plants) for name, mine in asked.items()}


def test_every_instrument_with_rows_to_plant_is_asked_in_both_forms(asked):
    names = {a.instrument.name for a in asked["world"]}
    assert names == {a.instrument.name for a in asked["rows"]} == set(ROWS) <= set(available())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["world", "rows", "lettered"])
def test_every_metric_of_every_plant_is_recovered_within_its_interval(recovered, name):
    rows, _ = recovered[name]
    assert len(rows) > 40
    assert not [r for r in rows if not r.is_recovered(len(rows))]
    assert np.mean([r.inside for r in rows]) > 0.88


@pytest.mark.parametrize("name", ["world", "lettered"])
def test_where_nothing_is_left_to_chance_the_planted_value_comes_back_to_nine_digits(asked, name):
    rows = recover_exactly(name, asked[name])
    assert len(rows) > 12 and max(abs(r.recovered - r.planted) for r in rows) < 1e-9


def test_every_declared_contrast_is_planted_with_something_other_than_nothing(asked, recovered):
    planted = {r.metric: r.planted for r in recovered["world"][0] if r.model == "more" and r.kind == "level"}
    for a in asked["world"]:
        for c in a.instrument.contrasts:
            assert abs(planted[f"{a.instrument.name} {c.name}"]) > 0.01, c.name


def test_every_condition_an_axis_has_is_one_the_plant_knows(asked):
    known = {*PULLS, "neutral", "first", "none"}
    assert {c for a in asked["world"] if a.instrument.kind == "axis" for c in a.instrument.conditions} <= known


def test_a_wrong_plant_is_not_recovered(recovered):
    """The comparison has teeth: the values of one plant do not pass for those of another."""
    rows, _ = recovered["world"]
    swapped = {(r.model, r.metric): r.planted for r in rows if r.kind == "level"}
    shifted = [dataclasses.replace(r, planted=swapped["more", r.metric]) for r in rows if r.model == "base" and r.kind == "level"]
    missed = {r.metric for r in shifted if not r.inside}
    assert {"imitation excess_imitation_all", "feedback excess_feedback", "doubt excess_doubt_all", "mmlu kappa"} <= missed


@pytest.mark.slow
def test_an_adapter_with_another_character_gets_a_verdict_and_one_with_another_seed_none():
    world = [a for a in questionnaires(150)["world"] if a.instrument.name in ("feedback", "doubt", "mmlu")]
    _, findings = recover("world", world, {k: PLANTS[k] for k in ("base", "more", "same")})
    by_name = {a.name: a for a in findings.adapters}
    assert {s.behaviour.verdict for s in by_name["more"].shifts.values()} == {"raised"}
    assert by_name["more"].gains["mmlu"].verdict == "raised"
    verdicts = {c.verdict for c in (*by_name["same"].gains.values(), *(s.behaviour for s in by_name["same"].shifts.values()))}
    assert verdicts <= {"inconclusive", "unchanged"}


def test_off_format_mass_beyond_the_rule_is_bounded_and_never_a_verdict():
    world = [a for a in questionnaires(60)["world"] if a.instrument.name == "imitation"]
    loose = dataclasses.replace(MORE, off_format=0.2)
    _, findings = recover("world", world, {"base": BASE, "loose": loose})
    cell = findings.adapters[0].shifts["imitation"].behaviour
    assert cell.verdict == "not_identified" and cell.coverage == pytest.approx(0.8)
    assert cell.bounds[0] <= cell.estimate <= cell.bounds[1]


def test_the_first_letter_taken_for_its_place_costs_label_balance_and_not_accuracy(asked):
    mmlu = [a for a in asked["world"] if a.instrument.name == "mmlu"]
    rows, _ = recover("world", mmlu, {"base": dataclasses.replace(BASE, knowledge=1.0, position=0.3)})
    found = {r.metric: r.recovered for r in rows}
    assert found["mmlu first option taken"] > 0.4 and found["mmlu accuracy"] > 0.85


def test_a_responder_answers_alike_in_any_order_and_alone_and_differs_by_seed(asked):
    for a in asked["world"]:
        prompts = [p for item in a.items[:12] for p in a.instrument.prompts(item)]
        responder = ScriptedResponder(BASE, a.instrument, a.items, seed=1)
        together = responder.answer(prompts)
        assert together[::-1] == responder.answer(prompts[::-1]) and together[3:4] == responder.answer(prompts[3:4])
        counted = []
        responder.answer(prompts, key="ignored", progress=counted.append)
        assert sum(counted) == len(prompts)
    other = ScriptedResponder(BASE, a.instrument, a.items, seed=2).answer(prompts)
    assert other != together


def test_a_prompt_of_no_item_is_refused(asked):
    a, b = asked["world"][0], asked["world"][4]
    with pytest.raises(DataError, match="none of this responder's items"):
        ScriptedResponder(BASE, a.instrument, a.items).answer(b.instrument.prompts(b.items[0]))


def test_a_written_reply_that_cannot_be_read_is_neither_a_flip_nor_a_hold(asked):
    imitation = next(a for a in asked["rows"] if a.instrument.name == "imitation")
    trials, _ = ask(ScriptedResponder(Plant(off_format=1.0, apology=1.0), imitation.instrument, imitation.items), imitation)
    assert {t.outcome for t in trials} == {"unparsed"} and all(np.isnan(t.p_gold) and t.apologised for t in trials)
    trials, _ = ask(ScriptedResponder(Plant(refusal=1.0), imitation.instrument, imitation.items), imitation)
    assert {t.outcome for t in trials} == {"unparsed"} and all(t.refused for t in trials)


@pytest.mark.slow
@pytest.mark.skipif(ROOT is None, reason="needs the real rows")
@pytest.mark.parametrize("kind", list(ROWS))
def test_real_rows_give_back_what_is_planted_too(kind):
    hub = {
        "gsm8k": ("openai/gsm8k", "test"), "mmlu": ("cais/mmlu", "validation"), "hellaswag": ("Rowan/hellaswag", "validation_extra_raw"),
        "truthfulqa": ("truthfulqa/truthful_qa", "validation"), "imitation": ("meg-tong/sycophancy-eval", "answer"),
        "doubt": ("meg-tong/sycophancy-eval", "are_you_sure"), "feedback": ("meg-tong/sycophancy-eval", "feedback"),
    }  # fmt: skip
    rows = read_rows(*hub[kind], ROOT)
    items = (
        axis_items(kind, rows, limit=150) if available()[kind].kind == "axis" else items_from_rows(kind, rows, limit=150, notes=RowNotes())
    )
    found, _ = recover("real", [Section(build(kind, CHAT_STYLE), tuple(items))], {"base": BASE, "more": MORE})
    assert not [json.dumps([r.metric, r.planted, r.recovered, r.se]) for r in found if not r.is_recovered(len(found))]
