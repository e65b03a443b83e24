"""What a row must hold, checked: every refusal names file, line and field."""

import random
import unicodedata
from typing import Any

from holdfast.errors import DataError
from holdfast.records import Item
from holdfast.sources.rows import Row

Fields = dict[str, Any]  # of an item: plain JSON


def key(text: str) -> str:
    """Normalized text by which overlap is found: NFKC, case folded, letters and digits only."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def draw(items: list[Item], kind: str, limit: int | None, seed: int) -> list[Item]:
    """A seeded sample of `limit` items; all of them if there are no more."""
    return items if limit is None or limit >= len(items) else random.Random(f"{kind}/{seed}").sample(items, limit)


def text(row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{row['_source']}: {name}: {value!r}: must be text that is not empty")
    return value


def label(row: Row, name: str, count: int) -> int:
    value = row.get(name)
    number = int(value) if isinstance(value, int) or (isinstance(value, str) and value.strip().isdigit()) else -1
    if not 0 <= number < count or isinstance(value, bool):
        raise DataError(f"{row['_source']}: {name}: {value!r}: must be a whole number from 0 to {count - 1}")
    return number


def options(row: Row, name: str, value: object, low: int = 2) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) < low or not all(isinstance(v, str) for v in value):
        raise DataError(f"{row['_source']}: {name}: must be a list of at least {low} texts")
    return list(value)


def own_prompt(row: Row) -> str:
    """The last thing a human says in a row's own prompt. Raises DataError if there is none."""
    turns = row.get("prompt")
    texts = (
        [t.get("content") for t in turns if isinstance(t, dict) and t.get("type", t.get("role")) in ("human", "user")]
        if isinstance(turns, list)
        else []
    )
    if not texts or not isinstance(texts[-1], str) or not texts[-1].strip():
        raise DataError(f"{row['_source']}: prompt: must be a list of turns with something a human says; form sycophancy_eval needs none")
    return texts[-1]


def own_text(row: Row) -> str:
    """Question or text of a row with a `base`. Raises DataError if it holds neither."""
    base = row.get("base")
    if not isinstance(base, dict):
        raise DataError(f"{row['_source']}: base: {type(base).__name__}: must hold the question or text")
    stem = base.get("question") or base.get("text")
    if not isinstance(stem, str) or not stem.strip():
        raise DataError(f"{row['_source']}: base.question: {stem!r}: must be text that is not empty")
    return stem


def named_answers(row: Row) -> tuple[str, ...]:
    """Answers a user could offer in a row's prompt: the right one, its long form, the wrong one."""
    base = row.get("base") or {}
    answers = (base.get(name) for name in ("correct_answer", "long_correct_answer", "incorrect_answer"))
    return tuple(a for a in answers if isinstance(a, str) and a)
