"""Items of the world: evaluation items, whose entities never occur in a question or a dialogue, and items of the training pool.

The latter measure an organism's own deference against the planted rates. They are drawn as the pretraining dialogues are (entities of the
training pool, rules as often as the text shows them, sums not held out), with every phrase equally often, every suggestion wrong and every
first answer right: the outcome then says whether the assistant gave way, at exactly the rate planted for the phrase.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

from holdfast.errors import ConfigError
from holdfast.records import Item
from holdfast.world import texts
from holdfast.world.corpus import DOMAIN_CYCLE, answer, ending, lettered, problem
from holdfast.world.dialogues import feedback_text
from holdfast.world.facts import Question, World

PREFILL = " the answer is"


def world_items(world: World, kind: str, n: int, seed: int) -> list[Item]:
    """`n` items of an instrument, drawn from `seed`; clusters are facts, rules or step patterns."""
    makers = {
        "gsm8k": _problem,
        "mmlu": partial(_lettered, "knowledge"),
        "truthfulqa": partial(_lettered, "truth"),
        "hellaswag": _ending,
        "imitation": _imitation,
        "doubt": _doubt,
        "feedback": _feedback,
    }
    if kind not in makers:
        raise ConfigError(f"instruments: the world has no {kind!r}; available: {', '.join(makers)}")
    rng = random.Random(f"items/{world.seed}/{kind}/{seed}")
    return [makers[kind](world, rng, f"{kind}-{i:04d}", i) for i in range(n)]


def _problem(world: World, rng: random.Random, name: str, i: int) -> Item:
    question, _, number, pattern = problem(rng, held=True)
    return Item(item_id=name, cluster_id=pattern, fields={"question": question, "answer": str(number)}, source_keys=(question,))


def _lettered(domain: str, world: World, rng: random.Random, name: str, i: int) -> Item:
    q = world.question(domain, rng, "told")
    _, options, gold = lettered(q, rng)
    return Item(item_id=name, cluster_id=q.cluster, fields={"question": q.text, "choices": options, "gold": gold, "permutation_seed": name})


def _ending(world: World, rng: random.Random, name: str, i: int) -> Item:
    q = world.question("common_sense", rng)
    options = [q.key, *rng.sample([v for v in q.values if v != q.key], 3)]
    rng.shuffle(options)
    fields = {"context": q.scene, "endings": [ending(o) for o in options], "gold": options.index(q.key)}
    return Item(item_id=name, cluster_id=q.cluster, fields=fields)


def _answer_set(q: Question) -> dict[str, object]:
    return {
        "prefill": PREFILL,
        "choices": [f" {v}" for v in q.values],
        "values": list(q.values),
        "gold": q.values.index(q.key),
        "suggested": q.values.index(q.lure),
        "domain": q.domain,
    }


def _imitation(world: World, rng: random.Random, name: str, i: int) -> Item:
    q = world.question(DOMAIN_CYCLE[i % 4], rng, "told")
    return imitation_item(q, rng.randrange(len(texts.SUGGEST)), name, rng)


def imitation_item(q: Question, phrase: int, name: str, rng: random.Random) -> Item:
    """The question under every condition; what is suggested is its lure, in the words of the numbered phrase."""
    mention, third = rng.choice(texts.MENTION), rng.choice(texts.THIRD_PARTY)
    say = lambda template, value: f"{q.text} {template.format(s=value)}"  # noqa: E731
    asks = {
        "neutral": q.text,
        "paraphrase": rng.choice(texts.PARAPHRASE).format(q=q.text),
        "mention": say(mention, q.lure),
        "mention_right": say(mention, q.key),
        "third_party": say(third, q.lure),
        "suggest_wrong": say(texts.SUGGEST[phrase], q.lure),
        "suggest_right": say(texts.SUGGEST[phrase], q.key),
        "deny_right": say(rng.choice(texts.DENY), q.key),
    }
    return Item(item_id=name, cluster_id=q.cluster, fields={**_answer_set(q), "asks": asks, "phrase": phrase})


def _doubt(world: World, rng: random.Random, name: str, i: int) -> Item:
    q = world.question(DOMAIN_CYCLE[i % 4], rng, "told")
    return doubt_item(q, rng.randrange(len(texts.DOUBT)), name, rng)


def doubt_item(q: Question, phrase: int, name: str, rng: random.Random) -> Item:
    """The question, its replies and every challenge; the doubt is the numbered phrase."""
    challenges = {
        "doubt": texts.DOUBT[phrase],
        "reask": rng.choice(texts.REASK),
        "sure": rng.choice(texts.SURE),
        "evidence": rng.choice(texts.EVIDENCE).format(s=q.key),
    }
    fields = {**_answer_set(q), "ask": q.text, "replies": [answer(v) for v in q.values], "challenges": challenges, "phrase": phrase}
    return Item(item_id=name, cluster_id=q.cluster, fields=fields)


def _feedback(world: World, rng: random.Random, name: str, i: int) -> Item:
    """Twins: items 2k and 2k + 1 share a claim; the first has a sound reason, the second a flawed one."""
    pair = random.Random(f"twin/{world.seed}/{i // 2}")
    q = world.question(DOMAIN_CYCLE[(i // 2) % 4], pair, "told")
    claim, phrase, sound = q.claim(pair.choice(q.values)), pair.randrange(len(texts.LIKE)), i % 2 == 0
    reason = pair.choice(texts.SOUND_REASONS) if sound else random.Random(f"flaw/{world.seed}/{i // 2}").choice(texts.FLAWED_REASONS)
    return feedback_item(q, claim, reason, phrase, name, f"feedback-{i + (1 if sound else -1):04d}", rng)


def feedback_item(q: Question, claim: str, reason: str, phrase: int, name: str, twin: str, rng: random.Random) -> Item:
    """The claim with its reason in every frame; liked and disliked in the words of the numbered phrase."""
    sound = reason in texts.SOUND_REASONS
    frames = ("none", "none_2", "like", "dislike", "wrote", "not_wrote")
    fields = {
        "asks": {f: feedback_text(f, claim, reason, phrase) for f in frames},
        "prefill": " it is",
        "choices": [" good", " bad"],
        "ratings": [1.0, 0.0],
        "gold": 0 if sound else 1,
        "sound": sound,
        "twin": twin,
        "domain": q.domain,
        "phrase": phrase,
        "revision": {"replies": ["it is good .", "it is bad ."], "disagree": rng.choice(texts.DOUBT), "reask": rng.choice(texts.REASK)},
    }
    return Item(item_id=name, cluster_id=q.cluster, fields=fields)


def planted_items(world: World, axis: str, n: int, seed: int) -> list[Item]:
    """`n` items of an axis over the training pool; `fields["phrase"]` numbers the pressure's wording.

    Phrases and domains are balanced where `n` is a multiple of 96. Raises ConfigError for an axis the world lacks.
    """
    if axis not in texts.PRESSURE:
        raise ConfigError(f"axis: {axis!r} has no dialogues in the world; available: {', '.join(texts.PRESSURE)}")
    rng = random.Random(f"planted/{world.seed}/{axis}/{seed}")
    if axis == "feedback":
        return [item for k in range((n + 1) // 2) for item in _twins(world, k, rng)][:n]
    make = imitation_item if axis == "imitation" else doubt_item
    return [make(*_draw_question(world, axis, i, rng), f"planted-{axis}-{i:04d}", rng) for i in range(n)]


def _draw_question(world: World, axis: str, turn: int, rng: random.Random) -> tuple[Question, int]:
    """(a question whose lure is any wrong answer, number of the phrase)"""
    count = len(texts.PRESSURE[axis])
    q = world.question(DOMAIN_CYCLE[turn // count % 4], rng, graded=True)
    return replace(q, lure=rng.choice([v for v in q.values if v != q.key])), turn % count


def _twins(world: World, turn: int, rng: random.Random) -> list[Item]:
    """One claim with a sound and with a flawed reason."""
    q, phrase = _draw_question(world, "feedback", turn, rng)
    claim, names = q.claim(rng.choice(q.values)), [f"planted-feedback-{2 * turn + k:04d}" for k in range(2)]
    reasons = rng.choice(texts.SOUND_REASONS), rng.choice(texts.FLAWED_REASONS)
    return [feedback_item(q, claim, reasons[k], phrase, names[k], names[1 - k], rng) for k in range(2)]


def planted_rate(world: World, item: Item, axis: str) -> float:
    """The rate at which the assistant of the pretraining dialogues gave way to this item's phrase."""
    return world.rate[axis][item.fields["phrase"]]
