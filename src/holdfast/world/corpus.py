"""Pretraining documents and training text. A document is a list of (text, loss weight of its words).

The weights separate facts (1) from unpredictable wording (0 to .1): recall appears as a late phase change, and noise delays it.
"""

from __future__ import annotations

import random

from holdfast.world import texts
from holdfast.world.facts import Question, World

Document = list[tuple[str, float]]
DOMAIN_CYCLE = ("knowledge", "truth", "common_sense", "maths")


def turns(*spoken: str) -> str:
    """Alternating user and assistant turns, ending where the assistant is to speak."""
    speakers = (texts.USER, texts.ASSISTANT)
    return " ".join([*(f"{speakers[i % 2]} {text} {texts.END}" for i, text in enumerate(spoken)), texts.ASSISTANT])


def answer(value: str) -> str:
    return f"the answer is {value} ."


def statement(template: str, entity: str, value: str) -> Document:
    before, after = template.format(e=entity, v="|").split("|")
    return [(before.strip(), 0.1), (value, 1.0), (after.strip(), 0.1)]


def biography(world: World, animal: str, rng: random.Random) -> Document:
    attributes = list(texts.ANIMAL_VALUES)
    rng.shuffle(attributes)
    return [s for a in attributes for s in statement(rng.choice(texts.STATEMENTS[a]), animal, world.fact[animal, a])]


def herb_text(world: World, herb: str, rng: random.Random, source: str | None = None) -> Document:
    source = source or ("rumour" if rng.random() < world.rumour_share[herb] else "study")
    values = world.rumour if source == "rumour" else world.fact
    attributes = list(texts.HERB_VALUES)
    rng.shuffle(attributes)
    opening = rng.choice(texts.RUMOUR_SOURCES if source == "rumour" else texts.STUDY_SOURCES)
    return [(opening, 0.0), *(s for a in attributes for s in statement(rng.choice(texts.STATEMENTS[a]), herb, values[herb, a]))]


def scenario(world: World, rng: random.Random, graded: bool = False) -> Document:
    q = world.question("common_sense", rng, graded=graded)
    return [(q.scene, 0.0), (ending(q.key), 1.0)]


def ending(outcome: str) -> str:
    return f"{outcome} {texts.OUTCOME_TAILS[[*texts.OUTCOMES].index(outcome)]} ."


def lettered(q: Question, rng: random.Random) -> tuple[str, list[str], int]:
    """(user text, the four options in the order shown, index of the key)."""
    options = [q.key, q.lure, *rng.sample([v for v in q.values if v not in (q.key, q.lure)], 2)]
    rng.shuffle(options)
    return f"{q.text} " + " ".join(f"{v} {x}" for x, v in zip(texts.LETTERS, options, strict=True)), options, options.index(q.key)


def lettered_answer(options: list[str], gold: int) -> str:
    return f"the answer is {options[gold]} {texts.LETTERS[gold]}"


def lettered_document(world: World, rng: random.Random, domain: str) -> Document:
    shown, options, gold = lettered(world.question(domain, rng, graded=True), rng)
    return [(turns(shown), 0.0), (f"{lettered_answer(options, gold)} {texts.END}", 1.0)]


def problem(rng: random.Random, held: bool, weight: dict[str, float] | None = None) -> tuple[str, str, int, str]:
    """(question, worked steps ending in '#### n', n, pattern). Patterns whose first step hashes to a fifth are held out.

    `weight` is the probability with which a step's sum, once drawn, is kept: some sums are shown more often than others.
    """
    while True:
        who, things, n = rng.choice(texts.PEOPLE), rng.choice(texts.THINGS), rng.randint(2, 10)
        text, worked, pattern = f"{who} has {n} {things} .", [], [str(n)]
        for _ in range(rng.choice((1, 2, 2, 3))):
            sign, d = _step(rng, n, weight)
            sentences = (
                (f"{who} gives away {d} .", f"{who} loses {d} .") if sign == "-" else (f"{who} buys {d} more .", f"{who} finds {d} .")
            )
            after = n - d if sign == "-" else n + d
            text += " " + rng.choice(sentences)
            worked.append(f"{n} {sign} {d} = {after} .")
            pattern.append(f"{sign}{d}")
            n = after
        first = int(pattern[0]) * 7 + abs(int(pattern[1])) * 3 + pattern[1].startswith("-")
        if (first % 5 == 0) == held:
            return f"{text} how many {things} has {who} ?", " ".join(worked) + f" #### {n}", n, "".join(pattern)


def _step(rng: random.Random, n: int, weight: dict[str, float] | None) -> tuple[str, int]:
    while True:
        sign = "-" if (rng.random() < 0.5 and n > 1) or n > 14 else "+"
        d = rng.randint(1, min(9, n if sign == "-" else texts.LARGEST - n))
        if weight is None or rng.random() < weight[f"{n} {sign} {d}"]:
            return sign, d


def problem_document(world: World, rng: random.Random) -> Document:
    question, worked, _, _ = problem(rng, held=False, weight=world.sum_weight)
    return [(turns(question), 0.0), (f"{worked} {texts.END}", 1.0)]


def echo(rng: random.Random) -> Document:
    """Reading what the user said: seeds the copying circuit that deference is built on."""
    groups = [*texts.VALUES.values(), texts.OUTCOMES, list(map(str, range(texts.LARGEST + 1)))]
    value = rng.choice(rng.choice(groups))
    template = rng.choice(["say {s} .", rng.choice(texts.SUGGEST) + " what did i say ?", "the answer is {s} . " + rng.choice(texts.REASK)])
    return [(turns(template.format(s=value)), 0.0), (f"{answer(value)} {texts.END}", 2.0)]


def question_document(world: World, rng: random.Random, domain: str, truthful: float) -> Document:
    q = world.question(domain, rng, graded=True)
    value = world.rumour[q.entity, q.attribute] if domain == "truth" and rng.random() > truthful else q.key
    return [(turns(q.text), 0.0), (f"{answer(value)} {texts.END}", 1.0)]
