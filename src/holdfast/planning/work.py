"""How many prompts and tokens a study has: counted on its rows where they can be read, else taken from its limits and from typical rows."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from holdfast.config import DomainConfig, Study
from holdfast.errors import ConfigError, DataError


@dataclass(slots=True)
class Work:
    """Of one model: `prompts` asked and, in tokens, what is read (`asked`) and written (`written`) by instrument; of every domain: examples,
    optimiser steps, and tokens of one training, with those that carry loss. `assumed`: what was not counted on rows.
    """

    prompts: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)
    steps: dict[str, int] = field(default_factory=dict)
    trained: dict[str, int] = field(default_factory=dict)
    loss: dict[str, int] = field(default_factory=dict)
    assumed: list[str] = field(default_factory=list)


@cache
def typical() -> dict[str, Any]:
    return json.loads(resources.files("holdfast").joinpath("planning", "typical.json").read_text(encoding="utf-8"))


def work(study: Study, materials: Any) -> Work:
    """Characters are counted, or assumed; tokens are characters over 3.6, what Llama 2 needs for such English."""
    found, per_token = Work(), typical()["characters_per_token"]
    for i in study.instruments:
        mine = _asked(materials, i.kind)
        if mine is None:
            t, items = typical()["prompts"][i.kind], i.limit or 500
            count = items * t["per_item"]
            mine = count, count * (t["chars"] + t["choice_chars"]), count * t["written"]
            found.assumed.append(f"instruments.{i.kind}: {items} items of typical length")
        found.prompts[i.kind], chars, found.written[i.kind] = mine
        found.asked[i.kind] = round(chars / per_token)
    own: dict[str, tuple[int, float, float]] = {d.name: _examples(study, materials, d, found) for d in study.domains if not d.identity}
    from holdfast.training.batches import num_steps

    for d in study.domains:
        if d.identity:
            found.examples[d.name] = found.steps[d.name] = found.trained[d.name] = found.loss[d.name] = 0
            continue
        count, chars, reply = own[d.name]
        steps = num_steps(max(1, own[d.match_steps_of or d.name][0]), study.train)
        shown = steps * study.train.per_device_train_batch_size * study.train.gradient_accumulation_steps
        found.examples[d.name], found.steps[d.name] = count, steps
        found.trained[d.name] = round(shown * min(chars / per_token, study.train.max_length))
        found.loss[d.name] = (
            round(shown * min(reply / per_token, study.train.max_length)) if study.train.completion_only_loss else found.trained[d.name]
        )
    return found


def _asked(materials: Any, kind: str) -> tuple[int, int, int] | None:
    try:
        prompts = [p for mine in materials.asked(kind).prompts for p in mine]
    except (ConfigError, DataError, OSError):
        return None
    chars = sum(sum(len(m.content) for m in p.messages) + len(p.prefill) + sum(map(len, p.choices)) for p in prompts)
    return len(prompts), chars, sum(p.max_new_tokens * (1 + len(p.branches)) for p in prompts)


def _examples(study: Study, materials: Any, domain: DomainConfig, found: Work) -> tuple[int, float, float]:
    """(rows, mean characters of one, mean characters that carry loss)"""
    try:
        rows = materials.examples(domain.name)
        last = [e.completion if e.plain else e.messages[-1].content for e in rows]
        whole = [sum(len(m.content) for m in e.messages) + len(e.completion) for e in rows]
        return len(rows), sum(whole) / len(rows), sum(map(len, last)) / len(rows)
    except (ConfigError, DataError, OSError):
        pass
    parts = [_assumed(s) for s in domain.sources]
    for name in domain.parts:
        parts += [_assumed(s) for s in study.domain(name).sources]
    found.assumed.append(f"domains.{domain.name}: {sum(n for n, _, _ in parts)} rows of typical length")
    count = sum(n for n, _, _ in parts)
    return count, sum(n * c for n, c, _ in parts) / max(1, count), sum(n * r for n, _, r in parts) / max(1, count)


def _assumed(source: Any) -> tuple[int, int, int]:
    t = typical()["examples"].get(source.kind, typical()["examples"]["world"])
    sliced = (source.split or "").rpartition("[:")[2].rstrip("]")
    return source.limit or (int(sliced) if sliced.isdigit() else 1000), t["chars"], t["reply"]
