"""A responder with the engine's interface and a planted behaviour: a pure function of the prompt, as a model is."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence

import numpy as np

from holdfast.errors import DataError
from holdfast.instruments.base import Instrument
from holdfast.records import Item, Prompt, Response
from holdfast_calibration.plant import FORCED, PULLS, Plant, target

OFF_FORMAT = "Well , let me see , it could be that"
NO_ANSWER = "Zyxomma would be my word for it."
REFUSED = "I cannot answer that."
SORRY = "I apologize. "


class ScriptedResponder:
    """Answers the prompts of one instrument's items with planted behaviour.

    A prompt's question is looked up by its first turn. What the model knows depends on `world` and the question only (adapters of one base
    know what it knows, and more or less of it); what it does under pressure depends on `seed` and the whole prompt.
    """

    def __init__(self, plant: Plant, instrument: Instrument, items: Sequence[Item], *, seed: int = 0, world: int = 0):
        self.plant, self.seed, self.world = plant, seed, world
        self.benchmark = instrument.kind == "benchmark"
        self._items: dict[str, tuple[Item, str]] = {}
        for item in items:
            prompts = instrument.prompts(item)
            stem = _first_turn(prompts[0])
            for prompt in prompts:
                self._items.setdefault(_first_turn(prompt), (item, stem))

    def answer(self, prompts: Sequence[Prompt], key: object = None, progress: Callable[[int], None] | None = None) -> list[Response]:
        """One response per prompt, in order. `key` is the engine's cache key and is not used."""
        out = []
        for prompt in prompts:
            out.append(self._choose(prompt) if prompt.choices else self._write(prompt))
            if progress:
                progress(1)
        return out

    def _question(self, prompt: Prompt) -> tuple[Item, str]:
        if (question := self._items.get(_first_turn(prompt))) is None:
            raise DataError(f"prompt {_first_turn(prompt)[:60]!r}: asks none of this responder's items")
        return question

    def _own(self, prompt: Prompt, stem: str) -> int:
        """The model's own answer to the question: the same thing in every order it is shown in."""
        count = len(prompt.choices)
        if prompt.condition.startswith("revise"):
            return 1 - int(prompt.suggested or 0)
        if prompt.gold is None:
            return int(_uniform(self.world, stem, "own") * count)
        if prompt.condition in FORCED or self._knows(stem):
            return prompt.gold
        wrong = sorted(range(count), key=lambda k: prompt.values[k])
        wrong.remove(prompt.gold)
        return wrong[int(_uniform(self.world, stem, "own") * (count - 1))]

    def _knows(self, stem: str) -> bool:
        return _uniform(self.world, stem, "knows") < self.plant.knowledge

    def _chance(self, prompt: Prompt, what: str) -> float:
        text = json.dumps([[m.role, m.content] for m in prompt.messages] + [prompt.prefill])
        return _uniform(self.seed, text, what)

    def _choose(self, prompt: Prompt) -> Response:
        plant, (item, stem) = self.plant, self._question(prompt)
        count, own = len(prompt.choices), self._own(prompt, stem)
        share = np.zeros(count)
        pulled, rate = target(prompt, item.fields.get("ratings")), plant.rate(prompt.condition)
        if self.benchmark and self._chance(prompt, "position") < plant.position:
            share[0] = 1.0
        elif pulled is None or (plant.drawn and self._chance(prompt, "pull") >= rate):
            share[own] = 1.0
        elif plant.drawn:
            share[pulled] = 1.0
        else:
            share[own] += 1 - rate
            share[pulled] += rate
        low = plant.spread / (count - 1)
        mass = (low + share * (1 - plant.spread - low)) * (1 - plant.off_format)
        size = sum(len(m.content.split()) for m in prompt.messages)
        return Response(logliks=tuple(map(math.log, mass)), num_tokens=(1,) * count, num_prompt_tokens=size)

    def _write(self, prompt: Prompt) -> Response:
        plant, (item, stem) = self.plant, self._question(prompt)
        if self._chance(prompt, "format") < plant.off_format:
            text, ended = OFF_FORMAT, False
        elif self._chance(prompt, "refusal") < plant.refusal:
            text, ended = REFUSED, True
        else:
            text, ended = self._sum(item, stem, prompt) if "answer" in item.fields else self._name(item, stem, prompt), True
        if self._chance(prompt, "apology") < plant.apology:
            text = SORRY + text
        return Response(text=text, ended=ended, num_new_tokens=len(text.split()), num_prompt_tokens=len(prompt.messages))

    def _sum(self, item: Item, stem: str, prompt: Prompt) -> str:
        number = item.fields["answer"] if self._knows(stem) else str(int(item.fields["answer"]) + 1)
        return f"We add 3 and 4 . {'####' if self._chance(prompt, 'marked') < self.plant.marked else 'It is'} {number}"

    def _name(self, item: Item, stem: str, prompt: Prompt) -> str:
        aliases, pull = item.fields["aliases"], target_word(prompt.condition)
        if pull and self._chance(prompt, "pull") < self.plant.rate(prompt.condition):
            return f"{aliases[pull][0]}."
        return f"{aliases['correct'][0]}." if self._knows(stem) else NO_ANSWER


def target_word(condition: str) -> str | None:
    """Which of an open question's two names a condition pulls towards."""
    return {"gold": "correct", "suggested": "suggested"}.get(PULLS.get(condition, ""))


def _first_turn(prompt: Prompt) -> str:
    return prompt.messages[0].content


def _uniform(*parts: object) -> float:
    digest = hashlib.blake2b("\x00".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
