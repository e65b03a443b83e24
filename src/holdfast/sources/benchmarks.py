"""Benchmark rows -> evaluation items and training examples."""

from __future__ import annotations

import dataclasses
import random

from holdfast.errors import DataError
from holdfast.instruments.style import Style
from holdfast.records import Example, Item
from holdfast.sources.fields import key
from holdfast.sources.forms import Asked, form
from holdfast.sources.rows import Row


def items_from_rows(kind: str, rows: list[Row], *, limit: int | None = None, seed: int = 0) -> list[Item]:
    """Items of a benchmark: a seeded sample of `limit` distinct texts; clusters are texts."""
    read = form(kind).read
    found: dict[str, Item] = {}
    for row in rows:
        fields = read(row)
        stem = key(fields.get("question") or fields["context"])
        whole = stem + "|" + "|".join(fields.get("choices", fields.get("endings", [])))
        name = f"{kind}-{len(found):05d}"
        found.setdefault(whole, Item(item_id=name, cluster_id=stem[:200], fields=fields, source_keys=(stem,)))
    items = list(found.values())
    return items if limit is None or limit >= len(items) else random.Random(f"{kind}/{seed}").sample(items, limit)


def examples_from_rows(
    kind: str, rows: list[Row], style: Style, *, seed: int = 0, shuffle: bool = True, limit: int | None = None
) -> list[Example]:
    """Training conversations in the words of `style`. Options are shuffled unless `shuffle` is off (the published defect)."""
    rng = random.Random(f"examples/{kind}/{seed}")
    rows = rows if limit is None or limit >= len(rows) else rng.sample(rows, limit)
    made, asked, out = form(kind), Asked(style, rng, shuffle), []
    for row in rows:
        fields = made.read(row)
        stem = (key(fields.get("question") or fields["context"]),)
        out.append(dataclasses.replace(made.example(fields, asked), source_keys=stem))
    return out


def with_shots(kind: str, items: list[Item], rows: list[Row], count: int) -> list[Item]:
    """Items that carry their solved examples: the first `count` rows, of the item's own subject where rows have one.

    Raises DataError if fewer than `count` rows are there; an item is never its own example.
    """
    read = form(kind).read
    solved = [read(row) for row in rows]
    out = []
    for item in items:
        mine = [s for s in solved if s.get("subject") == item.fields.get("subject") and s["question"] != item.fields["question"]]
        if len(mine) < count:
            raise DataError(
                f"instruments.{kind}.shots: {count} solved examples are asked for and shots_split has {len(mine)} "
                f"{'for subject ' + repr(item.fields['subject']) if item.fields.get('subject') else ''}; lower shots"
            )
        out.append(dataclasses.replace(item, fields={**item.fields, "shots": mine[:count]}))
    return out
