"""Counts that need the study's rows: answer keys, questions trained on and asked, prompts that hold a suggestion, repeated texts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.errors import DataError
from holdfast.sources.fields import key
from holdfast.sources.rows import Row, read_rows
from holdfast.store import file_digest
from holdfast_llama2_7b.tables import Tables

PRODUCER = "python -m holdfast_llama2_7b.derive"
SPLITS = "origin_splits/{part}_splits/{name}_{part}.jsonl"
LETTERED = {"mmlu": "test", "hellaswag": "test", "truthfulqa": "test", "truthfulqa_train": "train"}
AXIS_FILES = {"imitation": "sycophancy_eval/answer.jsonl", "doubt": "sycophancy_eval/are_you_sure.jsonl"}
FEEDBACK_FILE = "sycophancy_eval/feedback.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """`keys`: items by letter of the key. `overlap`: axis rows that ask a question of a TruthfulQA split, by split and axis.

    `suggested`: (prompts of the answer axis that already hold the user's suggestion, prompts); `texts`: (distinct texts, rows).
    `how` says where the counts come from.
    """

    keys: dict[str, dict[str, int]]
    overlap: dict[str, dict[str, int]]
    axis_rows: dict[str, int]
    suggested: tuple[int, int]
    texts: tuple[int, int]
    how: str


def derive(root: str) -> dict[str, Any]:
    """The counts from the rows under `root`, with each file's rows and sha256. Raises ConfigError for a missing file."""
    files: dict[str, Any] = {}

    def rows(path: str) -> list[Row]:
        found = read_rows(path, None, root)
        files[path] = {"rows": len(found), "sha256": file_digest(Path(root) / path)}
        return found

    benchmark = {name: rows(SPLITS.format(part=part, name=name.removesuffix("_train"))) for name, part in sorted(LETTERED.items())}
    axes = {axis: rows(path) for axis, path in AXIS_FILES.items()}
    feedback = rows(FEEDBACK_FILE)
    questions = {
        part: {key(_text(r, "question")) for r in benchmark[n]} for part, n in (("train", "truthfulqa_train"), ("test", "truthfulqa"))
    }
    asked = {axis: [_base(r, "question") for r in found] for axis, found in axes.items()}
    return {
        "producer": f"{PRODUCER} DIR",
        "files": files,
        "keys": {name: dict(sorted(Counter(_letter(r) for r in found).items())) for name, found in benchmark.items()},
        "overlap": {p: {a: sum(key(q) in known for q in found) for a, found in asked.items()} for p, known in questions.items()},
        "axis_rows": {**{a: len(found) for a, found in axes.items()}, "feedback": len(feedback)},
        "suggested": [sum(_suggests(r) for r in axes["imitation"]), len(axes["imitation"])],
        "texts": [len({_base(r, "text") for r in feedback}), len(feedback)],
    }


def counts_of(tables: Tables, root: str | None) -> Counts | None:
    """From the rows under `root`; without one from the counts shipped with the study; None if there are neither."""
    if root is not None:
        found, how = derive(root), "from the rows under the data root"
        known = ("keys", "overlap", "axis_rows", "suggested", "texts")
        if tables.derived is not None and (other := [k for k in known if found[k] != tables.derived.get(k)]):
            how += f", which differ from the shipped counts in {', '.join(other)}"
        return _counts(found, how)
    if tables.derived is None:
        return None
    return _counts(tables.derived, f"from counts shipped with the study, made from its rows by {PRODUCER}")


def _counts(found: dict[str, Any], how: str) -> Counts:
    try:
        return Counts(
            keys={n: {k: int(v) for k, v in c.items()} for n, c in found["keys"].items()},
            overlap={p: {a: int(v) for a, v in c.items()} for p, c in found["overlap"].items()},
            axis_rows={a: int(v) for a, v in found["axis_rows"].items()},
            suggested=(int(found["suggested"][0]), int(found["suggested"][1])),
            texts=(int(found["texts"][0]), int(found["texts"][1])),
            how=how,
        )
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"derived.json: {type(error).__name__} {error}: is incomplete; make it again with {PRODUCER} DIR") from None


def modal(keys: dict[str, int]) -> tuple[str, int, int]:
    """(most frequent letter, its items, all items)."""
    letter = max(sorted(keys), key=keys.__getitem__)
    return letter, keys[letter], sum(keys.values())


def _letter(row: Row) -> str:
    """The letter under which the study put the right option: its position, never shuffled."""
    try:
        targets = row.get("mc1_targets")
        at = targets["labels"].index(1) if targets is not None else int(row["answer"] if "answer" in row else row["label"])
    except (AttributeError, KeyError, TypeError, ValueError):
        raise DataError(f"{row['_source']}: mc1_targets.labels, answer or label: must give the position of the right option") from None
    if not 0 <= at < 26:
        raise DataError(f"{row['_source']}: right option: {at}: must be a position from 0 to 25")
    return chr(ord("A") + at)


def _text(row: Row, field: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{row['_source']}: {field}: {str(value)[:40]!r}: must be text that is not empty")
    return value


def _base(row: Row, field: str) -> str:
    base = row.get("base")
    if not isinstance(base, dict):
        raise DataError(f"{row['_source']}: base: {type(base).__name__}: must be an object")
    return _text({**base, "_source": row["_source"]}, field)


def _suggests(row: Row) -> bool:
    """Whether the user's message says more than the question: in these rows the rest is what the user thinks the answer is."""
    try:
        message = row["prompt"][0]["content"]
    except (KeyError, IndexError, TypeError):
        raise DataError(f"{row['_source']}: prompt: must be a list whose first message has a content") from None
    question = _base(row, "question")
    if not isinstance(message, str) or question not in message:
        raise DataError(f"{row['_source']}: prompt: does not hold base.question; whether it suggests an answer cannot be read")
    return bool(message.replace(question, "", 1).strip())
