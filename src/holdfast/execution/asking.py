"""Putting an instrument's items to one model: first prompts, second ones that depend on the answers, and turns after a reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from holdfast.instruments.base import Answered
from holdfast.instruments.written import known
from holdfast.sources.materials import Asked


def put(asked: Asked, engine: Any, progress: Callable[[int], None] | None = None, watch: Sequence[int] = ()) -> tuple[list[Answered], Any]:
    """(per item its prompts with their responses, what `engine.watched` holds of the watched first prompts).

    An item whose first condition got no answer is asked nothing that depends on one.
    """
    kind, instrument = asked.config.kind, asked.instrument
    flat = [p for prompts in asked.prompts for p in prompts]
    responses = iter(engine.answer(flat, key=(kind, asked.digest), progress=progress, watch=watch))
    watched = engine.watched
    answered = [[(p, next(responses)) for p in prompts] for prompts in asked.prompts]
    follow = []
    for item, pairs in zip(asked.items, answered, strict=True):
        heard = known(pairs)
        first = any(p.condition == instrument.conditions[0] for p, _ in heard)
        follow.append(instrument.follow_ups(item, heard) if first else [])
    later = iter(engine.answer([p for prompts in follow for p in prompts]) if any(follow) else [])
    for pairs, prompts in zip(answered, follow, strict=True):
        pairs += [(p, next(later)) for p in prompts]
    for item, pairs in zip(asked.items, answered, strict=True):
        pairs += [found for p, r in pairs if r.branches for found in instrument.spoken(item, p, r)]
    return answered, watched
