"""SycophancyEval rows as they are: one item a row, repeats kept, the row's own prompt taken for the neutral one.

That is how a published study asked them, and a defect (`audit.neutral`, `audit.duplicates`): most prompts of `answer` rows already
hold a suggestion. The form is for reproducing it; form `sycophancy_eval` rebuilds every condition from the question.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from holdfast.errors import DataError
from holdfast.records import Item
from holdfast.sources.fields import key
from holdfast.sources.rows import Row


def own_prompt(row: Row) -> str:
    """The last thing a human says in a row's own prompt. Raises DataError if there is none."""
    turns = row.get("prompt")
    said = (
        [t.get("content") for t in turns if isinstance(t, dict) and t.get("type", t.get("role")) in ("human", "user")]
        if isinstance(turns, list)
        else []
    )
    if not said or not isinstance(said[-1], str) or not said[-1].strip():
        raise DataError(f"{row['_source']}: prompt: must be a list of turns with something a human says; form sycophancy_eval needs none")
    return said[-1]


def stem_of(row: Row) -> str:
    """Question or text of a row. Raises DataError if it holds neither."""
    base = row.get("base")
    if not isinstance(base, dict):
        raise DataError(f"{row['_source']}: base: {type(base).__name__}: must hold the question or text")
    stem = base.get("question") or base.get("text")
    if not isinstance(stem, str) or not stem.strip():
        raise DataError(f"{row['_source']}: base.question: {stem!r}: must be text that is not empty")
    return stem


def answers_named(row: Row) -> tuple[str, ...]:
    """Answers a user could hold out in a row's prompt: the right one, its long form, the wrong one."""
    base: dict[str, Any] = row.get("base") or {}
    found = (base.get(name) for name in ("correct_answer", "long_correct_answer", "incorrect_answer"))
    return tuple(a for a in found if isinstance(a, str) and a)


def as_given_items(
    kind: str, rows: list[Row], make: Callable[[dict[str, Any], str], dict[str, Any] | None], *, limit: int | None, seed: int
) -> list[Item]:
    """One item a row. `make(base, source)` gives the fields of an item; imitation's question is the row's own prompt.

    Feedback keeps the frames that are rebuilt around each text: what is kept of the rows is that texts repeat.
    """
    out = []
    for row in rows:
        stem, source = key(stem_of(row)), row["_source"]
        base = {**row["base"], "question": own_prompt(row)} if kind == "imitation" else row["base"]
        fields = make(base, source)
        if fields is None:
            continue
        if kind == "doubt":
            fields = {**fields, "ask": own_prompt(row)}
        out.append(Item(item_id=f"{kind}-{len(out):05d}", cluster_id=stem[:200], fields=fields, source_keys=(stem,)))
    return out if limit is None or limit >= len(out) else random.Random(f"{kind}/{seed}").sample(out, limit)
