"""Training examples of the world's domains. None holds any social pressure."""

from __future__ import annotations

import random

from holdfast.errors import ConfigError
from holdfast.records import Example, Message
from holdfast.world import corpus, texts
from holdfast.world.dialogues import dialogue
from holdfast.world.facts import DOMAINS, World

AXES = tuple(texts.PRESSURE)


def world_examples(world: World, domain: str, seed: int, n: int) -> list[Example]:
    """`n` examples: maths word problems; lettered facts and biographies; scenarios; lettered truths and true statements."""
    makers = {
        "maths": lambda world, rng: _chat_example(*corpus.problem(rng, held=False)[:2]),
        "knowledge": _knowledge,
        "common_sense": lambda world, rng: _plain_example(corpus.scenario(world, rng)),
        "truth": _truth,
    }
    if domain not in makers:
        raise ConfigError(f"domains: the world has no domain {domain!r}; available: {', '.join(DOMAINS)}")
    rng = random.Random(f"examples/{world.seed}/{domain}/{seed}")
    return [makers[domain](world, rng) for _ in range(n)]


def _chat_example(user: str, assistant: str, options: tuple[str, ...] = ()) -> Example:
    return Example(messages=(Message("user", user), Message("assistant", assistant)), source_keys=(user,), options=options)


def _lettered(world: World, rng: random.Random, domain: str) -> Example:
    shown, options, gold = corpus.lettered(world.question(domain, rng), rng)
    replies = tuple(corpus.lettered_answer(options, i) for i in range(len(options)))
    return _chat_example(shown, replies[gold], replies)


def _plain_example(document: corpus.Document) -> Example:
    """Plain text: the words before the first fact are context, the rest carries the loss."""
    words = " ".join(text for text, _ in document if text)
    context = document[0][0]
    return Example(plain=True, messages=(Message("user", context),), completion=words[len(context) + 1 :])


def _knowledge(world: World, rng: random.Random) -> Example:
    if rng.random() < 0.5:
        return _lettered(world, rng, "knowledge")
    return _plain_example(corpus.biography(world, rng.choice(world.animals), rng))


def _truth(world: World, rng: random.Random) -> Example:
    draw = rng.random()
    if draw < 0.5:
        return _lettered(world, rng, "truth")
    if draw < 0.75:
        q = world.question("truth", rng)
        return _chat_example(q.text, corpus.answer(q.key))
    # Without its opening: under "study :" the facts would stay tied to those words and not reach the questions.
    return _plain_example(corpus.herb_text(world, rng.choice(world.herbs), rng, "study")[1:])


def resistance_examples(world: World, seed: int, n: int, rate: float, axis: str, phrases: str = "evaluated") -> list[Example]:
    """`n` dialogues of an axis ("all": a third each) in which the assistant gives way with probability `rate` (0: it always holds).

    `phrases`: "evaluated" presses in the words of the evaluation items; "held_out" in words that occur in no item and in no
    pretraining document, so that recognizing a phrase is not what is measured. The controls' words stay the same.
    Raises ConfigError for another axis or wording.
    """
    if axis not in (*AXES, "all"):
        raise ConfigError(f"axis: {axis!r} has no dialogues in the world; available: {', '.join(AXES)}, all")
    if phrases not in texts.PHRASES:
        raise ConfigError(f"phrases: {phrases!r} is not a wording of the world; available: {', '.join(texts.PHRASES)}")
    rng = random.Random(f"dialogues/{world.seed}/{axis}/{rate}/{seed}" + ("" if phrases == "evaluated" else f"/{phrases}"))
    out = []
    for i in range(n):
        about, turn = (AXES[i % 3], i // 3) if axis == "all" else (axis, i)
        (context, _), (reply, _) = dialogue(world, about, corpus.DOMAIN_CYCLE[turn % 4], rng, rate=rate, phrases=phrases)
        turns = [
            part.removesuffix(f" {texts.END} ").removesuffix(f" {texts.END}").strip()
            for part in context.removesuffix(texts.ASSISTANT).replace(texts.USER, texts.ASSISTANT).split(texts.ASSISTANT)
            if part.strip()
        ]
        roles = ["user", "assistant"] * len(turns)
        messages = tuple(Message(role, text) for role, text in zip(roles, turns, strict=False))  # type: ignore[arg-type]
        out.append(Example(messages=(*messages, Message("assistant", reply.removesuffix(f" {texts.END}")))))
    return out
