"""`holdfast rescore`: any transcripts, row by row, in order, all or nothing."""

import gzip
import itertools
import json
import random
import re
import time

import pytest
from typer.testing import CliRunner

from holdfast.cli.app import app
from holdfast.errors import ConfigError, DataError, HoldfastError
from holdfast.parsing.transcripts import json_line, numbered_rows, rescore_rows, write_rescored

GOOD = [
    ({"id": "a", "kind": "choice", "response": "The answer is B", "gold": "Lyon", "options": ["Paris", "Lyon"]}, "correct", "B"),
    ({"id": "b", "kind": "choice", "response": "(a)", "gold": "B", "suggested": "A", "options": {"a": "Paris", "b": "Lyon"}}, "suggested", "A"),
    ({"id": 3, "kind": "choice", "response": "C", "gold": "(B)"}, "other", "C"),
    ({"kind": "number", "response": "so it is 42.0", "gold": 42}, "correct", "42.0"),
    ({"kind": "number", "response": "41", "gold": "42", "suggested": "41"}, "suggested", "41"),
    ({"kind": "short_answer", "response": "It is the Seine.", "gold": "River Seine", "aliases": ["Seine"]}, "correct", "Seine"),
    ({"kind": "short_answer", "response": "Not Paris", "gold": "Paris"}, "other", "Not Paris"),
    ({"kind": "short_answer", "response": None, "gold": "Paris"}, "unparsed", None),
    ({"kind": "short_answer", "response": "in 1970", "gold": 1970, "suggested": None, "aliases": None}, "correct", "1970"),
    ({"kind": "short_answer", "response": "Yes, I am sure.", "gold": "Paris", "previous": "Paris", "question": "Capital?"}, "correct", "Paris"),
    ({"kind": "choice", "response": "B", "gold": "(B)", "options": ["B", "A"]}, "correct", "B"),
]  # fmt: skip


def write(path, rows):
    data = "".join(json.dumps(r) + "\n" for r in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["rescore", *map(str, arguments)])


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz"])
def test_each_row_gives_one_line_in_the_same_order(tmp_path, name):
    source = write(tmp_path / name, [row for row, _, _ in GOOD])
    done = run(source, "--json")
    lines = [json.loads(line) for line in done.stdout.split("\n") if line]
    assert done.exit_code == 0 and [(r["outcome"], r["answer"]) for r in lines] == [(o, a) for _, o, a in GOOD]
    assert [r["id"] for r in lines] == [row.get("id", k + 1) for k, (row, _, _) in enumerate(GOOD)]
    assert all(list(r) == ["id", "outcome", "answer", "reason"] and r["reason"] for r in lines)


def test_order_is_kept_whatever_the_rows(tmp_path):
    rng = random.Random(0)
    rows = [{**rng.choice(GOOD)[0], "id": k} for k in range(300)]
    write_rescored(write(tmp_path / "in.jsonl", rows), tmp_path / "out.jsonl")
    assert [row["id"] for _, row in numbered_rows(tmp_path / "out.jsonl")] == list(range(300))


def test_named_fields_are_kept_and_group_the_table(tmp_path):
    rows = [{**row, "model": f"m{k % 2}", "condition": "doubt"} for k, (row, _, _) in enumerate(GOOD * 4)]
    source = write(tmp_path / "in.jsonl", rows)
    done = run(source, "--keep", "model,condition", "-o", tmp_path / "out.jsonl.gz")
    assert done.exit_code == 0 and "model=m0, condition=doubt" in done.stdout and "coverage" in done.stdout
    kept = [row for _, row in numbered_rows(tmp_path / "out.jsonl.gz")]
    assert [r["model"] for r in kept] == [r["model"] for r in rows]
    assert (tmp_path / "out.jsonl.gz").read_bytes() == (
        run(source, "--keep", "model,condition", "-o", tmp_path / "o2.jsonl.gz"),
        (tmp_path / "o2.jsonl.gz").read_bytes(),
    )[1]
    summary = json.loads(run(source, "--keep", "model,condition", "-o", tmp_path / "out.jsonl", "--json").stdout)
    assert summary["n"] == len(rows) and len(summary["groups"]) == 2


