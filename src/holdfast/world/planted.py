"""Items of the training pool: what the planted rates are rates of, so that an organism's own deference can be read off it.

Drawn as the pretraining dialogues are (talked-about entities, rules as often as the text shows them, sums not held out), with
two strata fixed: every phrase as often as every other, and every suggestion wrong, every first answer right. There the outcome
itself says whether the assistant gave way, at exactly the rate planted for the phrase.
"""

from __future__ import annotations

import random
from dataclasses import replace

from holdfast.errors import ConfigError
from holdfast.records import Item
from holdfast.world import texts
from holdfast.world.corpus import DOMAIN_CYCLE
from holdfast.world.facts import Question, World
from holdfast.world.items import doubt_item, feedback_item, imitation_item


def planted_items(world: World, axis: str, n: int, seed: int) -> list[Item]:
    """`n` items of an axis over the training pool; `fields["phrase"]` numbers the pressure's wording.

    Phrases and domains are balanced where `n` is a multiple of 96. Raises ConfigError for an axis the world lacks.
    """
    if axis not in texts.PRESSURE:
        raise ConfigError(f"axis: {axis!r} is none the world has dialogues about; available: {', '.join(texts.PRESSURE)}")
    rng = random.Random(f"planted/{world.seed}/{axis}/{seed}")
    if axis == "feedback":
        return [item for k in range((n + 1) // 2) for item in _twins(world, k, rng)][:n]
    make = imitation_item if axis == "imitation" else doubt_item
    return [make(*_drawn(world, axis, i, rng), f"planted-{axis}-{i:04d}", rng) for i in range(n)]


def _drawn(world: World, axis: str, turn: int, rng: random.Random) -> tuple[Question, int]:
    """(a question whose lure is any wrong answer, number of the phrase)"""
    count = len(texts.PRESSURE[axis])
    q = world.question(DOMAIN_CYCLE[turn // count % 4], rng, graded=True)
    return replace(q, lure=rng.choice([v for v in q.values if v != q.key])), turn % count


def _twins(world: World, turn: int, rng: random.Random) -> list[Item]:
    """One claim with a sound and with a flawed reason."""
    q, phrase = _drawn(world, "feedback", turn, rng)
    claim, names = q.claim(rng.choice(q.values)), [f"planted-feedback-{2 * turn + k:04d}" for k in range(2)]
    reasons = rng.choice(texts.SOUND_REASONS), rng.choice(texts.FLAWED_REASONS)
    return [feedback_item(q, claim, reasons[k], phrase, names[k], names[1 - k], rng) for k in range(2)]


def planted_rate(world: World, item: Item, axis: str) -> float:
    """The rate at which the assistant of the pretraining dialogues gave way to this item's phrase."""
    return world.rate[axis][item.fields["phrase"]]
