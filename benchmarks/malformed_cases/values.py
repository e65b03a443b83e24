"""Rows whose truth, place, options or text could be taken for another, in every form of file; what is accepted states its right value."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.malformed_cases.common import Case, changed, put
from benchmarks.malformed_cases.rows import GOOD, _rows_study

Rows = list[dict[str, Any]]
FLAT = ("jsonl", "jsonl.gz", "json", "parquet", "csv", "csv.gz")
NESTED = ("jsonl", "json", "parquet")
TEXT = ("jsonl", "jsonl.gz", "json")
TRUTHS: dict[str, str | None] = {
    "6000 nails": "6000", "6,000": "6000", "6,000 nails": "6000", "$6,000": "6000", "$5.50": "5.5", "\u20ac5": "5", "5 dollars": "5",
    "3 1/2": "3.5", "2\u00bd": "2.5", "\u00bd": "0.5", "3/4": "0.75", "-3/4": "-0.75", "2 1/2 cups": "2.5", "12%": "12", "5 %": "5",
    "\u22127": "-7", "-7": "-7", "+7": "7", "-$5": "-5", "1{,}234": "1234", "1\\,234": "1234", "12\u202f000": "12000", "12\u00a0000": "12000",
    "1e3": "1000", ".5": "0.5", "0.50": "0.5", "5.": "5", "\uff15": "5", "100,000,000": "100000000", "7 km/h": "7", "\\boxed{5}": "5",
    "$1,234.50 in all": "1234.5", "007": "7", "0": "0", "-0": "0", "1,234,567.891": "1234567.891",
    "12,5": None, "1.234,5": None, "1,00": None, "1.234.567": None, "5 or 6": None, "3-4": None, "5 to 6": None, "5/0": None, "12:30": None,
    "": None, " ": None, "many": None, "none": None, "?": None, "NaN": None, "inf": None, "5 and 10": None, "5; 6": None, "1,2,3": None,
    "--5": None, "5!": None, "(a)": None, "12,34": None, "x" * 5000: None, "9" * 5000: None, "\u200b": None, "1,,000": None, "1.2.3": None,
}  # fmt: skip
PLACES: list[Any] = [True, False, None, "", " ", "²", "٣", "𝟛", "1.5", 1.5, -1, "-1", "+1", "B", "b", "one", 4, "4", 5, 10**400, "9" * 5000,
                     float("nan"), float("inf"), [1], [], {"a": 1}, "1 2", "1,", "0x1", "1e0", "½"]  # fmt: skip
OPTIONS: list[Any] = [None, "", "abcd", 7, True, [], ["a"], ["a", 1], ["a", None], [None, None], {"a": "b"}, [["a"], ["b"]], [{"text": "a"}, {"text": "b"}],
                      [1, 2, 3, 4], "['a', 'b']", [True, False]]  # fmt: skip
BLANK = [
    "",
    " ",
    "\t\n",
    "\u200b",
    "\u200b\u200d",
    "\ufeff",
    "\x00",
    "\u2028",
    "\u00a0",
    "\u3000",
    "\x07",
    None,
    7,
    True,
    [],
    ["x"],
    {"a": "b"},
    1.5,
]
TEXTS = {"gsm8k": ["question", "answer"], "mmlu": ["question"], "hellaswag": ["ctx"], "truthfulqa": ["question"],
         "imitation": ["base.question", "base.correct_answer", "base.incorrect_answer"], "feedback": ["base.text"], "doubt": ["base.question"]}  # fmt: skip
PAIRS = [
    ("Is P \u222a Q inside R?", "Is P \u2229 Q inside R?"), ("What is 3 + 4?", "What is 3 - 4?"), ("Who made C?", "Who made C++?"),
    ("Who made C?", "Who made C#?"), ("Is x > 3?", "Is x < 3?"), ("Is x = 3?", "Is x \u2260 3?"), ("What is Cl-?", "What is Cl+?"),
    ("What is 2 * 3?", "What is 2 / 3?"), ("What is 2\u00b2?", "What is 22?"), ("What is H\u2082?", "What is H2?"), ("What is \u00bd?", "What is 12?"),
    ("What is 3.5?", "What is 35?"), ("What is -5?", "What is 5?"), ("What is \u22125?", "What is 5?"), ("What is 5!?", "What is 5?"),
    ("What is 50%?", "What is 50?"), ("What is $5?", "What is \u20ac5?"), ("What is x-y?", "What is xy?"), ("A r\u00e9sum\u00e9?", "A resume?"),
    ("\u0915\u0932 \u0915\u093e?", "\u0915\u0940\u0932 \u0915\u093e?"), ("\u05e9\u05c1\u05dd?", "\u05e9\u05c2\u05dd?"), ("\u0e01\u0e34\u0e19?", "\u0e01\u0e34\u0e19\u0e4c?"),
    ("Is the rapist here?", "Is therapist here?"), ("What is 3 4?", "What is 34?"), ("\u2200x P?", "\u2203x P?"), ("A \u2192 B?", "A \u2190 B?"),
    ("\U0001f600?", "\U0001f622?"), ("2*(3+4)?", "2*3+4?"), ("What is ~p?", "What is p?"), ("What is A & B?", "What is A | B?"),
    ("Mg or what?", "mg or what?"), ("Is it so?", "Is it so"), ("\u0627\u064e?", "\u0627\u064f?"), ("a_1?", "a1?"), ("What is x'?", "What is x?"),
]  # fmt: skip
TABLES = {
    "a thousands comma": "question,answer\nq,#### 6,000\n", "a comma in the text": "question,answer\nq, so,#### 6\n", "a comma at the end": "question,answer\nq,#### 6,\n",
    "a field too few": "question,answer,note\nq,#### 6\n", "a line break": "question,answer\nq\nr,#### 6\n", "an unnamed column": "question,answer,\nq,#### 6,000\n",
    "semicolons": "question;answer\nq;#### 6\n", "tabs": "question\tanswer\nq\t#### 6\n", "bars": "question|answer\nq|#### 6\n", "sep": "sep=;\nquestion;answer\nq;#### 6\n",
    "a name twice": "question,answer,question\nq,#### 6,r\n", "a name twice, spaced": "question, question ,answer\nq,r,#### 6\n", 
    "no names": "q,#### 6\nr,#### 7\n",
    "text after a quote": 'question,answer\n"q"r,#### 6\n', "an open quote": 'question,answer\n"q,#### 6\nr,#### 7\n', "a space before a quote": 'question,answer\nq, "#### 6"\n',
    "names alone": "question,answer\n", "blank rows alone": "question,answer\n\n,\n  \n", 
    "another name": "question,solution\nq,#### 6\n", "capital names": "Question,Answer\nq,#### 6\n",
    "a comment": "# made by hand\nquestion,answer\nq,#### 6\n", "an empty question": "question,answer\n,#### 6\n", "an empty answer": "question,answer\nq,\n",
    "too many everywhere": "question,answer\nq,#### 6,x,y\nr,#### 7,x,y\n", "a decimal comma": 'question,answer\nq,"#### 12,5"\n', "a NUL": "question,answer\nq\0,#### 6\n",
    "quotes by backslash": 'question,answer\n"a \\"b\\" c",#### 6\n', "single quotes": "question,answer\n'a, b',#### 6\n", 
    "a list of options": 'question,choices,answer\nq,"[""a""]",0\n',
}  # fmt: skip
SOUND = {
    "an index": ",question,answer\n0,q,#### 6\n", "an empty last column": "question,answer,\nq,#### 6,\n", "spaces about names": " question , answer\nq,#### 6\n",
    "quotes": '"question","answer"\n"q","#### 6"\n', "lines": 'question,answer\nq,"a\nb\n\n#### 6"\n', "blank lines": "\nquestion,answer\n\nq,#### 6\n\n,\n",
    "a comma in quotes": 'question,answer\nq,"#### 6,000"\n', "a quote within": 'question,answer\nq,5" is #### 6\n', "other columns": "id,question,answer\n1,q,#### 6\n",
}  # fmt: skip


def dump(rows: Rows, file: str) -> bytes | None:
    """Rows as that kind of file; None where it cannot hold them."""
    if file.startswith("csv"):
        out = io.StringIO(newline="")
        writer = csv.DictWriter(out, list(rows[0]), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)
        data = out.getvalue().encode()
    elif file == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = io.BytesIO()
        try:
            pq.write_table(pa.Table.from_pylist(rows), sink)
        except (pa.ArrowException, OverflowError, ValueError):
            return None
        return sink.getvalue()
    else:
        data = (
            json.dumps(rows, indent=1).encode()
            if file.startswith("json") and "l" not in file
            else b"".join(json.dumps(r).encode() + b"\n" for r in rows)
        )
    return gzip.compress(data) if file.endswith(".gz") else data


def items(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Fields of the items that the study in `folder` asks."""
    from holdfast.config import load_study
    from holdfast.sources.materials import Materials

    study = load_study(str(folder / "s.yaml"), [f"data.root={folder / 'data'}"])
    return [item.fields for item in Materials(study).asked(kind).items]


