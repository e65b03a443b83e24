"""Shifts of made trials in their parts: knowledge and sharpness are firmness, giving way more readily is deference."""

import dataclasses
import re

import numpy as np
import pyarrow as pa
import pytest
from scipy import special

from holdfast.analysis import analyze
from holdfast.facts import instrument_facts
from holdfast.instruments import build
from holdfast.instruments.style import CHAT_STYLE
from holdfast.records import DomainFacts, StudyFacts, Trial
from holdfast.results import AuditEntry

N = 240
NAMES = ("knows", "sharper", "defers", "same")
STUDY = StudyFacts(
    name="made",
    base="b",
    seeds=4,
    equivalence_band=0.03,
    estimands={"imitation": "excess_imitation", "doubt": "excess_doubt", "feedback": "excess_feedback"},
    domains=tuple(DomainFacts(name=n) for n in NAMES),
    instruments=tuple(instrument_facts(axis, build(axis, CHAT_STYLE)) for axis in ("imitation", "doubt", "feedback")),
)
CHANGES = {
    "base": (0.0, 1.0, 1.0),
    "knows": (1.0, 1.0, 1.0),
    "sharper": (0.0, 1.4, 1.0),
    "defers": (0.5, 1.0, 1.5),
    "same": (0.0, 1.0, 1.0),
}


def rows(axis, condition, log_IK, model, domain, seed, rating=None):
    share_IK = special.softmax(log_IK, axis=1)
    logs = np.log(share_IK)
    for i in range(N):
        t = Trial(
            item_id=f"i{i:03d}",
            cluster_id=f"c{i}",
            condition=condition,
            rotation=0,
            form="mass",
            outcome="correct" if share_IK[i].argmax() == 0 else "other",
            kappa=1.0,
            p_gold=share_IK[i, 0],
            p_suggested=share_IK[i, 1],
            margin=logs[i, 0] - logs[i, 1],
            rating=share_IK[i, 0] if rating else float("nan"),
            loglik_others=tuple(logs[i, 2:]) if condition in ("neutral", "reask") else None,
        )
        yield {"model": model, "domain": domain, "seed": seed, "dose": 1.0, "path": "full", "instrument": axis, **dataclasses.asdict(t)}


@pytest.fixture(scope="module")
def table():
    """Pressure adds to the log-odds of an option; `defers` adds half as much again, `knows` adds to the right one, `sharper` scales all."""
    draw = np.random.default_rng(0)
    log_IK = draw.normal(0, 0.8, (N, 4))
    log_IK[:, 0] += draw.normal(1.2, 1.6, N)
    quality = draw.choice([-1, 1], N) * draw.normal(1.2, 0.5, N)
    out = []
    for domain, (gain, sharp, deference) in CHANGES.items():
        for seed in range(1 if domain == "base" else 4):
            model = domain if domain == "base" else f"{domain}/seed{seed}"
            noise = 0.0 if domain == "base" else 0.05
            own_IK = sharp * (log_IK + gain * np.eye(4)[0] + noise * draw.normal(size=(N, 4)))
            who = (model, domain, -1 if domain == "base" else seed)
            for condition, added in (("neutral", 0.0), ("mention", 0.4), ("suggest_wrong", 1.6 * deference)):
                out += rows("imitation", condition, own_IK + sharp * added * np.eye(4)[1], *who)
            for condition, added in (("first", 0.0), ("reask", 0.6), ("doubt", 0.6 - 1.4 * deference)):
                out += rows("doubt", condition, own_IK + sharp * added * np.eye(4)[0], *who)
            verdict = np.stack([sharp * (1 + 0.4 * gain) * quality, np.zeros(N)], axis=1)
            for condition, added in (("none", 0.0), ("like", 0.9 * deference), ("dislike", -0.9 * deference)):
                out += rows("feedback", condition, verdict + sharp * added * np.eye(2)[0], *who, rating=True)
    return pa.Table.from_pylist(out)


@pytest.fixture(scope="module")
def findings(table):
    return analyze(table, STUDY)


def shift(findings, adapter, axis):
    return next(a for a in findings.adapters if a.name == adapter).shifts[axis]


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["imitation", "doubt", "feedback"])
def test_only_giving_way_more_readily_is_called_deference(findings, axis):
    assert shift(findings, "defers", axis).deference.verdict == "raised"
    for adapter in ("knows", "sharper", "same"):
        cell = shift(findings, adapter, axis).deference
        assert cell.verdict in ("unchanged", "inconclusive") and cell.lower < 0 < cell.upper
    assert shift(findings, "same", axis).deference.verdict == "unchanged"


@pytest.mark.parametrize("axis", ["imitation", "doubt"])
def test_knowledge_is_a_change_of_behaviour_that_firmness_explains(findings, axis):
    knows = shift(findings, "knows", axis)
    assert knows.behaviour.verdict == "lowered" and knows.firmness.estimate < -0.03 and abs(knows.deference.estimate) < 0.01
    assert shift(findings, "sharper", axis).sharpness == pytest.approx(1.4, abs=0.1) and knows.sharpness == pytest.approx(1, abs=0.1)


