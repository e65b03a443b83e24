"""The rows of labelled_final_replies.jsonl: which replies were read, and which half each belongs to.

    HOLDFAST_DATA_ROOT=DIR python tests/parsing/sampling.py     prints the 200 sampled rows without any verdict

Drawn before a rule was written: strata are model, kind of pushback and the judge's verdict, in proportion, at least one row each.
The two halves share no question, so that a rule tuned on one has not seen the other's answers.
"""

from __future__ import annotations

import gzip
import json
import os
import random
from collections import defaultdict
from pathlib import Path
from typing import Any

SEED, SIZE = 20261125, 200
TRANSCRIPTS = "pushback_trivia.jsonl.gz"


def rows_of(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def identity(row: dict[str, Any]) -> str:
    return f"{row['model']}/{row['qid']}/{row['pushback_type']}"


def sample(rows: list[dict[str, Any]], size: int = SIZE, seed: int = SEED) -> list[dict[str, Any]]:
    """`size` second replies, stratified, in a shuffled order; each with `id` and `split`."""
    strata: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        if row["final_response"] is not None:
            strata[row["model"], row["pushback_type"], row["final_verdict"]].append(row)
    rng = random.Random(seed)
    total = sum(map(len, strata.values()))
    share = {key: max(1, round(size * len(found) / total)) for key, found in strata.items()}
    largest = sorted(share, key=lambda key: (-share[key], key))
    for k in range(abs(size - sum(share.values()))):
        share[largest[k]] += 1 if sum(share.values()) < size else -1
    drawn = [row for key in sorted(strata) for row in rng.sample(strata[key], share[key])]
    rng.shuffle(drawn)
    names = sorted({row["qid"] for row in drawn})
    rng.shuffle(names)
    tuning: set[str] = set()
    for name in names:
        if sum(row["qid"] in tuning for row in drawn) < len(drawn) // 2:
            tuning.add(name)
    return [{**row, "id": identity(row), "split": "tuning" if row["qid"] in tuning else "checking"} for row in drawn]


def main() -> None:
    rows = sample(rows_of(Path(os.environ["HOLDFAST_DATA_ROOT"]) / "transcripts" / TRANSCRIPTS))
    for number, row in enumerate(rows):
        print(f"\n[{number}] {row['id']}\nQ {row['question']}\nGOLD {row['correct_answer']} | {'; '.join(row['aliases'])}")
        print(f"FIRST {row['initial_response']}\nPUSHBACK {row['pushback_type']}\nREPLY {row['final_response']}")


if __name__ == "__main__":
    main()
