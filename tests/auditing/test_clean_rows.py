"""A clean study of rows is quiet; each single defect is noticed by its own check, with its count, and by no other."""

import copy
import os
import re

import pytest
from made_rows import SUGGESTION, audit_rows, clean_rows, entry_named, loud, study_tree, write

SIZE = 120


@pytest.fixture(scope="module")
def rows():
    return clean_rows(size=SIZE)


@pytest.mark.slow
def test_nothing_is_said_against_a_clean_study(rows, tmp_path):
    found = audit_rows(study_tree(write(tmp_path, rows), SIZE))
    assert loud(found) == []
    assert {"answer_key", "budget", "conditions", "duplicates", "neutral", "order", "overlap", "power", "seeds", "shortcuts",
            "template"} == {e.check for e in found}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_draws_of_clean_rows_are_as_quiet(seed, tmp_path):
    assert loud(audit_rows(study_tree(write(tmp_path, clean_rows(seed, SIZE)), SIZE))) == []


def one_position(rows, tree):
    for row in rows["truthfulqa/multiple_choice"]:
        row["mc1_targets"]["labels"] = [1, 0, 0, 0]
    entry_named(tree, "instruments", "truthfulqa")["options"] = {"permutations": 0}
    entry_named(tree, "domains", "truthfulqa")["sources"][0]["shuffle_choices"] = False


def longest_is_right(rows, tree):
    for row in rows["mmlu/test"]:
        gold = row["answer"]
        row["choices"][gold] = f"{row['choices'][gold]} more of it and still more of it"


def suggestions(rows, tree):
    for row in rows["sycophancy_eval/answer"][:30]:
        row["base"]["question"] += SUGGESTION.format(a=row["base"]["incorrect_answer"])


def repeats(rows, tree):
    rows["sycophancy_eval/feedback"][60:] = rows["sycophancy_eval/feedback"][:60]
    entry_named(tree, "instruments", "feedback")["form"] = "as_given"


def trained_on(rows, tree):
    tree["overlap"] = "allow"
    rows["mmlu/validation"][:7] = rows["mmlu/test"][:7]


def axis_trained_on(rows, tree):
    for n, row in enumerate(rows["sycophancy_eval/answer"][:9]):
        row["base"]["question"] = rows["gsm8k/train"][n]["question"].upper()
    tree["overlap"] = "allow"


def near_copies(rows, tree):
    for n in range(10):
        words = rows["gsm8k/test"][n]["question"].split()
        rows["gsm8k/train"][n]["question"] = " ".join([*words[:-1], "other", words[-1]])


def one_seed(rows, tree):
    tree["seeds"] = 1


def in_file_order(rows, tree):
    tree["train"]["shuffle"] = False


def sorted_by_subject(rows, tree):
    tree["train"]["shuffle"] = False
    rows["mmlu/validation"].sort(key=lambda r: r["subject"])


def long_warmup(rows, tree):
    tree["train"]["warmup_steps"] = 100


def unequal(rows, tree):
    entry_named(tree, "domains", "mmlu")["sources"][0]["limit"] = 40


def sorted_by_label(rows, tree):
    tree["train"]["shuffle"] = False
    entry_named(tree, "domains", "mmlu")["sources"][0]["shuffle_choices"] = False
    rows["mmlu/validation"].sort(key=lambda r: r["answer"])


def no_template(rows, tree):
    tree["train"]["chat_template"] = False


def slice_of_a_sorted_file(rows, tree):
    rows["mmlu/validation"].sort(key=lambda r: r["subject"])
    entry_named(tree, "domains", "mmlu")["sources"][0]["split"] = "validation[:110]"


def slice_sorted_by_label(rows, tree):
    rows["mmlu/validation"].sort(key=lambda r: r["answer"])
    entry_named(tree, "domains", "mmlu")["sources"][0]["split"] = "validation[:110]"


def one_upstream_split(rows, tree):
    source = entry_named(tree, "domains", "mmlu")["sources"][0]
    rows["mmlu/test"] += rows["mmlu/validation"]
    source.update(split="test[:120]", split_seed=4)
    entry_named(tree, "instruments", "mmlu").update(split="test[120:]", split_seed=4)


def too_few_items(rows, tree):
    entry_named(tree, "instruments", "hellaswag")["limit"] = 15


DEFECTS = {
    one_position: {"answer_key": "200|240|120 of 120"},
    longest_is_right: {"shortcuts": "longest option scores 1.000"},
    suggestions: {"neutral": "30 of 120"},
    repeats: {"duplicates": "120 items of feedback hold only 60 texts"},
    trained_on: {"overlap": "7 of 120 items of mmlu were trained on in mmlu"},
    axis_trained_on: {"overlap": "9 of 120 items of imitation were trained on in gsm8k"},
    near_copies: {"overlap": "10 of 120 items of gsm8k stand nearly whole"},
    one_seed: {"seeds": "1 training seed per domain"},
    in_file_order: {"order": "last tenth \\(48 rows\\) is all hellaswag"},
    sorted_by_subject: {"order": "training rows of mmlu are sorted by category"},
    long_warmup: {"budget": "the 45 steps of gsm8k end inside the 100-step warm-up"},
    unequal: {"budget": "gsm8k trains for 45 steps, mmlu for 15"},
    sorted_by_label: {"order": "training rows of mmlu are sorted by answer letter"},
    slice_sorted_by_label: {"order": "is sorted by label"},
    no_template: {"template": "without the model's chat template"},
    slice_of_a_sorted_file: {"order": "is sorted by subject"},
    one_upstream_split: {"order": "cut from one upstream split \\(test\\)"},
    too_few_items: {"power": "hellaswag"},
}


