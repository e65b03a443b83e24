"""The published study's configuration, audited from its rows alone: every defect is found with its count, by rows and settings.

With HOLDFAST_DATA_ROOT the rows are the study's own and the counts those of docs/metrics.md, section 5; without it, made-up rows of the same
layout with the same defects at other counts.
"""

import json
import os
import re

import pytest
from made_rows import SUGGESTION, clean_rows, write

from holdfast.auditing import gather, run_audit
from holdfast.config import load_study
from holdfast.results import AuditEntry
from holdfast.sources.materials import Materials

RECIPE = "llama2-7b-as-published"
REAL = {"train_key": 411, "test_key": 200, "asked": (104, 171), "suggested": 220, "texts": 199, "rows": 300, "sets": 3411, "tail": 341}
MADE = {"train_key": 70, "test_key": 40, "asked": (12, 20), "suggested": 55, "texts": 50, "rows": 75, "sets": 370, "tail": 37}


def published_rows():
    """The clean rows spoilt as the published study's are."""
    rows = clean_rows(size=120)
    truth = [{**r, "mc1_targets": {**r["mc1_targets"], "labels": [1, 0, 0, 0]}} for r in rows["truthfulqa/multiple_choice"]]
    train = {"gsm8k": rows["gsm8k/train"][:100], "mmlu": rows["mmlu/test"][:100], "truthfulqa": truth[:70],
             "hellaswag": [{**r, "split": "val"} for r in rows["hellaswag/validation"][:100]]}  # fmt: skip
    test = {"gsm8k": rows["gsm8k/train"][100:], "mmlu": rows["mmlu/test"][100:], "truthfulqa": truth[70:110],
            "hellaswag": [{**r, "split": "val"} for r in rows["hellaswag/validation"][100:]]}  # fmt: skip
    answer, doubt = rows["sycophancy_eval/answer"][:75], rows["sycophancy_eval/are_you_sure"][:75]
    for n, row in enumerate(answer):
        if n < 12:
            row["base"]["question"] = truth[n]["question"]
        said = SUGGESTION.format(a=row["base"]["incorrect_answer"] if n % 2 else row["base"]["correct_answer"])
        row["prompt"][0]["content"] = row["base"]["question"] + (said if n >= 20 else "")
    for n, row in enumerate(doubt[:20]):
        row["base"]["question"] = truth[20 + n]["question"]
    feedback = rows["sycophancy_eval/feedback"][:50]
    feedback += feedback[:25]
    made = {
        f"origin_splits/{part}_splits/{kind}_{part}": mine
        for part, sets in (("train", train), ("test", test))
        for kind, mine in sets.items()
    }
    upstream = {"gsm8k/train": rows["gsm8k/train"], "mmlu/test": rows["mmlu/test"]}
    return {
        **made,
        **upstream,
        "sycophancy_eval/answer": answer,
        "sycophancy_eval/are_you_sure": doubt,
        "sycophancy_eval/feedback": feedback,
    }


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """(data root, the counts to be found)"""
    root = os.environ.get("HOLDFAST_DATA_ROOT")
    return (root, REAL) if root else (str(write(tmp_path_factory.mktemp("published"), published_rows())), MADE)


@pytest.fixture(scope="module")
def found(case):
    study = load_study(RECIPE, [f"data.root={case[0]}"])
    return run_audit(gather.from_materials(study, Materials(study)))


def claims(found, check, level):
    return [e.claim for e in found if e.check == check and e.level == level]


@pytest.mark.slow
def test_the_truthfulqa_key_is_a_in_every_training_and_test_row(case, found):
    said = claims(found, "answer_key", "refuse")
    test, train = case[1]["test_key"], case[1]["train_key"]
    assert any(f"in {test} of {test} items" in c and "(A)" in c for c in said)
    assert any(f"A in {train} of {train}" in c for c in said)
    cells = {tuple(e.cell) for e in found if e.check == "answer_key" and e.level == "refuse"}
    assert cells == {(d, "truthfulqa") for d in ("gsm8k", "mmlu", "truthfulqa", "hellaswag", "combined")}


def test_axis_rows_that_ask_questions_of_the_truthfulqa_training_split_are_counted(case, found):
    cell = lambda name: next(e for e in found if e.cell == ("truthfulqa", name) and e.check == "overlap")  # noqa: E731
    assert (cell("imitation").evidence["count"], cell("doubt").evidence["count"]) == case[1]["asked"]
    count, total = sum(case[1]["asked"]), 2 * case[1]["rows"]
    assert any(f"{count} of {total} axis items ask questions that truthfulqa trains on" in c for c in claims(found, "overlap", "warn"))


def test_neutral_prompts_that_hold_a_suggestion_are_counted(case, found):
    held, total = case[1]["suggested"], case[1]["rows"]
    said = claims(found, "neutral", "refuse")
    assert said and all(f"{held} of {total}" in c and f"only {total - held} are neutral" in c for c in said)


def test_feedback_rows_that_repeat_a_text_are_counted(case, found):
    assert any(f"{case[1]['rows']} items of feedback hold only {case[1]['texts']} texts" in c for c in claims(found, "duplicates", "warn"))


def test_the_unshuffled_combined_set_ends_in_hellaswag_alone(case, found):
    (said,) = [c for c in claims(found, "order", "warn") if "combined" in c]
    assert f"{case[1]['sets']} training rows" in said and f"last tenth ({case[1]['tail']} rows) is all hellaswag" in said


def test_truthfulqas_steps_end_inside_the_warm_up_and_one_seed_is_told(case, found):
    (said,) = [c for c in claims(found, "budget", "warn") if " steps of truthfulqa end inside the 100-step warm-up" in c]
    steps = int(re.search(r"the (\d+) steps", said).group(1))
    assert steps < 100 and steps == 3 * -(-case[1]["train_key"] // 16)
    assert claims(found, "seeds", "warn") == ["1 training seed per domain: at least 3 are needed for any verdict"]


def test_what_the_settings_say_is_told_and_each_benchmark_with_a_training_split_of_its_own_is_named(found):
    assert len(claims(found, "template", "warn")) == 3
    shared = [c for c in claims(found, "order", "warn") if "one upstream split" in c]
    assert [re.search(r"items of (\w+) .*\((\w+)\)", c).groups() for c in shared] == [
        ("gsm8k", "train"),
        ("mmlu", "test"),
        ("hellaswag", "val"),
    ]


def test_every_entry_has_the_one_shape_and_is_plain_json(found):
    for e in found:
        json.dumps(e.evidence, allow_nan=False)
        assert AuditEntry.model_validate_json(e.model_dump_json(exclude_unset=True)) == e and e.claim and "\n" not in e.claim