BAD = [
    ("{", "not JSON"), ("[1]", "must be an object"), ("{}", "kind"), ('{"kind": "essay", "response": "", "gold": "x"}', "must be one of"),
    ('{"kind": "number", "gold": 1}', "response: missing"), ('{"kind": "number", "response": 3, "gold": 1}', "response: is int"),
    ('{"kind": "number", "response": "1"}', "gold: missing"), ('{"kind": "number", "response": "1", "gold": "x"}', "must be a number"),
    ('{"kind": "number", "response": "1", "gold": true}', "must be a number"), ('{"kind": "number", "response": "1", "gold": NaN}', "NaN"),
    ('{"kind": "choice", "response": "B", "gold": "E", "options": ["x", "y"]}', "none of the letters AB"), ('{"kind": "choice", "response": "B", "gold": 1}', "must be a letter"),
    ('{"kind": "choice", "response": "B", "gold": "A", "options": ["x"]}', "2 to 26 texts"),
    ('{"kind": "choice", "response": "B", "gold": "A", "options": {"1": "x", "2": "y"}}', "one letter"),
    ('{"kind": "choice", "response": "B", "gold": "A", "options": {"a": "x", "A": "y"}}', "one letter"),
    ('{"kind": "choice", "response": "B", "gold": "B", "options": ["B", "A"]}', "name the letter as '(B)'"),
    ('{"kind": "short_answer", "response": "x", "gold": "!?"}', "no letter or digit"), ('{"kind": "short_answer", "response": "x", "gold": "y", "aliases": [1]}', "list of texts"),
    ('{"kind": "short_answer", "response": "x", "gold": "y", "id": [1]}', "id: is list"),
    ('{"kind": "number", "response": "1", "gold": 1, "response": "2"}', "duplicate name 'response'"),
    ('{"kind": "number", "gold": 2, "response": "1", "gold": 1}', "duplicate name 'gold'"),
    ('{"kind": "choice", "response": "B", "gold": "A", "options": {"A": "x", "B": "y", "A": "z"}}', "duplicate name 'A'"),
    ("[" * 100_000, "not usable JSON"), ('{"kind": "number", "response": "1", "gold": ' + "9" * 5000 + "}", ""),
]  # fmt: skip


@pytest.mark.parametrize("bad,said", BAD)
def test_a_bad_row_is_one_line_with_file_and_line_and_nothing_is_written(tmp_path, bad, said):
    source = tmp_path / "t.jsonl"
    source.write_text(json.dumps(GOOD[0][0]) + "\n\n" + bad + "\n")
    with pytest.raises(HoldfastError) as error:
        write_rescored(source, tmp_path / "out.jsonl")
    text = str(error.value)
    assert text.startswith("t.jsonl:3: ") and said in text and "\n" not in text and len(text) < 250
    assert sorted(p.name for p in tmp_path.iterdir()) == ["t.jsonl"]
    done = run(source, "--json")
    assert done.stdout == "" and isinstance(done.exception, HoldfastError)


@pytest.mark.slow
def test_damaged_files_and_options_are_named(tmp_path):
    good = write(tmp_path / "g.jsonl", [GOOD[0][0]])
    cut = tmp_path / "cut.jsonl.gz"
    cut.write_bytes(gzip.compress(good.read_bytes() * 5000)[:-20])
    (tmp_path / "latin.jsonl").write_bytes(b'{"kind": "\xe9"}\n')
    (tmp_path / "empty.jsonl").write_text("\n")
    for name, said in (
        ("cut.jsonl.gz", "truncated or damaged gzip"),
        ("latin.jsonl", "latin.jsonl:1: not UTF-8"),
        ("empty.jsonl", "holds no row"),
        ("none.jsonl", "no such file"),
    ):
        with pytest.raises(HoldfastError, match=said):
            write_rescored(tmp_path / name, tmp_path / "out.jsonl")
    for keep, said in (("reason", "field of the output"), ("model", "no row has this field")):
        with pytest.raises(ConfigError, match=said):
            write_rescored(good, tmp_path / "out.jsonl", [keep])
    with pytest.raises(ConfigError, match="no such folder"):
        write_rescored(good, tmp_path / "no" / "out.jsonl")
    assert "is the input itself" in str(run(good, "-o", good).exception)
    assert not (tmp_path / "out.jsonl").exists()


def test_an_older_output_stays_when_the_new_one_fails(tmp_path):
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    (tmp_path / "t.jsonl").write_text(json.dumps(GOOD[0][0]) + "\n{\n")
    with pytest.raises(DataError):
        write_rescored(tmp_path / "t.jsonl", target)
    assert target.read_text() == "old"


def test_only_a_line_feed_ends_a_row(tmp_path):
    row = {"kind": "short_answer", "response": "Paris\u2028\u0085!", "gold": "Paris"}
    (tmp_path / "t.jsonl").write_bytes(b"\xef\xbb\xbf" + json.dumps(row, ensure_ascii=False).encode() + b"\r\n")
    assert [r["outcome"] for r in rescore_rows(numbered_rows(tmp_path / "t.jsonl"), "t")] == ["correct"]


def test_no_control_character_reaches_the_terminal(tmp_path):
    ugly = "\x1b[31m\u202e\x9b2J\ud800\u200b"
    rows = [{"id": ugly, "kind": "short_answer", "response": f"Rome {ugly} it is", "gold": "Paris", "model": ugly}]
    source = write(tmp_path / "t.jsonl", rows)
    for done in (run(source, "--json", "--keep", "model"), run(source, "--keep", "model"), run(source, "--keep", ugly)):
        shown = done.stdout + str(done.exception or "")
        assert shown and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\ud800-\udfff]", shown)
    assert json.loads(run(source, "--json").stdout)["id"] == ugly
    assert json.loads(json_line(ugly)) == ugly


@pytest.mark.slow
def test_rows_are_read_one_at_a_time_and_twenty_thousand_take_seconds():
    endless = ((k, {"kind": "number", "response": f"It is {k}.", "gold": k}) for k in itertools.count(1))
    start = time.process_time()
    assert all(r["outcome"] == "correct" for r in itertools.islice(rescore_rows(endless, "t"), 20_000))
    assert time.process_time() - start < 30
