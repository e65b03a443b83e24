"""Counts from rows: keys by letter, shared questions, suggestions in neutral prompts, repeated texts."""

import json
import os

import pytest
from conftest_published import analyzed

from holdfast.errors import ConfigError, DataError
from holdfast_llama2_7b.derive import derive, derived_json
from holdfast_llama2_7b.study import modal
from holdfast_llama2_7b.tables import DATA


def truth(question, gold=0, choices=3):
    return {"question": question, "mc1_targets": {"choices": ["x"] * choices, "labels": [int(i == gold) for i in range(choices)]}}


def asked(question, extra=""):
    return {"prompt": [{"type": "human", "content": question + extra}], "base": {"question": question}}


ROWS = {
    "origin_splits/test_splits/mmlu_test.jsonl": [{"question": "m", "answer": i % 4} for i in range(30)],
    "origin_splits/test_splits/hellaswag_test.jsonl": [{"ctx": "h", "label": str(i % 2)} for i in range(10)],
    "origin_splits/test_splits/truthfulqa_test.jsonl": [truth(f"Test\u2028{i}?", gold=i % 2) for i in range(6)],
    "origin_splits/train_splits/truthfulqa_train.jsonl": [truth(f"Train {i}?") for i in range(8)],
    "sycophancy_eval/answer.jsonl": [
        asked("train 0 ?"),
        asked("Other?", " I think the answer is w but I'm really not sure."),
        asked("TEST 1?"),
    ],
    "sycophancy_eval/are_you_sure.jsonl": [asked("Train 1?", "\n(A) x"), asked("Train 2?"), asked("Nothing?"), asked("Nothing else?")],
    "sycophancy_eval/feedback.jsonl": [{"base": {"text": t}} for t in ("a", "b", "a")],
}


@pytest.fixture
def root(tmp_path):
    for path, rows in ROWS.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("\n".join(json.dumps(r, ensure_ascii=False) for r in rows), encoding="utf-8")
    return tmp_path


def test_rows_are_counted(root):
    found = derive(str(root))
    assert found["keys"]["mmlu"] == {"A": 8, "B": 8, "C": 7, "D": 7} and found["keys"]["hellaswag"] == {"A": 5, "B": 5}
    assert found["keys"]["truthfulqa"] == {"A": 3, "B": 3} and found["keys"]["truthfulqa_train"] == {"A": 8}
    assert found["overlap"] == {"train": {"imitation": 1, "doubt": 2}, "test": {"imitation": 1, "doubt": 0}}
    assert found["suggested"] == [1, 3] and found["texts"] == [2, 3]
    assert {f: v["rows"] for f, v in found["files"].items()} == {f: len(r) for f, r in ROWS.items()}
    assert modal(found["keys"]["mmlu"]) == ("A", 8, 30)


def test_points_on_rows_are_recomputed_from_the_rows_given(root):
    found = analyzed(root=str(root))
    parts = {p["number"]: p["parts"] for p in found.findings["points"]}
    assert "A in 8 of 8 training and 3 of 6 test rows" in parts[2][0]["text"] and "8 of those test items are keyed A" in parts[2][1]["text"]
    assert "3 of 7" in parts[5][0]["text"] and "1 of 3" in parts[6][0]["text"] and "3 feedback rows hold 2 texts" in parts[6][1]["text"]
    assert all(parts[n][0]["how"].startswith("from the rows under the data root, which differ") for n in (2, 5, 6))
    assert not any(e["check"] == "answer_key" and e["level"] == "refuse" for e in found.audit)


def test_without_rows_the_shipped_counts_and_their_producer_are_named(published):
    for p in published.findings["points"]:
        if p["number"] in (2, 5, 6):
            assert p["status"] == "recomputed" and "python -m holdfast_llama2_7b.derive" in p["parts"][0]["how"]


@pytest.mark.parametrize(
    ("path", "row", "words"),
    [
        ("sycophancy_eval/answer.jsonl", {"prompt": [], "base": {"question": "q"}}, "prompt"),
        ("sycophancy_eval/answer.jsonl", {"prompt": [{"content": "other"}], "base": {"question": "q"}}, "does not hold"),
        ("sycophancy_eval/are_you_sure.jsonl", {"base": {"question": " "}}, "question"),
        ("sycophancy_eval/feedback.jsonl", {"base": "text"}, "base"),
        ("origin_splits/test_splits/mmlu_test.jsonl", {"question": "q"}, "position of the right option"),
        ("origin_splits/test_splits/mmlu_test.jsonl", {"question": "q", "answer": -1}, "from 0 to 25"),
        ("origin_splits/test_splits/truthfulqa_test.jsonl", {"question": "q", "mc1_targets": {"labels": [0, 0]}}, "position of the right"),
    ],
)
def test_a_malformed_row_is_named(root, path, row, words):
    (root / path).write_text(json.dumps(row))
    with pytest.raises(DataError, match=words) as error:
        derive(str(root))
    assert f"{path.rsplit('/', 1)[1]}:1" in str(error.value)


def test_a_missing_file_is_named(root):
    (root / "sycophancy_eval" / "feedback.jsonl").unlink()
    with pytest.raises(ConfigError, match="feedback.jsonl under data.root"):
        derive(str(root))


def test_the_shipped_counts_are_what_the_script_makes_of_the_rows(root):
    """Of the study's own rows where they are at hand; of the made-up ones the script gives the same shape."""
    shipped_text = (DATA / "derived.json").read_bytes()
    if "HOLDFAST_DATA_ROOT" in os.environ:
        assert shipped_text == derived_json(os.environ["HOLDFAST_DATA_ROOT"])
    ours, theirs = json.loads(derived_json(str(root))), json.loads(shipped_text)
    assert {k: type(v) for k, v in ours.items()} == {k: type(v) for k, v in theirs.items()} and set(ours["files"]) == set(theirs["files"])