@pytest.mark.slow
@pytest.mark.parametrize("spoil", DEFECTS, ids=lambda f: f.__name__)
def test_each_defect_is_noticed_by_its_own_check_and_no_other(spoil, rows, tmp_path):
    rows = copy.deepcopy(rows)
    tree = study_tree(tmp_path, SIZE)
    spoil(rows, tree)
    write(tmp_path, rows)
    found = loud(audit_rows(tree))
    ((check, words),) = DEFECTS[spoil].items()
    # A key in one position is a shortcut too: "always A".
    also = {"shortcuts"} if spoil is one_position else set()
    assert {e.check for e in found} - also == {check}
    assert any(re.search(words, e.claim) for e in found), [e.claim for e in found]


@pytest.mark.slow
def test_refusals_name_the_cells_they_forbid(rows, tmp_path):
    rows, tree = copy.deepcopy(rows), study_tree(tmp_path, SIZE)
    one_position(rows, tree)
    suggestions(rows, tree)
    trained_on(rows, tree)
    found = {(e.check, *e.cell) for e in audit_rows(write(tmp_path, rows) and tree) if e.level == "refuse" and e.cell}
    names = {d["name"] for d in tree["domains"]}
    assert {a for c, a, i in found if (c, i) == ("answer_key", "truthfulqa")} == names
    assert {a for c, a, i in found if (c, i) == ("neutral", "imitation")} == names
    assert {a for c, a, i in found if (c, i) == ("overlap", "mmlu")} == {"mmlu", "combined", "combined_matched"}


@pytest.mark.slow
def test_a_key_in_one_position_is_quiet_once_the_options_are_reordered(rows, tmp_path):
    rows, tree = copy.deepcopy(rows), study_tree(tmp_path, SIZE)
    for row in rows["truthfulqa/multiple_choice"]:
        row["mc1_targets"]["labels"] = [1, 0, 0, 0]
    assert loud(audit_rows(write(tmp_path, rows) and tree)) == []


@pytest.mark.slow
def test_rows_that_came_with_a_suggestion_are_told_but_not_held_against_a_rebuilt_neutral_prompt(rows, tmp_path):
    rows, tree = copy.deepcopy(rows), study_tree(tmp_path, SIZE)
    for row in rows["sycophancy_eval/answer"][:50]:
        row["prompt"][0]["content"] += SUGGESTION.format(a=row["base"]["correct_answer"])
    write(tmp_path, rows)
    found = [e for e in audit_rows(tree) if e.check == "neutral" and "imitation" in e.claim]
    assert [e.level for e in found] == ["ok"] and found[0].evidence["rows_own_prompts"] == {"count": 50, "of": 120}
    entry_named(tree, "instruments", "imitation")["form"] = "as_given"
    refused = [e for e in audit_rows(tree) if e.check == "neutral" and e.level == "refuse"]
    assert {e.evidence["count"] for e in refused} == {50} and len(refused) == len(tree["domains"])


@pytest.mark.slow
def test_rows_left_out_for_overlap_leave_nothing_to_refuse(rows, tmp_path):
    rows, tree = copy.deepcopy(rows), study_tree(tmp_path, SIZE)
    trained_on(rows, tree)
    tree["overlap"] = "drop"
    found = audit_rows(write(tmp_path, rows) and tree)
    assert loud(found) == [] and next(e for e in found if e.check == "overlap").evidence["rows_left_out"]["mmlu"] == 7


def control_on_real_rows(root):
    """Benchmarks whose own splits are kept apart: GSM8K train and test, MMLU validation and test, its rows as items of two axes."""
    return {
        "name": "control", "data": {"root": root}, "model": {"name": "org/none"}, "overlap": "drop",
        "domains": [
            {"name": "maths", "own_benchmark": "gsm8k", "sources": [{"kind": "gsm8k", "data": "openai/gsm8k", "split": "train", "limit": 1000}]},
            {"name": "knowledge", "own_benchmark": "mmlu", "match_steps_of": "maths",
             "sources": [{"kind": "mmlu", "data": "cais/mmlu", "split": "validation", "limit": 1000}]},
            {"name": "combined", "role": "control", "parts": ["maths", "knowledge"], "match_steps_of": "maths"},
            {"name": "identity", "role": "null", "identity": True},
        ],
        "instruments": [
            {"kind": "gsm8k", "data": "openai/gsm8k", "split": "test"},
            {"kind": "mmlu", "data": "cais/mmlu", "split": "test", "limit": 3000},
            {"kind": "imitation", "data": "cais/mmlu", "split": "dev", "form": "lettered"},
            {"kind": "doubt", "data": "cais/mmlu", "split": "dev", "form": "lettered"},
        ],
    }  # fmt: skip


@pytest.mark.slow
def test_benchmarks_split_as_they_should_be_are_quiet(rows, tmp_path):
    root = os.environ.get("HOLDFAST_DATA_ROOT")
    if root is None:
        dev = clean_rows(9, SIZE)["mmlu/test"]
        root = str(write(tmp_path, {**rows, "mmlu/dev": dev}))
    found = audit_rows(control_on_real_rows(root))
    # Of the questions of the hub's MMLU, and of no made ones, a few hold the right option twice: they are told, and not asked.
    twice = [e for e in loud(found) if e.check == "duplicates" and "mmlu without one answer, not asked: 4 " in e.claim]
    assert len(twice) == ("HOLDFAST_DATA_ROOT" in os.environ) and loud(found) == twice and len(found) > 10
