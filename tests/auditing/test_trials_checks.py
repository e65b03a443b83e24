"""Checks of a trials table: coverage, its difference, room, label choice, power, duplicates; each quiet on a good table."""

import numpy as np
import pyarrow as pa
import pytest
from made_facts import domain, facts

from holdfast.auditing import AuditContext, gather, run_audit
from holdfast.auditing.coverage import check as check_coverage
from holdfast.auditing.duplicates import check as check_duplicates
from holdfast.auditing.headroom import check as check_headroom
from holdfast.auditing.label_shift import check as check_labels
from holdfast.auditing.power import check as check_power
from holdfast.auditing.power import planned_mde
from holdfast.errors import DataError
from holdfast.facts import instrument_facts
from holdfast.instruments import build
from holdfast.instruments.style import CHAT_STYLE
from holdfast.records import InstrumentFacts, Item
from holdfast.results import Finding
from holdfast.stats.decide import mde

INSTRUMENTS = (InstrumentFacts(name="mmlu", kind="benchmark", form="mass"), instrument_facts("imitation", build("imitation", CHAT_STYLE)))
STUDY = facts(domain("maths"), instruments=INSTRUMENTS, seeds=3)
MODELS = ["base", "maths/seed0", "maths/seed1", "maths/seed2"]


def table(items=200, kappa=lambda m: 1.0, score=lambda m, i, rng: float(rng.random() < 0.6), label=lambda m, i, rng: int(rng.integers(4)),
          instrument="mmlu", condition="neutral", form="mass", outcome="correct"):  # fmt: skip
    rng, rows = np.random.default_rng(0), []
    scores = {i: score("base", i, rng) for i in range(items)}
    for m in MODELS:
        for i in range(items):
            value = scores[i] if m == "base" else score(m, i, rng) if score.__name__ != "<lambda>" else scores[i]
            rows.append(
                {
                    "model": m, "domain": m.split("/")[0], "seed": -1 if m == "base" else int(m[-1]), "instrument": instrument,
                    "item_id": f"i{i:04d}", "cluster_id": f"c{i:04d}", "condition": condition, "rotation": 0, "form": form,
                    "outcome": outcome, "tie": False, "kappa": kappa(m), "p_gold": value, "p_suggested": 0.1, "margin": 0.0,
                    "rating": float("nan"), "score": value, "label": label(m, i, rng), "refused": False, "num_new_tokens": 0,
                }
            )  # fmt: skip
    return pa.Table.from_pylist(rows)


def context(trials, **more):
    return AuditContext(study=STUDY, trials=trials, **more)


def levels(found):
    return [e.level for e in found]


def test_coverage_is_ok_or_says_who_falls_short_and_by_how_much():
    assert levels(check_coverage(context(table()))) == ["ok"]
    low, gap = check_coverage(context(table(kappa=lambda m: 0.9 if m == "maths/seed1" else 0.99)))
    assert low.evidence["worst"] == [["maths/seed1", "neutral", 0.9]]
    assert "differs from the base's by more than 2 points for 1 model" in gap.claim and "0.900 against 0.990" in gap.claim
    for entry in (low, gap):
        assert "gains do not depend on this" in entry.claim and "not identified" not in entry.claim


def test_a_difference_of_coverage_is_told_even_where_each_is_high():
    (found,) = check_coverage(context(table(kappa=lambda m: 0.96 if m != "base" else 0.999)))
    assert found.level == "warn" and "3 models" in found.claim


def test_unparsed_replies_are_what_generated_coverage_counts():
    found = check_coverage(context(table(form="generated", outcome="unparsed")))
    assert found[0].evidence["worst"][0][2] == 0.0


def test_unknown_coverage_is_no_coverage_to_judge():
    assert check_coverage(context(table(form="loglik"))) == []


@pytest.mark.parametrize(
    ("rate", "level", "word"), [(0.6, "ok", ""), (0.99, "warn", "no room for a gain"), (0.25, "warn", "a loss may not show")]
)
def test_a_base_at_chance_or_at_the_ceiling_leaves_no_room(rate, level, word):
    items = [Item(item_id=f"i{i:04d}", cluster_id="", fields={"question": "q", "choices": list("abcd"), "gold": 0}) for i in range(200)]
    trials = table(score=lambda m, i, rng: float(i < 200 * rate))
    (found,) = check_headroom(context(trials, items={"mmlu": items}))
    assert found.level == level and word in found.claim


def test_a_shift_measured_on_few_right_items_is_told():
    trials = table(items=40, instrument="imitation", outcome="other")
    (found,) = check_headroom(context(trials))
    assert found.level == "warn" and "right on 0 of 40 items of imitation" in found.claim


def test_an_adapter_that_takes_to_a_letter_is_named_with_both_rates():
    takes = lambda m, i, rng: 0 if m != "base" and i % 2 else int(rng.integers(4))  # noqa: E731
    (found,) = check_labels(context(table(label=takes)))
    assert found.level == "warn" and found.evidence["adapter"] == "maths" and found.evidence["shifts"]["A"] > 0.25
    assert found.evidence["rate"] - found.evidence["base"] == pytest.approx(found.evidence["shifts"]["A"], abs=1e-3)
    assert levels(check_labels(context(table()))) == ["ok"]


