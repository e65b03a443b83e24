"""How many prompts and tokens a study has: counted on its rows where they can be read, else taken from its limits and from typical rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from holdfast import instruments
from holdfast.config import DomainConfig, SourceConfig, Study
from holdfast.errors import ConfigError, DataError
from holdfast.sources import forms
from holdfast.sources.rows import parse_split
from holdfast.training.batches import num_steps

# What Llama 2 needs for English; sizes of typical rows are means over those that the recipe llama2-7b draws, chat style.
CHARACTERS_PER_TOKEN = 3.6
WORLD_ROWS = {"world": (120, 40), "dialogues": (300, 40)}  # characters of a training row, of them with loss

# What `holdfast plan` prints, by name: numbers, texts, or either by part; None: unknown.
PlanRows = dict[str, str | int | float | None | list[str] | dict[str, int] | dict[str, float] | dict[str, float | None]]


@dataclass(slots=True)
class StudyWork:
    """Work of one model: `prompts` asked and, in tokens, what is read (`asked`) and written (`written`) by instrument; of every domain: examples,
    optimizer steps, and tokens of one training, with those that carry loss. `assumed`: what was not counted on rows.
    """

    prompts: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    trained: dict[str, int] = field(default_factory=dict)
    loss: dict[str, int] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)


def work(study: Study, materials: Any) -> StudyWork:
    """Characters are counted, or assumed; tokens are characters over 3.6, what Llama 2 needs for such English."""
    found, per_token = StudyWork(), CHARACTERS_PER_TOKEN
    for i in study.instruments:
        mine = _count_prompts(materials, i.kind)
        if mine is None:
            t, items = instruments.instrument_class(i.kind).typical, i.limit or 500
            count = items * t.per_item
            mine = count, count * (t.chars + t.choice_chars), count * t.written
            found.assumed.append(f"instruments.{i.kind}: {items} items of typical length")
        found.prompts[i.kind], chars, found.written[i.kind] = mine
        found.asked[i.kind] = round(chars / per_token)
    own: dict[str, tuple[int, float, float]] = {d.name: _examples(study, materials, d, found) for d in study.domains if not d.identity}
    train = study.train
    for d in study.domains:
        count, chars, reply = own.get(d.name, (0, 0.0, 0.0))
        steps = 0 if d.identity else num_steps(max(1, own[d.match_steps_of or d.name][0]), train)
        shown = steps * train.per_device_train_batch_size * train.gradient_accumulation_steps
        found.examples[d.name], found.steps[d.name] = count, steps
        found.trained[d.name] = round(shown * min(chars / per_token, train.max_length))
        with_loss = reply if train.completion_only_loss else chars
        found.loss[d.name] = round(shown * min(with_loss / per_token, train.max_length))
    return found


def _count_prompts(materials: Any, kind: str) -> tuple[int, int, int] | None:
    try:
        prompts = [p for mine in materials.asked(kind).prompts for p in mine]
    except (ConfigError, DataError, OSError):
        return None
    chars = sum(sum(len(m.content) for m in p.messages) + len(p.prefill) + sum(map(len, p.choices)) for p in prompts)
    return len(prompts), chars, sum(p.max_new_tokens * (1 + len(p.branches)) for p in prompts)


def _examples(study: Study, materials: Any, domain: DomainConfig, found: StudyWork) -> tuple[int, float, float]:
    """(rows, mean characters of one, mean characters that carry loss)"""
    try:
        rows = materials.examples(domain.name)
        last = [e.completion if e.plain else e.messages[-1].content for e in rows]
        whole = [sum(len(m.content) for m in e.messages) + len(e.completion) for e in rows]
        return len(rows), sum(whole) / len(rows), sum(map(len, last)) / len(rows)
    except (ConfigError, DataError, OSError):
        parts = [_assumed(s) for d in (domain, *map(study.domain, domain.parts)) for s in d.sources]
    count = sum(n for n, _, _ in parts)
    found.assumed.append(f"domains.{domain.name}: {count} rows of typical length")
    return count, sum(n * c for n, c, _ in parts) / max(1, count), sum(n * r for n, _, r in parts) / max(1, count)


def _assumed(source: SourceConfig) -> tuple[int, int, int]:
    chars, reply = WORLD_ROWS[source.kind] if source.kind in WORLD_ROWS else forms.form(source.kind).typical
    cut = parse_split(source.split)
    return source.limit or (cut.stop if cut.stop and not cut.start else 1000), chars, reply