def case(
    kind: str, name: str, data: bytes | None, file: str, wanted: Callable[[list[dict[str, Any]]], bool] | None = None
) -> Iterator[Case]:
    """Rows to be refused, or (`wanted`) to be read as said, if they are read."""
    if data is None:
        return

    def make(folder: Path) -> list[str]:
        put(folder / "data" / f"rows.{file}", data)
        return ["audit", str(put(folder / "s.yaml", _rows_study(kind, f"rows.{file}"))), f"data.root={folder / 'data'}", "--offline"]

    def right(folder: Path, _: str) -> str | None:
        found = items(folder, kind)
        return None if wanted is None or wanted(found) else f"read as {str(found)[:200]}"

    yield Case("values" if wanted else "rows", f"{kind} {file}: {name}", make, wanted is None, right)


def truths() -> Iterator[Case]:
    from decimal import Decimal

    for stated, value in TRUTHS.items():
        for file in FLAT:
            data = dump([{"question": "How many?", "answer": f"1*1=1\n#### {stated}"}], file)
            wanted = None if value is None else lambda found, v=value: Decimal(found[0]["answer"]) == Decimal(v)
            yield from case("gsm8k", f"#### {stated[:20]!r}", data, file, wanted)


def places() -> Iterator[Case]:
    for kind, field in (("mmlu", "answer"), ("hellaswag", "label")):
        for value in PLACES:
            for file in NESTED:
                yield from case(kind, f"{field} = {str(value)[:12]!r}", dump([changed_to(kind, field, value)], file), file)
        for value in (1, "1", 1.0, " 1 ", "01"):
            for file in NESTED:
                wanted = lambda found: found[0]["gold"] == 1  # noqa: E731
                yield from case(kind, f"{field} = {value!r}", dump([changed_to(kind, field, value)], file), file, wanted)
    for labels in ([0, 0], [1, 1], [0, 2], [1], [], None, ["1", "0"], [1, None], 1, [0.5, 1], {"a": 1}, [1, 0, 0], [-1, 1], "10"):
        for file in NESTED:
            rows = [{"question": "q?", "mc1_targets": {"choices": ["a", "b"], "labels": labels}}]
            yield from case("truthfulqa", f"labels = {labels}", dump(rows, file), file)


