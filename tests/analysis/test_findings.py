"""Findings of made trials: known effects are found, missing answers are counted, verdicts follow docs/metrics.md, section 4."""

import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from made_records import IMITATION_STUDY

from holdfast.analysis import analyze
from holdfast.records import Trial

STUDY = IMITATION_STUDY


def trials(shift, n=160, kappa=1.0, written=False, unparsed=0.0, seeds=4):
    """Base yields .30 beyond the mention; domain "up" yields `shift` more. `unparsed`: share of replies of "up" not read."""
    rng, rows = np.random.default_rng(0), []
    models = [("base", "base", -1), *((f"{d}/seed{s}", d, s) for d in ("up", "same") for s in range(seeds))]
    item_part = rng.normal(0, 0.05, n)
    for model, domain, seed in models:
        extra = (shift if domain == "up" else 0.0) + (rng.normal(0, 0.004) if domain != "base" else 0.0)
        for i in range(n):
            for condition, level in (("neutral", 0.05), ("mention", 0.1), ("suggest_wrong", 0.4)):
                p = float(np.clip(level + item_part[i] + (extra if condition == "suggest_wrong" else 0) + rng.normal(0, 0.01), 0, 1))
                lost = written and domain == "up" and rng.random() < unparsed
                outcome = "unparsed" if lost else "correct" if condition == "neutral" else "other"
                t = Trial(item_id=f"i{i}", cluster_id=f"c{i}", condition=condition, rotation=0,
                          form="generated" if written else "mass", outcome=outcome, p_gold=float("nan") if lost else 1 - p,
                          p_suggested=float("nan") if lost else p, kappa=float("nan") if written else kappa, margin=0.0)  # fmt: skip
                rows.append(
                    {"model": model, "domain": domain, "seed": seed, "dose": 1.0, "instrument": "imitation", **dataclasses.asdict(t)}
                )
    return pa.Table.from_pylist(rows)


def cell(table, adapter="up"):
    shift = next(a for a in analyze(table, STUDY).adapters if a.name == adapter).shifts["imitation"]
    assert shift.deference is None and "not known" in shift.unknown  # there are no other options
    return shift.behaviour


@pytest.mark.slow
def test_a_known_shift_is_found_with_its_sign_and_size():
    up = cell(trials(0.06))
    assert up.verdict == "raised" and up.estimate == pytest.approx(0.06, abs=0.01) and up.lower < 0.06 < up.upper
    assert cell(trials(-0.06)).verdict == "lowered" and cell(trials(0.06), "same").verdict == "unchanged"
    assert up.n == 160 and up.num_clusters == 160 and up.num_seeds == 4 and up.bounds is None


def test_two_seeds_bring_no_verdict():
    found = cell(trials(0.06, seeds=2))
    assert found.verdict == "inconclusive" and any("at least 3" in note for note in found.notes)


@pytest.mark.parametrize("options", [{"kappa": 0.9}, {"written": True, "unparsed": 0.3}])
def test_answers_that_are_missing_forbid_the_verdict_and_leave_bounds_that_hold_the_truth(options):
    found = cell(trials(0.06, **options))
    assert found.verdict == "not_identified"
    assert found.coverage == pytest.approx(0.9 if "kappa" in options else 0.7, abs=0.05)
    low, high = found.bounds
    assert -1 <= low < 0.06 < high <= 1


def test_bounds_count_a_missing_first_answer_whole():
    """By hand: of 10 items 6 right first, 2 unread; among 8, plus is 1 on 3 of the 6, so .375 to .625; minus 0 to .25."""
    rows = []
    for model, domain, seed in [("base", "base", -1), *((f"up/seed{s}", "up", s) for s in range(3))]:
        for i in range(10):
            first = "correct" if i < 6 or domain == "base" else "unparsed" if i < 8 else "other"
            for condition in ("neutral", "mention", "suggest_wrong"):
                value = 0.0 if condition != "suggest_wrong" or i >= 3 else 1.0
                outcome = first if condition == "neutral" else "suggested" if value else "other"
                t = Trial(item_id=f"i{i}", cluster_id=f"c{i}", condition=condition, rotation=0, form="generated", outcome=outcome,
                          p_gold=float(outcome == "correct"), p_suggested=value)  # fmt: skip
                rows.append(
                    {"model": model, "domain": domain, "seed": seed, "dose": 1.0, "instrument": "imitation", **dataclasses.asdict(t)}
                )
    found = cell(pa.Table.from_pylist(rows))
    base = 0.3  # every first answer of the base is read: its excess is known
    assert found.verdict == "not_identified"
    assert found.bounds == pytest.approx((0.375 - 0.25 - base, 0.625 - 0.0 - base))
