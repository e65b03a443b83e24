"""Real rows with their irregularities; every malformed row is one line with file, line, field, value and rule."""

import gzip
import json
import os

import pytest

from holdfast.errors import ConfigError, DataError
from holdfast.instruments.style import CHAT_STYLE
from holdfast.sources import examples_from_rows, items_from_rows, read_rows

MMLU = {"question": "Which\u2028one?", "subject": "x", "choices": ["a", "b", "c", "d"], "answer": 2}
TRUTH = {"question": "What happens?", "mc1_targets": {"choices": ["nothing", "magic"], "labels": [1, 0]}}
SWAG = {
    "ctx": "[header] How to sit [title] Find a chair.",
    "activity_label": "Home",
    "endings": ["a", "b", "c", "d"],
    "label": "3",
}
GSM = {"question": "1+1?", "answer": "It is <<1+1=2>>2\n#### 1,002"}


def write(folder, name, rows):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    data = "\n".join(json.dumps(r, ensure_ascii=False) for r in rows).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def test_a_line_separator_inside_a_string_ends_no_row(tmp_path):
    write(tmp_path, "mmlu/test.jsonl.gz", [MMLU, {**MMLU, "question": "Two\u0085?"}])
    rows = read_rows("cais/mmlu:test", str(tmp_path))
    assert [r["question"] for r in rows] == ["Which\u2028one?", "Two\u0085?"]
    assert [i.fields["gold"] for i in items_from_rows("mmlu", rows)] == [2, 2]


def test_each_benchmark_is_read_in_the_hubs_field_names():
    with_source = lambda row: [{**row, "_source": "f:1"}]  # noqa: E731
    assert items_from_rows("gsm8k", with_source(GSM))[0].fields["answer"] == "1002"
    swag = items_from_rows("hellaswag", with_source(SWAG))[0].fields
    assert swag["gold"] == 3 and "[" not in swag["context"] and swag["context"].startswith("Home: ")
    assert items_from_rows("truthfulqa", with_source(TRUTH))[0].fields["gold"] == 0


def test_training_letters_do_not_follow_the_key_position_unless_the_defect_is_asked_for():
    rows = [{**TRUTH, "question": f"q{i}", "_source": f"f:{i}"} for i in range(60)]
    letters = lambda **o: {e.messages[1].content for e in examples_from_rows("truthfulqa", rows, CHAT_STYLE, **o)}  # noqa: E731
    assert letters() == {"Answer: A", "Answer: B"} and letters(shuffle=False) == {"Answer: A"}


@pytest.mark.parametrize(
    ("kind", "row", "words"),
    [
        ("mmlu", {**MMLU, "answer": 4}, "from 0 to 3"),
        ("mmlu", {**MMLU, "choices": "abcd"}, "choices"),
        ("hellaswag", {**SWAG, "label": ""}, "label"),
        ("gsm8k", {**GSM, "answer": "2"}, "####"),
        ("truthfulqa", {**TRUTH, "mc1_targets": {"choices": ["a", "b"], "labels": [0, 0]}}, "exactly one"),
        ("mmlu", {**MMLU, "question": " "}, "not empty"),
    ],
)
def test_a_malformed_row_is_named(kind, row, words):
    with pytest.raises(DataError, match=words) as error:
        items_from_rows(kind, [{**row, "_source": "test.jsonl:7"}])
    assert "test.jsonl:7" in str(error.value)


def test_broken_and_missing_files_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(DataError, match="a.jsonl:2"):
        read_rows("a.jsonl", str(tmp_path))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}')[:-9])
    with pytest.raises(DataError, match="truncated"):
        read_rows("b.jsonl.gz", str(tmp_path))
    (tmp_path / "c.jsonl").write_text("")
    with pytest.raises(DataError, match="no row"):
        read_rows("c.jsonl", str(tmp_path))
    with pytest.raises(ConfigError, match="no such file"):
        read_rows("d.jsonl", str(tmp_path))


SPLITS = {
    "gsm8k": "openai/gsm8k:test",
    "mmlu": "cais/mmlu:test",
    "hellaswag": "Rowan/hellaswag:validation",
    "truthfulqa": "truthfulqa/truthful_qa:",
}


@pytest.mark.parametrize("kind", SPLITS if os.environ.get("HOLDFAST_DATA_ROOT") else [])
def test_every_real_row_is_read(kind):
    rows = read_rows(SPLITS[kind] + ("multiple_choice" if kind == "truthfulqa" else ""), os.environ["HOLDFAST_DATA_ROOT"])
    items = items_from_rows(kind, rows, limit=300)
    assert len(items) == 300 and len(examples_from_rows(kind, rows, CHAT_STYLE, limit=200)) == 200