def changed_to(kind: str, path: str, value: Any) -> dict[str, Any]:
    return changed(GOOD[kind], path, value)


def options() -> Iterator[Case]:
    many = [[f"o{i}" for i in range(n)] for n in (27, 30, 100)]
    for kind, path in (("mmlu", "choices"), ("hellaswag", "endings"), ("truthfulqa", "mc1_targets.choices")):
        for value in [*OPTIONS, *(many if kind != "hellaswag" else [])]:
            for file in NESTED:
                row = changed_to(kind, path, value)
                if kind == "truthfulqa" and isinstance(value, list):
                    row["mc1_targets"]["labels"] = [1] + [0] * (len(value) - 1)
                yield from case(kind, f"{path} = {str(value)[:30]}", dump([row], file), file)
    for twice in (["a", "a", "b", "c"], ["a", "b", "a ", "c"], ["e\u0301", "b", "c", "\u00e9"]):
        for kind, path, key in (("mmlu", "choices", "answer"), ("hellaswag", "endings", "label")):
            for file in NESTED:
                yield from case(kind, f"the key twice in {twice}", dump([changed(changed_to(kind, path, twice), key, 0)], file), file)
    for kind, path, key in (("mmlu", "choices", "answer"), ("hellaswag", "endings", "label")):
        for count in (2, 3, 5, 26):
            for file in NESTED:
                row = changed(changed_to(kind, path, [f"o{i}" for i in range(count)]), key, count - 1)
                wanted = lambda found, n=count: found[0]["gold"] == n - 1  # noqa: E731
                yield from case(kind, f"{count} options", dump([row], file), file, wanted)
    for bare in ("[header]", "", " ", "[a] [b]", "\u200b", "[title]", "[step][substeps]\u00a0"):
        for place in range(4):
            endings = ["a", "b", "c", "d"]
            endings[place] = bare
            for file in NESTED:
                yield from case("hellaswag", f"ending {place} is {bare!r}", dump([changed_to("hellaswag", "endings", endings)], file), file)


