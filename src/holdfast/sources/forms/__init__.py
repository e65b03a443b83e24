"""Forms of rows. A module here is found by its file, whose name is the form's: adding one is one new file. `axes`: forms of an axis's rows.

`read(row)` returns named fields, `question` or `context` among them, and raises DataError naming file, line and field.
`example(fields, layout)` makes a training conversation; a form without it has `choices` and `gold`, and is learned as a lettered question.
The instrument of the form's name, if there is one, makes its items of the same fields. `knows(row)`: whether a row has this form, by its
names of fields. `TYPICAL`: (characters of a training row, of them with loss) where the planner cannot read rows.
A benchmark that declares `read`, or `items_of` and how its items are learned, is a form of rows itself.
"""

import dataclasses
import importlib
import pkgutil
import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from holdfast.errors import ConfigError, DataError
from holdfast.instruments import available, instrument_class
from holdfast.instruments.lettered import Lettered
from holdfast.instruments.style import LETTERS, Style
from holdfast.records import Example, Item, Message
from holdfast.sources.distinct import Candidate, RowNotes, distinct
from holdfast.sources.fields import Fields, draw, key
from holdfast.sources.rows import Row


class ExampleLayout(NamedTuple):
    """How examples are made: their words, and the order of options, drawn from `rng` unless `shuffle` is off."""

    style: Style
    rng: random.Random
    shuffle: bool


class Form(NamedTuple):
    """One form of rows: its reader, and how its fields become a training conversation."""

    read: Callable[[Row], Fields]
    example: Callable[[Fields, ExampleLayout], Example]
    typical: tuple[int, int]


def names() -> list[str]:
    own = {n for n, made in available("benchmark").items() if made.read or made.items_of and (made.example or issubclass(made, Lettered))}
    return sorted(own | {m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg})


def form(name: str) -> Form:
    """Raises ConfigError for a name that is not a form of rows."""
    if name not in names():
        raise ConfigError(f"data: no reader for {name!r}; available: {', '.join(names())}")
    made = instrument_class(name)
    if made.read or made.items_of:
        return Form(made.read or (lambda row: next((i.fields for i in own_items(name, [row])), {})), made.example or lettered, (400, 100))
    module = importlib.import_module(f"{__name__}.{name}")
    return Form(module.read, getattr(module, "example", lettered), getattr(module, "TYPICAL", (400, 100)))


def form_of(row: Row) -> str | None:
    """The first form that recognizes a row: of those that benchmarks are themselves, then by name."""
    own = next((name for name, made in available("benchmark").items() if name in names() and made.knows(row)), None)
    modules = ((m.name, importlib.import_module(f"{__name__}.{m.name}")) for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    return own or next((name for name, module in modules if hasattr(module, "knows") and module.knows(row)), None)


def own_items(kind: str, rows: Sequence[Row]) -> list[Item]:
    """What a benchmark's `items_of` makes, each with a source key."""
    made = instrument_class(kind)
    items = made.items_of(rows, None, None, 0) if made.items_of else []
    return [i if i.source_keys else dataclasses.replace(i, source_keys=(key(made.stem(i)),)) for i in items]


def lettered(fields: Fields, layout: ExampleLayout) -> Example:
    """A question with lettered options, answered with the key's letter."""
    order = list(range(len(fields["choices"])))
    if layout.shuffle:
        layout.rng.shuffle(order)
    shown, gold = [fields["choices"][i] for i in order], order.index(fields["gold"])
    style = layout.style
    options = tuple(style.prefill.strip() + style.letter_choice(x, v) for x, v in zip(LETTERS, shown, strict=False))
    turns = (Message("user", style.lettered(fields["question"], shown)), Message("assistant", options[gold]))
    return Example(messages=turns, options=options)


def item_of(kind: str, row: Row) -> Item:
    """The item of one row of a benchmark."""
    return Candidate.of(row["_source"], form(kind).read(row)).item(kind)


def items_from_rows(
    kind: str, rows: Sequence[Row], *, limit: int | None = None, seed: int = 0, notes: RowNotes | None = None
) -> list[Item]:
    """Items of a benchmark: a seeded sample of `limit` distinct ones (see `distinct`); clusters are texts."""
    read = form(kind).read
    if instrument_class(kind).items_of:
        return draw(own_items(kind, rows), kind, limit, seed)
    return draw(distinct(kind, (Candidate.of(row["_source"], read(row)) for row in rows), notes), kind, limit, seed)


def examples_from_rows(
    kind: str, rows: Sequence[Row], style: Style, *, seed: int = 0, shuffle: bool = True, limit: int | None = None
) -> list[Example]:
    """Training conversations in the words of `style`. Options are shuffled unless `shuffle` is off (the published defect)."""
    rng = random.Random(f"examples/{kind}/{seed}")
    rows = rows if limit is None or limit >= len(rows) else rng.sample(rows, limit)
    made, layout, out = form(kind), ExampleLayout(style, rng, shuffle), []
    if instrument_class(kind).items_of:
        return [dataclasses.replace(made.example(i.fields, layout), source_keys=i.source_keys) for i in own_items(kind, rows)]
    for row in rows:
        fields = made.read(row)
        stem = (key(fields.get("question") or fields["context"]),)
        out.append(dataclasses.replace(made.example(fields, layout), source_keys=stem))
    return out


def with_shots(kind: str, items: list[Item], rows: Sequence[Row], count: int) -> list[Item]:
    """Items that carry their solved examples: the first `count` rows, of the item's own subject where rows have one.

    Raises DataError if fewer than `count` rows are there; an item is never its own example.
    """
    made = instrument_class(kind)
    own = made.items_of
    solved = own(rows, None, None, 0) if own else [Item(item_id="", cluster_id="", fields=form(kind).read(row)) for row in rows]
    out = []
    for item in items:
        subject, stem = item.fields.get("subject"), made.stem(item)
        mine = [s.fields for s in solved if s.fields.get("subject") == subject and made.stem(s) != stem]
        if len(mine) < count:
            raise DataError(
                f"instruments.{kind}.shots: {count} solved examples are needed and shots_split has {len(mine)} "
                f"{'for subject ' + repr(subject) if subject else ''}; lower shots"
            )
        out.append(dataclasses.replace(item, fields={**item.fields, "shots": mine[:count]}))
    return out
