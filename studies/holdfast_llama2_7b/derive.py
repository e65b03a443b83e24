"""Counts that need the study's rows: answer keys, questions trained on and asked, prompts that hold a suggestion, repeated texts.

`python -m holdfast_llama2_7b.derive DIR` makes the shipped derived.json from the rows under DIR.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

from holdfast.errors import DataError, HoldfastError
from holdfast.sources.fields import key
from holdfast.sources.rows import Row, read_rows
from holdfast.store import file_digest, write_atomic
from holdfast_llama2_7b.inputs import Counts
from holdfast_llama2_7b.tables import DATA

PRODUCER = "python -m holdfast_llama2_7b.derive"
SPLITS = "origin_splits/{part}_splits/{name}_{part}.jsonl"
LETTERED = {"mmlu": "test", "hellaswag": "test", "truthfulqa": "test", "truthfulqa_train": "train"}
AXIS_FILES = {"imitation": "sycophancy_eval/answer.jsonl", "doubt": "sycophancy_eval/are_you_sure.jsonl"}
FEEDBACK_FILE = "sycophancy_eval/feedback.jsonl"


def derive(root: str) -> dict[str, object]:
    """The counts from the rows under `root`, with each file's rows and sha256. Raises ConfigError for a missing file."""
    files: dict[str, object] = {}

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


def counts_of(shipped: Counts | None, root: str | None) -> Counts | None:
    """From the rows under `root`; without one the counts shipped with the study; None if there are neither."""
    if root is None:
        return shipped and shipped.model_copy(update={"how": f"from counts shipped with the study, made from its rows by {PRODUCER}"})
    counts, how = Counts.model_validate(derive(root)), "from the rows under the data root"
    parts = ("keys", "overlap", "axis_rows", "suggested", "texts")
    if shipped is not None and (other := [p for p in parts if getattr(counts, p) != getattr(shipped, p)]):
        how += f", which differ from the shipped counts in {', '.join(other)}"
    return counts.model_copy(update={"how": how})


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
        raise DataError(f"{row['_source']}: {field}: {str(value)[:40]!r}: must be non-empty text")
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


def derived_json(root: str) -> bytes:
    """Content of derived.json."""
    return (json.dumps(derive(root), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("usage: python -m holdfast_llama2_7b.derive DIR", file=sys.stderr)
        return 2
    try:
        write_atomic(DATA / "derived.json", derived_json(arguments[0]))
    except HoldfastError as error:
        print(f"derive: {error}", file=sys.stderr)
        return 2
    print("derived.json written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