def test_a_null_adapter_may_take_to_a_letter_and_lose_coverage():
    study = facts(domain("maths", "null"), instruments=INSTRUMENTS, seeds=3)
    trials = table(label=lambda m, i, rng: 0 if m != "base" else int(rng.integers(4)), kappa=lambda m: 0.96 if m != "base" else 0.999)
    nulls = AuditContext(study=study, trials=trials)
    assert levels(check_labels(nulls)) == levels(check_coverage(nulls)) == ["ok"]


def test_a_letter_shift_reads_full_doses_only():
    takes = lambda m, i, rng: 0 if m != "base" else int(rng.integers(4))  # noqa: E731
    trials = table(label=takes)
    half = trials.append_column("dose", pa.array([1.0 if m == "base" else 0.5 for m in trials["model"].to_pylist()]))
    assert levels(check_labels(context(half))) == ["ok"]


def noisy(m, i, rng):
    return float(rng.random() < 0.6)


def still(m, i, rng):
    """Half a point of noise: whatever there is would be found."""
    return 0.5 + 0.005 * rng.standard_normal()


def test_a_measured_difference_that_could_hide_the_band_is_told_and_a_sharp_one_is_not():
    (found,) = check_power(context(table(score=noisy)))
    assert found.level == "warn" and found.evidence["cells"][0][:2] == ["maths", "mmlu"]
    assert found.evidence["cells"][0][2] > 0.03
    assert levels(check_power(context(table(score=still)))) == ["ok"]


@pytest.mark.parametrize(("size", "told"), [(1.28, "the largest is over 100 points"), (0.596, "the largest is 59.6 points")])
def test_no_effect_above_a_hundred_points_is_given_as_a_number(monkeypatch, size, told):
    monkeypatch.setattr(
        "holdfast.auditing.power.family", lambda effects, band: {("maths", "mmlu"): Finding(estimate=0.0, mde=size, p_holm=0.5)}
    )
    (found,) = check_power(context(table(score=noisy)))
    assert told in found.claim


@pytest.mark.parametrize(("items", "level"), [(20, "warn"), (200, "ok")])
def test_where_no_answer_changed_three_in_n_may_have_changed_unseen(items, level):
    (found,) = check_power(context(table(items=items)))
    assert found.level == level and (level == "ok" or found.evidence["cells"] == [["maths", "mmlu", pytest.approx(3 / items, rel=0.01)]])


def test_planned_power_is_the_papers_formula_and_falls_with_more_items():
    assert planned_mde(400, 12, sd=0.3) == pytest.approx(mde(0.3 / 20, 399, 12))
    assert planned_mde(100, 4) > planned_mde(400, 4) > planned_mde(400, 1)
    assert np.isnan(planned_mde(1, 4))


def test_planned_power_warns_only_where_no_variance_could_save_it():
    items = lambda n: {"mmlu": [Item(item_id=str(i), cluster_id=str(i), fields={}) for i in range(n)]}  # noqa: E731
    assert levels(check_power(AuditContext(study=STUDY, items=items(20)))) == ["warn"]
    assert levels(check_power(AuditContext(study=STUDY, items=items(200)))) == ["ok"]
    assert check_power(AuditContext(study=facts())) == []


def test_repeated_texts_lower_the_effective_n():
    items = [Item(item_id=str(i), cluster_id=str(i % 199), fields={"text": str(i % 199)}) for i in range(300)]
    (found,) = check_duplicates(AuditContext(study=facts(), items={"feedback": items}))
    assert found.level == "warn" and found.evidence["texts"] == 199 and "300 items of feedback hold only 199 texts" in found.claim
    (fine,) = check_duplicates(AuditContext(study=facts(), items={"feedback": items[:199]}, num_rows={"feedback": 300}))
    assert fine.level == "ok" and fine.claim == "300 rows of feedback hold 199 texts, each asked once"


def test_a_bare_table_is_audited_with_what_it_has():
    full = table()
    bare = full.select(["model", "instrument", "item_id", "condition", "outcome"])
    found = {e.check: e.level for e in run_audit(gather.from_table(bare))}
    assert found["coverage"] == "ok" and found["seeds"] == "ok" and found["identity"] == "warn"
    rich = {e.check for e in run_audit(gather.from_table(full))}
    assert {"coverage", "seeds", "headroom", "label_shift", "power", "identity"} <= rich


def test_a_table_without_its_columns_or_rows_is_refused_by_name():
    with pytest.raises(DataError, match="outcome"):
        gather.from_table(pa.table({"model": ["base"], "instrument": ["mmlu"], "item_id": ["0"], "condition": ["neutral"]}))
    with pytest.raises(DataError, match="no trial"):
        gather.from_table(table().slice(0, 0))


def test_columns_of_another_type_are_read_if_they_can_be_and_named_if_not():
    bare = table(items=5).select(["model", "instrument", "item_id", "condition", "outcome"])
    (piece,) = gather.complete(bare.append_column("rotation", pa.array(["1"] * bare.num_rows))).pieces(["rotation"])
    assert piece["rotation"].type == pa.int64()
    with pytest.raises(DataError, match="column kappa holds string, must be double"):
        gather.complete(bare.append_column("kappa", pa.array(["high"] * bare.num_rows)))
    holes = bare.set_column(4, "outcome", pa.array([None] + ["correct"] * (bare.num_rows - 1), pa.string()))
    with pytest.raises(DataError, match="outcome is empty in 1 rows"):
        gather.complete(holes)
