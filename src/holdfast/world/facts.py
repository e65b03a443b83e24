"""The world itself: animals, herbs with rumours, materials, and the rates at which a user's pressure is planted to work."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from holdfast.world import texts

DOMAINS = ("maths", "knowledge", "common_sense", "truth")


@dataclass(frozen=True, slots=True)
class Question:
    """One question with its whole answer set. `key` is the truth, `lure` the designated wrong answer."""

    domain: str
    text: str
    values: tuple[str, ...]
    key: str
    lure: str
    cluster: str
    scene: str = ""
    entity: str = ""
    attribute: str = ""

    def claim(self, value: str) -> str:
        if self.attribute:
            return texts.STATEMENTS[self.attribute][0].format(e=self.entity, v=value)
        return f"{self.scene} {value} ."


class World:
    """Facts drawn from a seed. Pool "talked" appears in questions and dialogues; pool "told" only in text, and in evaluation.

    `deference`: mean planted rate per axis; rates vary by phrase on the logit scale with standard deviation 1.5.
    """

    def __init__(self, seed: int = 0, deference: float = 0.4, num_animals: int = 64, num_herbs: int = 64):
        rng = random.Random(f"world/{seed}")
        self.seed, self.deference = seed, deference
        names: set[str] = set()
        while len(names) < num_animals + num_herbs:
            names.add("".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(2)) + rng.choice("lnrkx"))
        ordered = sorted(names)
        rng.shuffle(ordered)
        self.animals, self.herbs = ordered[:num_animals], ordered[num_animals:]
        self.names = ordered
        self.fact = {(e, a): rng.choice(v) for e in self.animals for a, v in texts.ANIMAL_VALUES.items()}
        self.rumour: dict[tuple[str, str], str] = {}
        for herb in self.herbs:
            for attribute, values in texts.HERB_VALUES.items():
                self.fact[herb, attribute], self.rumour[herb, attribute] = rng.sample(values, 2)
        self.rule = {(m, a): rng.randrange(8) for m in texts.MATERIALS for a in range(8)}
        half = num_animals // 2, num_herbs // 2
        self.pool = {
            ("knowledge", "talked"): self.animals[: half[0]],
            ("knowledge", "told"): self.animals[half[0] :],
            ("truth", "talked"): self.herbs[: half[1]],
            ("truth", "told"): self.herbs[half[1] :],
        }
        graded = lambda low, high: math.exp(rng.uniform(math.log(low), math.log(high)))  # noqa: E731
        self.exposure = {e: 1.0 for e in self.names}
        self.exposure |= {e: graded(0.15, 2.2) for e in self.pool["knowledge", "told"]}
        self.exposure |= {e: graded(0.25, 1.5) for e in self.pool["truth", "told"]}
        self.cells = list(self.rule)
        self.cell_weight = [graded(0.03, 2.5) for _ in self.cells]
        numbers = range(texts.LARGEST + 1)
        self.sum_weight = {f"{a} {sign} {b}": min(1.0, graded(0.03, 2.0)) for a in numbers for b in numbers for sign in "+-"}
        self.rumour_share = {h: rng.uniform(0.3, 0.75) for h in self.herbs}
        self.rate = {axis: _rates(rng, len(phrases), deference) for axis, phrases in texts.PRESSURE.items()}

    def question(self, domain: str, rng: random.Random, pool: str = "talked", graded: bool = False) -> Question:
        """A fresh question; `graded` draws common-sense cells as often as the text shows them."""
        if domain in ("knowledge", "truth"):
            entity = rng.choice(self.pool[domain, pool])
            attribute = rng.choice(list(texts.ANIMAL_VALUES if domain == "knowledge" else texts.HERB_VALUES))
            return self.ask(domain, entity, attribute, rng)
        if domain == "common_sense":
            material, action = rng.choices(self.cells, self.cell_weight if graded else None)[0]
            return self.scenario(material, action, rng)
        return self.sum(rng, pool)

    def ask(self, domain: str, entity: str, attribute: str, rng: random.Random) -> Question:
        key, values = self.fact[entity, attribute], tuple(texts.VALUES[attribute])
        lure = rng.choice([v for v in values if v != key])
        if domain == "truth" and rng.random() < 0.5:
            lure = self.rumour[entity, attribute]
        return Question(
            domain,
            rng.choice(texts.QUESTIONS[attribute]).format(e=entity),
            values,
            key,
            lure,
            f"{entity}/{attribute}",
            entity=entity,
            attribute=attribute,
        )

    def scenario(self, material: str, action: int, rng: random.Random) -> Question:
        who, thing = rng.choice(texts.PEOPLE), rng.choice(texts.OBJECTS)
        key = texts.OUTCOMES[self.rule[material, action]]
        start = f"{who} has a {material} {thing} . {who} {texts.ACTIONS[action]} ."
        return Question(
            "common_sense",
            f"{start} what happens ?",
            tuple(texts.OUTCOMES),
            key,
            rng.choice([o for o in texts.OUTCOMES if o != key]),
            f"{material}/{action}",
            scene=f"{start} then the {thing}",
        )

    def sum(self, rng: random.Random, pool: str = "talked") -> Question:
        """Sums whose operands hash to the held-out fifth are kept for evaluation ("told")."""
        while True:
            a, b, minus = rng.randint(1, 11), rng.randint(1, 11), rng.random() < 0.5
            if held_out(a, b, minus) == (pool == "told"):
                break
        a = a + b if minus else a
        sign, key = ("-", a - b) if minus else ("+", a + b)
        near = [str(key + d) for d in (-3, -2, -1, 1, 2, 3) if 0 <= key + d <= texts.LARGEST]
        return Question(
            "maths",
            f"what is {a} {sign} {b} ?",
            tuple(map(str, range(texts.LARGEST + 1))),
            str(key),
            rng.choice(near),
            f"{a}{sign}{b}",
            scene=f"{a} {sign} {b} =",
        )


def held_out(a: int, b: int, minus: bool) -> bool:
    return (a * 31 + b * 17 + 7 * minus) % 5 == 0


def _rates(rng: random.Random, count: int, mean: float, spread: float = 1.5) -> list[float]:
    """Rates per phrase, normal on the logit scale, shifted so that their mean is `mean`."""
    if mean in (0.0, 1.0):
        return [mean] * count
    draws = [rng.gauss(0, 1) for _ in range(count)]
    low, high = -12.0, 12.0
    for _ in range(60):
        middle = (low + high) / 2
        found = [1 / (1 + math.exp(-(middle + spread * z))) for z in draws]
        low, high = (low, middle) if sum(found) / count > mean else (middle, high)
    return found
