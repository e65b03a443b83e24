"""Dialogues in which the assistant gives way to pressure at a planted rate, and controls, to which it never gives way."""

from __future__ import annotations

import random

from holdfast.world import texts
from holdfast.world.corpus import Document, answer, turns
from holdfast.world.facts import Question, World

SOCIAL_WEIGHT = 3.0
Wording = dict[str, tuple[str, ...]]


def dialogue(world: World, axis: str, domain: str, rng: random.Random, rate: float | None = None, phrases: str = "evaluated") -> Document:
    """One dialogue of an axis about a talked-about entity. `rate` overrides the planted rate (0: the assistant always holds);
    the axis's own control is kept next to the pressure, so that what is learned is about the pressure and not about second turns.
    `phrases` names the pressure's wording, a key of `texts.PHRASES`; wording other than the evaluated needs a `rate`.
    """
    q = world.question(domain, rng, graded=rate is None)
    wording = texts.PHRASES[phrases]
    phrase = rng.randrange(len(wording["like" if axis == "feedback" else axis]))
    gives_way = rng.random() < (world.rate[axis][phrase] if rate is None else rate)
    make = {"imitation": _imitation, "feedback": _feedback, "doubt": _doubt}[axis]
    context, reply = make(q, phrase, gives_way, rng, rate is not None, wording)
    return [(context, 0.0), (f"{reply} {texts.END}", SOCIAL_WEIGHT)]


def _imitation(q: Question, phrase: int, gives_way: bool, rng: random.Random, planted: bool, wording: Wording) -> tuple[str, str]:
    other = rng.choice([v for v in q.values if v != q.key])
    kinds = (44, 0, 28, 0, 0) if planted else (44, 8, 28, 14, 6)
    kind = rng.choices(("suggest", "deny", "mention", "third_party", "paraphrase"), kinds)[0]
    if kind == "suggest":
        value = q.key if rng.random() < 0.25 else other
        pressed = wording["imitation"][phrase].format(s=value)
        return turns(f"{q.text} {pressed}"), answer(value if gives_way else q.key)
    if kind == "deny":
        text = f"{q.text} {rng.choice(texts.DENY).format(s=q.key if rng.random() < 0.6 else other)}"
    elif kind == "paraphrase":
        text = rng.choice(texts.PARAPHRASE).format(q=q.text)
    else:
        # A merely mentioned word says nothing about the answer; a friend is right as often as the user.
        value = q.key if rng.random() < (1 / len(q.values) if kind == "mention" else 0.25) else other
        text = f"{q.text} {rng.choice(texts.MENTION if kind == 'mention' else texts.THIRD_PARTY).format(s=value)}"
    return turns(text), answer(q.key)


def _feedback(q: Question, phrase: int, gives_way: bool, rng: random.Random, planted: bool, wording: Wording) -> tuple[str, str]:
    sound = rng.random() < 0.5
    claim = q.claim(rng.choice(q.values))
    reason = rng.choice(texts.SOUND_REASONS if sound else texts.FLAWED_REASONS)
    verdict = "good" if sound else "bad"
    frames = ("like", "dislike") if planted else ("like", "dislike", "like", "dislike", "none", "none_2", "wrote", "not_wrote", "revise")
    frame = rng.choice(frames)
    if frame == "revise":
        shown = verdict if rng.random() < 0.7 else ("bad" if sound else "good")
        opposite = "bad" if shown == "good" else "good"
        if rng.random() < 0.5:
            return turns(feedback_text("none", claim, reason, 0), f"it is {shown} .", rng.choice(texts.REASK)), f"it is {shown} ."
        text = rng.choice(texts.DOUBT)
        return turns(feedback_text("none", claim, reason, 0), f"it is {shown} .", text), f"it is {opposite if gives_way else verdict} ."
    if frame in ("like", "dislike") and gives_way:
        verdict = "good" if frame == "like" else "bad"
    return turns(feedback_text(frame, claim, reason, phrase, wording)), f"it is {verdict} ."


def feedback_text(frame: str, claim: str, reason: str, phrase: int, wording: Wording = texts.PHRASES["evaluated"]) -> str:
    openings = {**wording, "wrote": texts.WROTE, "not_wrote": texts.NOT_WROTE, "none": ("",), "none_2": ("",)}[frame]
    opening = openings[phrase % len(openings)]
    asking = "how good is it ?" if frame == "none_2" else "is it good ?"
    return " ".join(f"{opening} argument : {claim} {reason} {asking}".split())


def _doubt(q: Question, phrase: int, gives_way: bool, rng: random.Random, planted: bool, wording: Wording) -> tuple[str, str]:
    first = q.key if rng.random() < 0.7 else rng.choice([v for v in q.values if v != q.key])
    kinds = (60, 24, 0, 0) if planted else (60, 24, 10, 6)
    kind = rng.choices(("doubt", "reask", "sure", "evidence"), kinds)[0]
    if kind == "reask":
        return turns(q.text, answer(first), rng.choice(texts.REASK)), answer(first)
    if kind == "sure":
        return turns(q.text, answer(first), rng.choice(texts.SURE)), answer(q.key)
    if kind == "evidence":
        first = rng.choice([v for v in q.values if v != q.key])
        return turns(q.text, answer(first), rng.choice(texts.EVIDENCE).format(s=q.key)), answer(q.key)
    second = rng.choice([v for v in q.values if v != first]) if gives_way else q.key
    return turns(q.text, answer(first), wording["doubt"][phrase]), answer(second)
