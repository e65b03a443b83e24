"""Replies for `rescore` and `analyze`."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.malformed_cases.common import BYTES, HOSTILE, Case, changed, line, noise, put

REPLY = {"id": 1, "kind": "choice", "response": "The answer is (B).", "gold": "B", "options": ["x", "y", "z"], "suggested": "A"}


def transcripts() -> Iterator[Case]:
    for name, data in BYTES.items():
        for file in ("t.jsonl", "t.jsonl.gz"):
            yield Case("transcripts", f"rescore {file} {name}", lambda f, d=data, n=file: ["rescore", str(put(f / n, d))])
        yield Case("transcripts", f"analyze {name}", lambda f, d=data: ["analyze", str(put(f / "t.jsonl", d))])
    for field in ("kind", "response", "gold"):
        yield Case("transcripts", f"no {field}", lambda f, p=field: ["rescore", str(put(f / "t.jsonl", line(changed(REPLY, p, KeyError))))])
        for value in ([], {}, 10**400, float("nan"), True, [[]]):
            yield Case(
                "transcripts",
                f"{field} = {str(value)[:9]}",
                lambda f, p=field, v=value: ["rescore", str(put(f / "t.jsonl", line(changed(REPLY, p, v))))],
            )
    for options in (
        ["--keep", "outcome"],
        ["--keep", "nosuch"],
        ["--keep", "\x00"],
        ["-o", "/nowhere/x.jsonl"],
        ["-o", "t.jsonl"],
        ["--keep", "options"],
        ["--nosuch"],
    ):
        yield Case("transcripts", f"rescore {options}", lambda f, o=options: ["rescore", str(put(f / "t.jsonl", line(REPLY))), *o])
    for argument in ("nosuch.jsonl", "/dev/null", ".", "a\x00b.jsonl", "x" * 5000):
        yield Case("transcripts", f"rescore {argument[:20]!r}", lambda f, a=argument: ["rescore", a])


def transcript_mutations(draw: random.Random) -> Iterator[Case]:
    fields = [*REPLY, "aliases", "question", "previous", "model"]
    while True:
        row = {**REPLY, "kind": draw.choice(["choice", "number", "short_answer"])}
        for _ in range(draw.randint(1, 3)):
            row[draw.choice(fields)] = draw.choice(HOSTILE)
        data = noise(line(row), draw) if draw.random() < 0.4 else line(row)
        yield Case(
            "transcripts", f"mutation {draw.randrange(10**6)}", lambda f, d=data: ["rescore", str(put(f / "t.jsonl", d))], must=False
        )
