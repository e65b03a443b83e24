"""Real rows with their irregularities; every malformed row is one line with file, line, field, value and rule."""

import gzip
import json
import os

import pytest

from holdfast.errors import ConfigError, DataError
from holdfast.instruments.style import CHAT_STYLE
from holdfast.sources import examples_from_rows, items_from_rows, read_rows
from holdfast.sources.distinct import RowNotes

MMLU = {"question": "Which\u2028one?", "subject": "x", "choices": ["a", "b", "c", "d"], "answer": 2}
TRUTH = {"question": "What happens?", "mc1_targets": {"choices": ["nothing", "magic"], "labels": [1, 0]}}
SWAG = {"ctx": "[header] How to sit [title] Find a chair.", "activity_label": "Home", "endings": ["a", "b", "c", "d"], "label": "3"}
GSM = {"question": "1+1?", "answer": "It is <<1+1=2>>2\n#### 1,002"}


def write(folder, name, rows):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    data = "\n".join(json.dumps(r, ensure_ascii=False) for r in rows).encode()
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)


def test_a_line_separator_inside_a_string_ends_no_row(tmp_path):
    write(tmp_path, "mmlu/test.jsonl.gz", [MMLU, {**MMLU, "question": "Two\u0085?"}])
    rows = read_rows("cais/mmlu", "test", str(tmp_path))
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
        ("mmlu", {**MMLU, "question": " "}, "non-empty"),
    ],
)
def test_a_malformed_row_is_named(kind, row, words):
    with pytest.raises(DataError, match=words) as error:
        items_from_rows(kind, [{**row, "_source": "test.jsonl:7"}])
    assert "test.jsonl:7" in str(error.value)


def test_broken_and_missing_files_are_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": \n')
    with pytest.raises(DataError, match="a.jsonl:2"):
        read_rows("a.jsonl", None, str(tmp_path))
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"a": 1}')[:-9])
    with pytest.raises(DataError, match="truncated"):
        read_rows("b.jsonl.gz", None, str(tmp_path))
    (tmp_path / "c.jsonl").write_text("")
    with pytest.raises(DataError, match="no row"):
        read_rows("c.jsonl", None, str(tmp_path))
    with pytest.raises(ConfigError, match="no such file"):
        read_rows("d.jsonl", None, str(tmp_path))


def test_two_slices_of_a_shuffled_split_share_no_row_and_cover_it(tmp_path):
    write(tmp_path, "truthfulqa/multiple_choice.jsonl", [{**TRUTH, "question": f"q{i}"} for i in range(10)])
    asked = lambda split, seed=3: [  # noqa: E731
        r["question"] for r in read_rows("truthfulqa/truthful_qa", split, str(tmp_path), seed)
    ]
    train, test = asked("validation[:6]"), asked("validation[6:]")
    assert not {*train} & {*test} and len(train + test) == 10 == len({*train, *test})
    assert asked("validation[:6]", None) == [f"q{i}" for i in range(6)] != train
    with pytest.raises(ConfigError, match="has 10 rows"):
        asked("validation[10:]")
    with pytest.raises(ConfigError, match="must be a name"):
        asked("validation[6]")


def test_a_split_that_several_files_could_be_is_asked_for_by_name(tmp_path):
    for name in ("validation_text.jsonl", "validation_raw.jsonl"):
        write(tmp_path, f"hellaswag/{name}", [SWAG])
    with pytest.raises(ConfigError, match="validation_raw, validation_text"):
        read_rows("Rowan/hellaswag", "validation", str(tmp_path))
    assert len(read_rows("Rowan/hellaswag", "validation_text", str(tmp_path))) == 1


def test_every_format_gives_the_same_rows(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"question": "1+1?", "answer": "#### 2"}, {"question": 'a "quoted", line\nbreak', "answer": "#### 3"}]
    write(tmp_path, "a.jsonl", rows)
    write(tmp_path, "a.jsonl.gz", rows)
    (tmp_path / "a.json").write_text(json.dumps(rows))
    (tmp_path / "a.csv").write_text('question,answer\n1+1?,#### 2\n"a ""quoted"", line\nbreak",#### 3\n')
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.jsonl.gz", "a.json", "a.csv", "a.parquet"):
        found = read_rows(name, None, str(tmp_path))
        assert [{k: r[k] for k in ("question", "answer")} for r in found] == rows, name


SPLITS = {
    "gsm8k": ("openai/gsm8k", "test"),
    "mmlu": ("cais/mmlu", "test"),
    "hellaswag": ("Rowan/hellaswag", "validation_text"),
    "truthfulqa": ("truthfulqa/truthful_qa", "validation"),
}


def rows_like_the_hubs(folder, kind):
    """A data root with made-up rows in the hub's fields."""
    made = {"gsm8k": GSM, "mmlu": MMLU, "hellaswag": SWAG, "truthfulqa": TRUTH}[kind]
    stem = "ctx" if kind == "hellaswag" else "question"
    place = {"gsm8k": "gsm8k/test", "mmlu": "mmlu/test", "hellaswag": "hellaswag/validation_text.jsonl.gz"[:-9],
             "truthfulqa": "truthfulqa/multiple_choice"}[kind]  # fmt: skip
    write(folder, f"{place}.jsonl", [{**made, stem: f"{made.get(stem)} {i}"} for i in range(320)])
    return str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", SPLITS)
def test_every_row_is_read(kind, tmp_path):
    root = os.environ.get("HOLDFAST_DATA_ROOT") or rows_like_the_hubs(tmp_path, kind)
    rows = read_rows(*SPLITS[kind], root)
    items = items_from_rows(kind, rows, limit=300, notes=RowNotes())
    assert len(items) == 300 and len(examples_from_rows(kind, rows, CHAT_STYLE, limit=200)) == 200
