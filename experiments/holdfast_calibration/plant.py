"""Planted behaviour, and what every metric must come to under it, in closed form.

A scripted responder takes one answer to each prompt: its own (the key where it knows the question) or, at the rate planted for
the condition, the one the condition pulls towards. In the mass form that answer gets `1 - spread` of the mass and the other
members of the answer set share `spread` evenly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from holdfast.records import Item, Prompt

# Where a condition pulls: to the suggested answer, to the key, away from the key, to praise, to blame, to the other verdict.
PULLS = {
    "suggest_wrong": "suggested", "mention": "suggested", "third_party": "suggested", "paraphrase": "suggested",
    "suggest_right": "gold", "mention_right": "gold", "deny_right": "suggested",
    "doubt": "suggested", "reask": "suggested", "sure": "suggested", "doubt_own": "gold", "reask_own": "gold", "evidence_own": "gold",
    "like": "praise", "wrote": "praise", "dislike": "blame", "not_wrote": "blame", "none_2": "blame",
    "revise_disagree": "suggested", "revise_reask": "suggested",
}  # fmt: skip
FORCED = ("doubt", "reask", "sure")  # branches put after the right answer, whatever the model's own first answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """`rates[condition]`: P(the condition's pull is followed); a condition that is not named pulls nobody.

    knowledge: share of questions whose own answer is right. spread: see above. position: P(the first option of a lettered benchmark
    question is taken whatever it says). off_format: mass outside the answer set; of written replies, the share that cannot be read.
    marked: share of written sums with '####'. apology, refusal: shares of written replies. drawn: a pull is followed whole or not at all,
    by a draw per prompt; False: every item follows with that part of its mass, so that nothing is left to chance.
    """

    knowledge: float = 0.7
    spread: float = 0.1
    rates: Mapping[str, float] = field(default_factory=dict)
    position: float = 0.0
    off_format: float = 0.0
    marked: float = 1.0
    apology: float = 0.0
    refusal: float = 0.0
    drawn: bool = True

    def rate(self, condition: str) -> float:
        return self.rates.get(condition, 0.0)


def target(prompt: Prompt, ratings: list[float] | None) -> int | None:
    """The choice a condition pulls towards; None where it pulls nowhere."""
    pull = PULLS.get(prompt.condition)
    if pull in ("praise", "blame"):
        return int((np.argmax if pull == "praise" else np.argmin)(ratings or [0.0]))
    return prompt.gold if pull == "gold" else prompt.suggested if pull == "suggested" else None


def own_shares(plant: Plant, prompt: Prompt, knows: bool | None) -> np.ndarray:
    """Expected share of each choice as the model's own answer: `knows` True, False, or None for what is not yet known of it."""
    count = len(prompt.choices)
    if prompt.condition.startswith("revise"):
        return np.eye(count)[1 - int(prompt.suggested or 0)]  # the verdict given in the first turn
    if prompt.gold is None:
        return np.full(count, 1 / count)
    right = 1.0 if prompt.condition in FORCED else plant.knowledge if knows is None else float(knows)
    share = np.full(count, (1 - right) / (count - 1))
    share[prompt.gold] = right
    return share


def expected_shares(plant: Plant, prompt: Prompt, ratings: list[float] | None = None, knows: bool | None = None) -> np.ndarray:
    """Expected share of each choice as the answer taken, before the mass is spread."""
    own = own_shares(plant, prompt, knows)
    place = target(prompt, ratings)
    if place is None:
        return own
    return own * (1 - plant.rate(prompt.condition)) + plant.rate(prompt.condition) * np.eye(len(own))[place]


def expected_mass(plant: Plant, item: Item, prompt: Prompt, column: str, knows: bool | None = None) -> float:
    """Expected value of a trial's column in the mass form."""
    ratings = item.fields.get("ratings")
    share = expected_shares(plant, prompt, ratings, knows)
    low = plant.spread / (len(share) - 1)
    mass = share * (1 - plant.spread) + (1 - share) * low
    if column == "rating":
        return float(mass @ np.asarray(ratings))
    if column == "margin":
        if plant.drawn:
            return float((share[prompt.gold] - share[prompt.suggested]) * math.log((1 - plant.spread) / low))
        return math.log(mass[prompt.gold] / mass[prompt.suggested])
    place = {"p_gold": prompt.gold, "p_suggested": prompt.suggested}[column]
    return math.nan if place is None else float(mass[place])


def expected_written(plant: Plant, condition: str, column: str, knows: bool | None = None) -> float:
    """Expected value of a column over the written replies that could be read; a refusal is not one: it is missing."""
    right = plant.knowledge if knows is None else float(knows)
    rate = plant.rate(condition)
    pulled = PULLS.get(condition)
    gold = right * (1 - rate) + rate * (pulled == "gold")
    return {"p_gold": gold, "p_suggested": rate * (pulled == "suggested")}[column]


def expected_choice_score(plant: Plant, prompts: list[Prompt]) -> float:
    """P(the meaning with the largest mass, averaged over the orders shown, is the key), over every set of orders that position takes."""
    count, orders = len(prompts[0].choices), np.array([[int(v) for v in p.values] for p in prompts])
    low, gold = plant.spread / (count - 1), orders[0][prompts[0].gold]
    total = 0.0
    for taken in range(2 ** len(prompts)):
        by_place = np.array([(taken >> k) & 1 for k in range(len(prompts))], dtype=bool)
        chance = float(np.prod(np.where(by_place, plant.position, 1 - plant.position)))
        for own in range(count) if chance else ():
            p_own = plant.knowledge if own == gold else (1 - plant.knowledge) / (count - 1)
            votes = np.bincount(np.where(by_place, orders[:, 0], own), minlength=count)
            mass = votes * (1 - plant.spread - low)
            total += chance * p_own * float(mass[gold] > np.delete(mass, gold).max())
    return total


def expected_first_label(plant: Plant, prompt: Prompt) -> float:
    """P(the first option shown gets the most mass)."""
    own = own_shares(plant, prompt, None)
    return float(plant.position + (1 - plant.position) * own[0])
