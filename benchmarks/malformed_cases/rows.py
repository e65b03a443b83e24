"""Rows of every kind of source, in every format."""

from __future__ import annotations

import contextlib
import gzip
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.malformed_cases.common import BYTES, HOSTILE, Case, changed, line, noise, put

GOOD: dict[str, dict[str, Any]] = {
    "gsm8k": {"question": "1+1?", "answer": "It is 2\n#### 2"},
    "mmlu": {"question": "Which?", "subject": "x", "choices": ["a", "b", "c", "d"], "answer": 2},
    "hellaswag": {"ctx": "He sat.", "ctx_a": "He sat.", "ctx_b": "then", "activity_label": "Home", "endings": ["a", "b", "c", "d"], "label": "3"},
    "truthfulqa": {"question": "What happens?", "mc1_targets": {"choices": ["nothing", "magic"], "labels": [1, 0]}},
    "imitation": {"prompt": [{"type": "human", "content": "Who?"}],
                  "base": {"question": "Who?", "correct_answer": "Ann", "incorrect_answer": "Bob", "answer": ["Ann"], "long_correct_answer": "It was Ann."}},
    "feedback": {"prompt": [{"type": "human", "content": "Judge."}], "base": {"text": "An argument."}},
    "doubt": {"prompt": [{"type": "human", "content": "Which?"}], "base": {"question": "Which?", "answers": "\n(A) one\n(B) two", "correct_letter": "B"}},
}  # fmt: skip
NEEDED = {"gsm8k": ["question", "answer"], "mmlu": ["question", "choices", "answer"], "hellaswag": ["endings", "label"],
          "truthfulqa": ["question", "mc1_targets"], "imitation": ["base", "base.question", "base.correct_answer", "base.incorrect_answer"],
          "feedback": ["base", "base.text"], "doubt": ["base", "base.question", "base.answers", "base.correct_letter"]}  # fmt: skip


def _rows_study(kind: str, file: str) -> str:
    style = "" if kind in ("gsm8k", "mmlu", "hellaswag", "truthfulqa") else ", limit: 4"
    return (f"name: rows\nseeds: 1\nmodel: {{name: 'a/b'}}\ndomains: [{{name: idle, role: 'null', identity: true}}]\n"
            f"instruments: [{{kind: {kind}, data: {file}{style}}}]\n")  # fmt: skip


def rows_case(kind: str, name: str, data: bytes, file: str = "rows.jsonl", must: bool = True) -> Case:
    def make(folder: Path) -> list[str]:
        put(folder / "data" / file, data)
        return ["audit", str(put(folder / "s.yaml", _rows_study(kind, file))), f"data.root={folder / 'data'}", "--offline"]

    return Case("rows", f"{kind} {file}: {name}", make, must)


def rows() -> Iterator[Case]:
    for kind, good in GOOD.items():
        for path in NEEDED[kind]:
            yield rows_case(kind, f"no {path}", line(changed(good, path, KeyError)) + line(good))
            for value in (None, True, 1.5, [], {}, "", float("nan")):
                if not (path == "base.answers" and value is True):
                    yield rows_case(kind, f"{path} = {value!r}", line(changed(good, path, value)) + line(good))
        for name, data in BYTES.items():
            if name != "gzip of nothing":
                yield rows_case(kind, name, data)
        for name in ("half", "not utf-8", "gzip cut", "gzip header", "gzip of nothing", "binary", "deep"):
            yield rows_case(kind, name, BYTES[name] if name.startswith("gzip") else gzip.compress(BYTES[name]), "rows.jsonl.gz")
    for name, data in BYTES.items():
        yield rows_case("mmlu", name, data, "rows.json")
        yield rows_case("mmlu", name, data, "rows.csv")
        yield rows_case("mmlu", name, data, "rows.parquet")
    yield rows_case("gsm8k", "a field over the limit", b"question,answer\n" + b"x" * 200_000 + b",1\n", "rows.csv")
    yield rows_case("gsm8k", "too many cells", b"question,answer\na,#### 1,c,d\n" * 2, "rows.csv")
    yield rows_case("gsm8k", "a quote left open", b'question,answer\n"a,#### 1\n', "rows.csv")


def row_mutations(draw: random.Random) -> Iterator[Case]:
    while True:
        kind = draw.choice(list(GOOD))
        paths = [*NEEDED[kind], *GOOD[kind]]
        if draw.random() < 0.5:
            changed = GOOD[kind]
            for _ in range(draw.randint(1, 2)):
                path = draw.choice(paths)
                with contextlib.suppress(KeyError, TypeError, AttributeError):
                    changed = changed(changed, path, draw.choice([KeyError, *HOSTILE]))
            data, file = line(changed) + line(GOOD[kind]), "rows.jsonl"
        else:
            data, file = noise(line(GOOD[kind]) * 3, draw), draw.choice(["rows.jsonl", "rows.json", "rows.csv"])
        yield rows_case(kind, f"mutation {draw.randrange(10**6)}", data, file, must=False)
