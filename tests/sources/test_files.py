"""Files of rows: the line that a refusal names is the line in the file; what could be read in two ways is refused; nothing outside the root."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ConfigError, DataError
from holdfast.sources import items_from_rows, read_rows
from holdfast.sources.rows import read_file
from holdfast.sources.survey import survey


def put(folder, name, data):
    raw = data.encode() if isinstance(data, str) else data
    (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return folder / name


def refusal(file):
    with pytest.raises(DataError) as error:
        read_file(file)
    assert "\n" not in str(error.value)
    return str(error.value)


WHERE = {
    "lines in a field": ('question,answer\n"First\nline\nsplit","work\n#### 5"\n"Second","no"\n', [2, 6]),
    "CRLF": ('question,answer\r\n"First\r\nline","#### 5"\r\nSecond,no\r\n', [2, 4]),
    "blank lines": ("question,answer\n\n\nFirst,#### 5\n\n \nSecond,no\n,\n", [4, 7]),
    "byte order mark": ("\ufeffquestion,answer\nFirst,#### 5\nSecond,no\n", [2, 3]),
    "blank lines before the names": ("\n\nquestion,answer\nFirst,#### 5\nSecond,no\n", [4, 5]),
    "old line ends": ("question,answer\rFirst,#### 5\rSecond,no\r", [2, 3]),
    "no end of line": ("question,answer\nFirst,#### 5\nSecond,no", [2, 3]),
    "another separator in a field": ("question,answer\nFirst\u2028x\x85y,#### 5\nSecond,no", [2, 3]),
}


@pytest.mark.parametrize("name", WHERE)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_a_row_of_csv_is_named_by_the_line_it_begins_in(tmp_path, name, suffix):
    text, lines = WHERE[name]
    rows = read_file(put(tmp_path, f"rows{suffix}", text))
    assert [r["_source"] for r in rows] == [f"rows{suffix}:{n}" for n in lines]
    assert [r["answer"].split("\n")[-1] for r in rows] == ["#### 5", "no"] and {*rows[0]} == {"question", "answer", "_source"}


def test_the_line_is_that_of_the_file_in_what_a_reader_refuses(tmp_path):
    rows = read_file(put(tmp_path, "rows.csv", WHERE["lines in a field"][0]))
    with pytest.raises(DataError, match=r"^rows.csv:6: answer: holds no '#### number'"):
        items_from_rows("gsm8k", rows)


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.text("ab\n\",; ", max_size=8).map(lambda t: f"q{t}"), st.text('x\n",', max_size=5).map(lambda t: f"a{t}")),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_any_quoted_csv_gives_its_fields_and_their_lines(tmp_path_factory, rows):
    text, wanted = "question,answer\n", []
    for blank, *cells in rows:
        text += "\n" * blank
        wanted.append((*cells, text.count("\n") + 1))
        text += ",".join('"' + c.replace('"', '""') + '"' for c in cells) + "\n"
    read = read_file(put(tmp_path_factory.mktemp("csv"), "r.csv", text))
    assert [(r["question"], r["answer"], int(r["_source"].split(":")[1])) for r in read] == wanted


def test_a_row_of_a_list_and_of_lines_is_named_by_its_line(tmp_path):
    rows = [{"a": 1}, {"a": "x\ny"}, {"a": 3}]
    for indent, lines in ((None, [1, 1, 1]), (1, [2, 5, 8])):
        read = read_file(put(tmp_path, "r.json", json.dumps(rows, indent=indent)))
        assert [r["_source"] for r in read] == [f"r.json:{n}" for n in lines] and [r["a"] for r in read] == [1, "x\ny", 3]
    assert read_file(put(tmp_path, "r.json", " [ ] \n")) == []
    read = read_file(put(tmp_path, "r.jsonl.gz", '\ufeff{"a": 1}\r\n\r\n\n{"a": 2}\n'))
    assert [r["_source"] for r in read] == ["r.jsonl.gz:1", "r.jsonl.gz:4"]
    assert refusal(put(tmp_path, "r.json", '[{"a": 1},\n\n{"a": }]')).startswith("r.json:3: ")
    assert refusal(put(tmp_path, "r.json", '[{"a": 1}\n{"a": 2}]')).startswith("r.json:2: ")
    assert refusal(put(tmp_path, "r.json", "[\n17]")).startswith("r.json:2: ")
    assert ".jsonl" in refusal(put(tmp_path, "r.json", '{"a": 1}\n{"a": 2}'))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("q,answer\nx,#### 6,000\n", 2, "3 fields under 2"),  # a thousands comma that is not quoted
        ("q,answer\nx, y,#### 6\n", 2, "3 fields under 2"),
        ("q,answer\nx,#### 6,\n", 2, "3 fields under 2"),
        ("q,answer,note\nx,#### 6\n", 2, "2 fields under 3"),
        ("q,answer\nx\ny,#### 6\n", 2, "1 fields under 2"),
        ("q,answer,\nx,#### 6,000\n", 2, "without a name"),
        ("q;answer\nx;#### 6\n", 1, "';' separates"),
        ("q\tanswer\nx\t#### 6\n", 1, "separates"),
        ("q|answer\nx|#### 6\n", 1, "'|' separates"),
        ("sep=;\nq;answer\n", 1, "separates"),
        ("q,answer,q\nx,#### 6,y\n", 1, "two columns are named 'q'"),
        ("q, q\nx,#### 6\n", 1, "two columns are named 'q'"),
        ('q,answer\n"x"y,#### 6\n', 2, "not CSV"),
        ('q,answer\na,b\n"x,#### 6\nz,#### 7\n', 3, "not CSV"),
        ('q,answer\nx, "#### 6"\n', 2, "before the quote"),
        ("q,answer\nx,#### 6\ny,\x00\n", 3, "NUL"),
    ],
)
def test_csv_that_could_mean_two_things_is_refused(tmp_path, text, line, words):
    said = refusal(put(tmp_path, "r.csv", text))
    assert said.startswith(f"r.csv:{line}: ") and words in said


@pytest.mark.parametrize(
    ("text", "row"),
    [
        (",question,answer\n0,x,y\n", {"question": "x", "answer": "y"}),  # an index without a name stands first
        ("question,answer,\nx,y,\n", {"question": "x", "answer": "y"}),
        ('question , answer\n5" pipe,y\n', {"question": '5" pipe', "answer": "y"}),
        ('question,answer\n"a ""b"", c",y\n', {"question": 'a "b", c', "answer": "y"}),
    ],
)
def test_sound_csv_is_still_read(tmp_path, text, row):
    (read,) = read_file(put(tmp_path, "r.csv", text))
    assert {k: v for k, v in read.items() if k != "_source"} == row


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1, "a": 2}', "duplicate name 'a'"),
        ('{"base": {"x": 1, "y": [{"k": 1, "k": 1}]}}', "duplicate name 'k'"),
        ('{"a": "\\ud83d"}', "surrogate"),
        ('{"a": {"b": ["\\udc00 x"]}}', "surrogate"),
        ('{"\\ud800": 1}', "surrogate"),
        ("[1, 2]", "list"),
        ('{"a": 1} {"a": 2}', "more than one value"),
        ('{"a": ' + "[" * 900 + "]" * 900 + "}", "nested"),
    ],
)
def test_json_that_could_mean_two_things_is_refused(tmp_path, text, words):
    said = refusal(put(tmp_path, "r.jsonl", '{"a": 0}\n\n' + text))
    assert said.startswith("r.jsonl:3: ") and words in said


def test_whole_pairs_of_surrogates_are_characters(tmp_path):
    (row,) = read_file(put(tmp_path, "r.jsonl", '{"a": "\\ud83d\\ude00"}'))
    assert row["a"] == "\U0001f600"


def test_parquet_names_the_row_and_refuses_names_that_stand_twice(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"question": ["x", None], "choices": [["a", "b"], None]}), tmp_path / "r.parquet")
    assert [(r["_source"], r["choices"]) for r in read_file(tmp_path / "r.parquet")] == [
        ("r.parquet, row 1", ["a", "b"]),
        ("r.parquet, row 2", None),
    ]
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "r.parquet")
    refusal(tmp_path / "r.parquet")


def test_unpacked_text_has_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("holdfast.sources.rows.MOST_BYTES", 1 << 20)
    assert "more than 1 MiB" in refusal(put(tmp_path, "r.jsonl.gz", b" " * (2 << 20)))


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "root"
    (folder / "inner").mkdir(parents=True)
    row = '{"question": "1+1?", "answer": "#### 2"}\n'
    for place in (tmp_path, folder, folder / "inner"):
        put(place, "rows.jsonl", row)
    (folder / "out.jsonl").symlink_to(tmp_path / "rows.jsonl")
    (folder / "in.jsonl").symlink_to(folder / "inner" / "rows.jsonl")
    (folder / "gsm8k").symlink_to(tmp_path)
    return folder


@pytest.mark.parametrize("data", ["../rows.jsonl", "inner/../../rows.jsonl", "out.jsonl", "ABSOLUTE", "openai/gsm8k"])
def test_rows_outside_the_root_are_refused_unless_allowed(root, data):
    data = str(root.parent / "rows.jsonl") if data == "ABSOLUTE" else data
    split = "rows" if data == "openai/gsm8k" else None
    with pytest.raises(ConfigError, match="outside data.root.*data.allow_outside=true"):
        read_rows(data, split, str(root))
    assert len(read_rows(data, split, str(root), allow_outside=True)) == 1


@pytest.mark.parametrize("data", ["rows.jsonl", "inner/rows.jsonl", "inner/../rows.jsonl", "in.jsonl", "ABSOLUTE"])
def test_rows_inside_the_root_are_read_by_any_name(root, data, monkeypatch):
    data = str(root / "rows.jsonl") if data == "ABSOLUTE" else data
    assert len(read_rows(data, None, str(root))) == 1
    monkeypatch.chdir(root)
    assert len(read_rows(data, None, None)) == 1 == len(read_rows(data, None, "."))


def test_without_a_root_the_working_folder_is_the_root(root, monkeypatch):
    monkeypatch.chdir(root)
    for data in ("../rows.jsonl", "out.jsonl", str(root.parent / "rows.jsonl")):
        with pytest.raises(ConfigError, match="outside the working folder"):
            read_rows(data, None, None)


@pytest.mark.parametrize("split", ["../x", "/etc/passwd", "te*t", "a\0b", "test[:" + "9" * 5000 + "]", "test[:٣]", "[::]"])
def test_a_split_is_a_plain_name(root, split):
    with pytest.raises(ConfigError, match="split"):
        read_rows("openai/gsm8k", split, str(root), allow_outside=True)


def test_a_file_has_no_splits_by_name(root):
    with pytest.raises(ConfigError, match="leave the name out"):
        read_rows("rows.jsonl", "train", str(root))


def test_init_says_which_files_it_could_not_read(root, capsys):
    put(root, "bad.csv", "question,answer\nx,#### 6,000\n")
    found = [f.file for f in survey(root)]
    assert "rows.jsonl" in found and "out.jsonl" not in found
    said = capsys.readouterr().err
    assert "bad.csv:2: 3 fields" in said and "out.jsonl: a link" in said