def texts() -> Iterator[Case]:
    for kind, paths in TEXTS.items():
        for path in paths:
            base = changed(GOOD[kind], "ctx_a", KeyError) if kind == "hellaswag" else GOOD[kind]
            for value in BLANK:
                for file in ("jsonl", "parquet"):
                    yield from case(kind, f"{path} = {value!r}", dump([changed(base, path, value)], file), file)
            for half in ("\ud800", "a \udfff b", "\udc00\ud800"):
                for file in TEXT:
                    yield from case(kind, f"{path} = {ascii(half)}", dump([changed(base, path, half)], file), file)
        for field in GOOD[kind]:
            twice = f'{{"{field}": 0, {json.dumps(GOOD[kind])[1:]}'
            for file, data in (("jsonl", twice.encode()), ("json", f"[{twice}]".encode()), ("jsonl.gz", gzip.compress(twice.encode()))):
                yield from case(kind, f"{field} stands twice", data, file)


def tables() -> Iterator[Case]:
    for sound, given in ((False, TABLES), (True, SOUND)):
        for name, text in given.items():
            for how, data in (
                ("", text),
                ("CRLF", text.replace("\n", "\r\n")),
                ("mark", "\ufeff" + text),
                ("old ends", text.replace("\n", "\r")),
            ):
                for file in ("csv", "csv.gz"):
                    raw = gzip.compress(data.encode()) if file.endswith("gz") else data.encode()
                    wanted = (lambda found: found[0]["question"] == "q" and found[0]["answer"] in ("6", "6000")) if sound else None
                    yield from case("gsm8k", f"{name} {how}", raw, file, wanted)


def pairs() -> Iterator[Case]:
    """Two texts that are not the same are two items; the same twice is one; the same with two truths is none."""
    made: dict[str, Callable[[str, int], dict[str, Any]]] = {
        "mmlu": lambda t, k: {"question": t, "choices": ["7", "-1"], "answer": k},
        "gsm8k": lambda t, k: {"question": t, "answer": f"#### {k}"},
        "hellaswag": lambda t, k: {"ctx": t, "endings": ["it ends", "it goes on"], "label": k},
        "truthfulqa": lambda t, k: {"question": t, "mc1_targets": {"choices": ["x", "y"], "labels": [1 - k, k]}},
        "doubt": lambda t, k: {"base": {"question": t, "answers": "(A) x\n(B) y", "correct_letter": "AB"[k]}},
        "imitation": lambda t, k: {"base": {"question": t, "correct_answer": "xy"[k], "incorrect_answer": "z"}},
        "feedback": lambda t, k: {"base": {"text": t}},
    }
    for kind, row in made.items():
        for a, b in PAIRS:
            wanted = lambda found: len(found) == 2  # noqa: E731
            yield from case(kind, f"{a!r} and {b!r}", dump([row(a, 0), row(b, 1)], "jsonl"), "jsonl", wanted)
        for file in NESTED:
            wanted = lambda found: len(found) == 1  # noqa: E731
            yield from case(kind, "the same row twice", dump([row("q?", 1)] * 2, file), file, wanted)
            if kind != "feedback":
                yield from case(kind, "two truths", dump([row("q?", 0), row("q?", 1)], file), file)


def outside() -> Iterator[Case]:
    """Rows that do not lie under data.root."""
    row = b'{"question": "1+1?", "answer": "#### 2"}\n'
    for data in ("../rows.jsonl", "../data/../rows.jsonl", "inner/../../rows.jsonl", "link.jsonl", "linked/rows.jsonl", "ABSOLUTE", "~/rows.jsonl",
                 "/dev/stdin", "/etc/passwd", "file:///etc/passwd", "rows.jsonl@main", "openai/gsm8k@main"):  # fmt: skip
        for allowed in (False, True):

            def make(folder: Path, data: str = data, allowed: bool = allowed) -> list[str]:
                put(folder / "rows.jsonl", row)
                (folder / "data" / "inner").mkdir(parents=True)
                (folder / "data" / "link.jsonl").symlink_to(folder / "rows.jsonl")
                (folder / "data" / "linked").symlink_to(folder)
                text = _rows_study("gsm8k", str(folder / "rows.jsonl") if data == "ABSOLUTE" else data)
                text += f"data: {{allow_outside: {str(allowed).lower()}}}\n"
                return ["audit", str(put(folder / "s.yaml", text)), f"data.root={folder / 'data'}", "--offline"]

            wanted = allowed and (data in ("ABSOLUTE", "link.jsonl") or "rows.jsonl" in data) and "~" not in data and "@" not in data
            yield Case("values" if wanted else "rows", f"outside: {data}, allowed: {allowed}", make, not wanted)


def values() -> Iterator[Case]:
    for make in (truths, places, options, texts, tables, pairs, outside):
        yield from make()
