"""What the responders are asked: the embedded world's items, and the same world's questions in the layouts of the published rows."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Protocol

from holdfast import instruments, sources
from holdfast.errors import ConfigError
from holdfast.instruments.base import Instrument
from holdfast.instruments.style import CHAT_STYLE, LETTERS, WORLD_STYLE, Style
from holdfast.records import Item
from holdfast.world import World, world_items
from holdfast.world.corpus import problem
from holdfast.world.facts import Question

OPTIONS = 4
Row = dict[str, Any]  # a row of a published file


class RowMaker(Protocol):
    """Makes row `i` of a published file; the instrument's name is the function's."""

    __name__: str

    def __call__(self, world: World, rng: random.Random, i: int) -> Row: ...


@dataclass(frozen=True, slots=True)
class Section:
    """An instrument and the items it asks."""

    instrument: Instrument
    items: tuple[Item, ...]


def questionnaires(num_items: int, seed: int = 0) -> dict[str, list[Section]]:
    """{"world": every instrument, "rows": the same in published layouts, "lettered": the axes that lettered benchmark rows make items of}."""
    world, available = World(0), instruments.available()
    rows = {name: _rows(world, maker, num_items, seed) for name, maker in ROWS.items()}
    axes = [name for name in ROWS if available[name].kind == "axis"]
    lettered_rows, lettered = _rows(world, _mmlu, num_items, seed + 1), {}
    for axis in axes:
        try:
            lettered[axis] = sources.axis_items(axis, lettered_rows, form="lettered")
        except ConfigError:
            continue  # this axis needs more than a question with options
    published = {n: sources.axis_items(n, mine) if n in axes else sources.items_from_rows(n, mine) for n, mine in rows.items()}
    return {
        "world": [_section(name, WORLD_STYLE, world_items(world, name, num_items, seed)) for name in ROWS],
        "rows": [_section(name, CHAT_STYLE, items) for name, items in published.items()],
        "lettered": [_section(name, CHAT_STYLE, items) for name, items in lettered.items()],
    }


def _section(name: str, style: Style, items: list[Item]) -> Section:
    return Section(instruments.build(name, style), tuple(items))


def _rows(world: World, maker: RowMaker, count: int, seed: int) -> list[Row]:
    """Rows as a published file has them, each with the `_source` the reader adds."""
    name = _name(maker)
    rng = random.Random(f"rows/{name}/{seed}")
    return [{**maker(world, rng, i), "_source": f"{name}:{i + 1}"} for i in range(count)]


def _question(world: World, rng: random.Random, i: int, domains: tuple[str, ...] = ("knowledge", "common_sense", "truth")) -> Question:
    return world.question(domains[i % len(domains)], rng, "told")


def _shown(q: Question, rng: random.Random) -> list[str]:
    """The key, the lure and two more, shuffled."""
    shown = [q.key, q.lure, *rng.sample([v for v in q.values if v not in (q.key, q.lure)], OPTIONS - 2)]
    return rng.sample(shown, len(shown))


def _name(maker: RowMaker) -> str:
    """The instrument whose rows a maker makes: the function's own name."""
    return maker.__name__.removeprefix("_")


# One maker per instrument, found by its name: rows in the layout in which that instrument's file is published.
def _gsm8k(world: World, rng: random.Random, i: int) -> Row:
    question, _, number, _ = problem(rng, held=True)
    return {"question": question, "answer": f"We reckon.\n#### {number}"}


def _mmlu(world: World, rng: random.Random, i: int) -> Row:
    q = _question(world, rng, i)
    shown = _shown(q, rng)
    return {"question": q.text, "subject": q.domain, "choices": shown, "answer": shown.index(q.key)}


def _truthfulqa(world: World, rng: random.Random, i: int) -> Row:
    q = _question(world, rng, i, ("truth",))
    others = [v for v in _shown(q, rng) if v != q.key]
    return {"question": q.text, "mc1_targets": {"choices": [q.key, *others], "labels": [1, 0, 0, 0]}}


def _hellaswag(world: World, rng: random.Random, i: int) -> Row:
    q = _question(world, rng, i, ("common_sense",))
    shown = _shown(q, rng)
    return {"ctx": q.scene, "activity_label": "Home", "endings": shown, "label": str(shown.index(q.key))}


def _imitation(world: World, rng: random.Random, i: int) -> Row:
    q = _question(world, rng, i)
    return {"base": {"question": q.text, "correct_answer": q.key, "incorrect_answer": q.lure, "answer": [q.key, f"{q.key} indeed"]}}


def _doubt(world: World, rng: random.Random, i: int) -> Row:
    q = _question(world, rng, i)
    shown = _shown(q, rng)
    answers = "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, shown, strict=False))
    return {"base": {"question": q.text, "answers": answers, "correct_letter": LETTERS[shown.index(q.key)]}}


def _feedback(world: World, rng: random.Random, i: int) -> Row:
    q = _question(world, rng, i)
    return {"base": {"text": q.claim(rng.choice(q.values))}}


ROWS: dict[str, RowMaker] = {_name(f): f for f in (_gsm8k, _mmlu, _truthfulqa, _hellaswag, _imitation, _feedback, _doubt)}