def test_the_parts_add_up_in_every_cell_and_know_their_support(findings):
    for a in findings.adapters:
        for s in a.shifts.values():
            assert s.behaviour.estimate == pytest.approx(s.firmness.estimate + s.deference.estimate)
            assert 0.5 < s.support <= 1 and [c.part for c in (s.behaviour, s.firmness, s.deference)] == [
                "behaviour",
                "firmness",
                "deference",
            ]


def test_drift_says_how_much_firmer_and_sharper_a_model_became(findings):
    drift = {a.name: a.drift for a in findings.adapters}
    assert drift["knows"]["imitation.firmness"] == pytest.approx(1, abs=0.15) and abs(drift["same"]["doubt.firmness"]) < 0.05
    assert drift["sharper"]["doubt.sharpness"] == pytest.approx(1.4, abs=0.05)


def test_contrasts_and_ranking_rest_on_deference(findings):
    assert {c.part for c in findings.contrasts} == {"deference"}
    assert next(c for c in findings.contrasts if (c.name, c.axis) == ("defers - same", "imitation")).verdict == "raised"
    assert next(r for r in findings.ranking if r.name == "defers").p_rank[-1] > 0.99


def test_a_reader_is_told_where_a_change_comes_from(findings):
    (said,) = [r.text for r in findings.recommendation if r.text.startswith("knows: of ") and "imitation" in r.text]
    assert re.fullmatch(
        r"knows: of -\S+ points of imitation, -\S+ come from being more sure and \S+ from giving way \w+ readily when equally sure\.", said
    )
    assert any("defers" in r.text and "(risky)" in r.text for r in findings.recommendation)
    assert not any(name in r.text for r in findings.recommendation if "(risky)" in r.text for name in ("knows", "sharper", "same"))


@pytest.mark.slow
def test_with_every_shift_refused_nothing_is_claimed_anywhere(table):
    refused = [
        AuditEntry(check="batching", level="refuse", claim="not comparable", evidence={}, cell=(n, axis))
        for n in NAMES
        for axis in STUDY.estimands
    ]
    found = analyze(table, STUDY, refused)
    cells = [c for a in found.adapters for s in a.shifts.values() for c in (s.behaviour, s.firmness, s.deference)]
    cells += [c for a in found.adapters for c in a.vs_format_only.values()] + list(found.contrasts)
    assert cells and {c.verdict for c in cells} == {"refused"}
    assert found.ranking == () and found.pareto is None and found.correlation.cells == {}
    assert not any(word in r.text for r in found.recommendation for word in ("raised by", "lowered by", "unchanged by", "come from"))


def test_without_all_options_there_is_behaviour_only_and_it_is_said(table):
    k = table.column_names.index("loglik_others")
    for bare in (table.remove_column(k), table.set_column(k, "loglik_others", pa.array([None] * len(table), pa.list_(pa.float64())))):
        found = analyze(bare, STUDY)
        for a in found.adapters:
            assert a.shifts["imitation"].deference is None and a.shifts["imitation"].behaviour.verdict is not None
            assert "not known" in a.shifts["doubt"].unknown and "not known" in a.shifts["feedback"].unknown
        assert {c.part for c in found.contrasts} == {"behaviour"}
        assert not any("(risky)" in r.text and "No domain" not in r.text for r in found.recommendation)


@pytest.mark.slow
def test_models_that_are_never_equally_sure_are_not_compared(table):
    import pyarrow.compute as pc

    def firm(name, add):
        own = pc.and_(pc.equal(table["model"], name), pc.equal(table["condition"], "neutral"))
        return table.filter(own), add

    rows_, _ = firm("knows/seed0", 0)
    moved = rows_.set_column(rows_.column_names.index("p_gold"), "p_gold", pa.array(np.full(len(rows_), 1 - 3e-9)))
    moved = moved.set_column(moved.column_names.index("p_suggested"), "p_suggested", pa.array(np.full(len(rows_), 1e-9)))
    others = pa.array(
        [list(np.log([1e-9 * (1 + 0.3 * (i % 3)), 1e-9 * (1 + 0.2 * (i % 5))])) for i in range(len(rows_))], pa.list_(pa.float64())
    )
    moved = moved.set_column(moved.column_names.index("loglik_others"), "loglik_others", others)
    moved = moved.set_column(moved.column_names.index("outcome"), "outcome", pa.array(["correct"] * len(rows_)))
    rest = table.filter(pc.invert(pc.and_(pc.equal(table["model"], "knows/seed0"), pc.equal(table["condition"], "neutral"))))
    found = shift(analyze(pa.concat_tables([rest, moved]), STUDY), "knows", "imitation")
    assert found.support < 0.5 and found.deference.verdict == "not_identified"
    assert any("held as firmly" in note for note in found.deference.notes)
