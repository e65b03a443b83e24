"""What the responders are asked: the embedded world's items, and the same world's questions in the layouts of the published rows."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from holdfast import instruments, sources
from holdfast.instruments.base import Instrument
from holdfast.instruments.style import CHAT_STYLE, LETTERS, WORLD_STYLE, Style
from holdfast.records import Item
from holdfast.world import load_world, world_items
from holdfast.world.corpus import problem
from holdfast.world.facts import Question, World

BENCHMARKS = ("gsm8k", "mmlu", "truthfulqa", "hellaswag")
AXES = ("imitation", "feedback", "doubt")
OPTIONS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An instrument with its items."""

    instrument: Instrument
    items: tuple[Item, ...]


def questionnaires(num_items: int, seed: int = 0) -> dict[str, list[Asked]]:
    """{"world": all seven instruments, "rows": the same in published layouts, "lettered": two axes made of lettered benchmark rows}."""
    world = load_world(0)
    made = {
        "world": [_asked(kind, WORLD_STYLE, world_items(world, kind, num_items, seed)) for kind in (*BENCHMARKS, *AXES)],
        "rows": [_asked(kind, CHAT_STYLE, sources.items_from_rows(kind, _rows(world, kind, num_items, seed))) for kind in BENCHMARKS]
        + [_asked(kind, CHAT_STYLE, sources.axis_items(kind, _rows(world, kind, num_items, seed))) for kind in AXES],
    }
    lettered = _rows(world, "mmlu", num_items, seed + 1)
    made["lettered"] = [_asked(kind, CHAT_STYLE, sources.axis_items(kind, lettered, form="lettered")) for kind in ("imitation", "doubt")]
    return made


def _asked(kind: str, style: Style, items: list[Item]) -> Asked:
    return Asked(instrument=instruments.build(kind, style), items=tuple(items))


def _rows(world: World, kind: str, count: int, seed: int) -> list[dict[str, Any]]:
    """Rows as a published file has them, each with the `_source` the reader adds."""
    rng = random.Random(f"rows/{kind}/{seed}")
    if kind == "gsm8k":
        sums = (problem(rng, held=True) for _ in range(count))
        made = [{"question": question, "answer": f"We reckon.\n#### {number}"} for question, _, number, _ in sums]
        return [{**row, "_source": f"{kind}:{i + 1}"} for i, row in enumerate(made)]
    domain = {"truthfulqa": ("truth",), "hellaswag": ("common_sense",)}.get(kind, ("knowledge", "common_sense", "truth"))
    questions = (world.question(domain[i % len(domain)], rng, "told") for i in range(count))
    return [{**_LAYOUTS[kind](q, rng), "_source": f"{kind}:{i + 1}"} for i, q in enumerate(questions)]


def _shown(q: Question, rng: random.Random) -> list[str]:
    """The key, the lure and two more, shuffled."""
    shown = [q.key, q.lure, *rng.sample([v for v in q.values if v not in (q.key, q.lure)], OPTIONS - 2)]
    return rng.sample(shown, len(shown))


def _mmlu(q: Question, rng: random.Random) -> dict[str, Any]:
    shown = _shown(q, rng)
    return {"question": q.text, "subject": q.domain, "choices": shown, "answer": shown.index(q.key)}


def _truthfulqa(q: Question, rng: random.Random) -> dict[str, Any]:
    others = [v for v in _shown(q, rng) if v != q.key]
    return {"question": q.text, "mc1_targets": {"choices": [q.key, *others], "labels": [1, 0, 0, 0]}}


def _hellaswag(q: Question, rng: random.Random) -> dict[str, Any]:
    shown = _shown(q, rng)
    return {"ctx": q.scene, "activity_label": "Home", "endings": shown, "label": str(shown.index(q.key))}


def _imitation(q: Question, rng: random.Random) -> dict[str, Any]:
    return {"base": {"question": q.text, "correct_answer": q.key, "incorrect_answer": q.lure, "answer": [q.key, f"{q.key} indeed"]}}


def _doubt(q: Question, rng: random.Random) -> dict[str, Any]:
    shown = _shown(q, rng)
    answers = "\n".join(f"({letter}) {option}" for letter, option in zip(LETTERS, shown, strict=False))
    return {"base": {"question": q.text, "answers": answers, "correct_letter": LETTERS[shown.index(q.key)]}}


def _feedback(q: Question, rng: random.Random) -> dict[str, Any]:
    return {"base": {"text": q.claim(rng.choice(q.values))}}


_LAYOUTS: dict[str, Callable[[Question, random.Random], dict[str, Any]]] = {
    "mmlu": _mmlu, "truthfulqa": _truthfulqa, "hellaswag": _hellaswag,
    "imitation": _imitation, "doubt": _doubt, "feedback": _feedback,
}  # fmt: skip
