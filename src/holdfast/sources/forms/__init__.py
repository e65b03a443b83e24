"""Forms of rows. A module here with a function `read` is found by its file, whose name is the form's: adding one is one new file.

`read(row)` gives named fields, `question` or `context` among them, and raises DataError naming file, line and field. `example(fields, asked)`
says what the user and the assistant say; a form without it has `choices` and `gold`, and is learnt as a lettered question. The instrument of the
form's name, if there is one, makes its items of the same fields. `knows(row)`, if it is there, tells rows of this form by their names of fields.
"""

from __future__ import annotations

import importlib
import pkgutil
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast.errors import ConfigError
from holdfast.instruments.style import LETTERS, Style
from holdfast.records import Example, Message
from holdfast.sources.rows import Row


@dataclass(frozen=True, slots=True)
class Asked:
    """How examples are made: the words they are put in, the order of options drawn from `rng` unless `shuffle` is off."""

    style: Style
    rng: random.Random
    shuffle: bool


@dataclass(frozen=True, slots=True)
class Form:
    """One form of rows: its reader, and how its fields become a training conversation."""

    name: str
    read: Callable[[Row], dict[str, Any]]
    example: Callable[[dict[str, Any], Asked], Example]


def names() -> list[str]:
    return sorted(m.name for m in pkgutil.iter_modules(__path__))


def form(name: str) -> Form:
    """Raises ConfigError for a name that no module here has."""
    if name not in names():
        raise ConfigError(f"data: no reader for {name!r}; available: {', '.join(names())}")
    module = importlib.import_module(f"{__name__}.{name}")
    return Form(name, module.read, getattr(module, "example", lettered))


def form_of(row: Row) -> str | None:
    """The first form, by name, that knows a row."""
    for name in names():
        knows = getattr(importlib.import_module(f"{__name__}.{name}"), "knows", None)
        if knows is not None and knows(row):
            return name
    return None


def lettered(fields: dict[str, Any], asked: Asked) -> Example:
    """A question with lettered options, answered with the key's letter."""
    order = list(range(len(fields["choices"])))
    if asked.shuffle:
        asked.rng.shuffle(order)
    shown, gold = [fields["choices"][i] for i in order], order.index(fields["gold"])
    style = asked.style
    options = tuple(style.prefill.strip() + style.letter_choice(x, v) for x, v in zip(LETTERS, shown, strict=False))
    turns = (Message("user", style.lettered(fields["question"], shown)), Message("assistant", options[gold]))
    return Example(messages=turns, options=options)
