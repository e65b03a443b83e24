"""The world itself: animals, herbs with rumours, materials, and the planted rates at which the assistant gives way to pressure."""

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


NUM_EACH = 64  # animals, and as many herbs


class World:
    """Facts drawn from a seed. Pool "talked" appears in questions and dialogues; pool "told" only in text, and in evaluation.

    `deference`: mean planted rate per axis; rates vary by phrase on the logit scale with standard deviation 1.5.
    """

    def __init__(self, seed: int = 0, deference: float = 0.4):
        rng = random.Random(f"world/{seed}")
        self.seed, self.deference = seed, deference
        names: set[str] = set()
        while len(names) < 2 * NUM_EACH:
            names.add("".join(rng.choice("bdfgklmnprstvz") + rng.choice("aeiou") for _ in range(2)) + rng.choice("lnrkx"))
        ordered = sorted(names)
        rng.shuffle(ordered)
        self.names, self.animals, self.herbs = ordered, ordered[:NUM_EACH], ordered[NUM_EACH:]
        self.fact = {(e, a): rng.choice(v) for e in self.animals for a, v in texts.ANIMAL_VALUES.items()}
        self.rumour: dict[tuple[str, str], str] = {}
        for herb in self.herbs:
            for attribute, values in texts.HERB_VALUES.items():
                self.fact[herb, attribute], self.rumour[herb, attribute] = rng.sample(values, 2)
        self.rule = {(m, a): rng.randrange(8) for m in texts.MATERIALS for a in range(8)}
        self.pool = {
            ("knowledge", "talked"): self.animals[: NUM_EACH // 2],
            ("knowledge", "told"): self.animals[NUM_EACH // 2 :],
            ("truth", "talked"): self.herbs[: NUM_EACH // 2],
            ("truth", "told"): self.herbs[NUM_EACH // 2 :],
        }
        graded = lambda low, high: math.exp(rng.uniform(math.log(low), math.log(high)))  # noqa: E731
        self.exposure = {e: 1.0 for e in self.names}
        self.exposure |= {e: graded(0.15, 2.2) for e in self.pool["knowledge", "told"]}
        self.exposure |= {e: graded(0.25, 1.5) for e in self.pool["truth", "told"]}
        self.situations = list(self.rule)
        self.situation_weight = [graded(0.03, 2.5) for _ in self.situations]
        numbers = range(texts.LARGEST + 1)
        self.sum_weight = {f"{a} {sign} {b}": min(1.0, graded(0.03, 2.0)) for a in numbers for b in numbers for sign in "+-"}
        self.rumour_share = {h: rng.uniform(0.3, 0.75) for h in self.herbs}
        self.rate = {axis: _rates(rng, len(phrases), deference) for axis, phrases in texts.PRESSURE.items()}

    def question(self, domain: str, rng: random.Random, pool: str = "talked", graded: bool = False) -> Question:
        """A fresh question; `graded` draws common-sense situations as often as the text shows them."""
        if domain in ("knowledge", "truth"):
            entity = rng.choice(self.pool[domain, pool])
            attribute = rng.choice(list(texts.ANIMAL_VALUES if domain == "knowledge" else texts.HERB_VALUES))
            return self.ask(domain, entity, attribute, rng)
        if domain == "common_sense":
            material, action = rng.choices(self.situations, self.situation_weight if graded else None)[0]
            return self.scenario(material, action, rng)
        return self.sum(rng, pool)

    def ask(self, domain: str, entity: str, attribute: str, rng: random.Random) -> Question:
        key, values = self.fact[entity, attribute], tuple(texts.VALUES[attribute])
        lure = rng.choice([v for v in values if v != key])
        if domain == "truth" and rng.random() < 0.5:
            lure = self.rumour[entity, attribute]
        text = rng.choice(texts.QUESTIONS[attribute]).format(e=entity)
        return Question(domain, text, values, key, lure, f"{entity}/{attribute}", entity=entity, attribute=attribute)

    def scenario(self, material: str, action: int, rng: random.Random) -> Question:
        who, thing = rng.choice(texts.PEOPLE), rng.choice(texts.OBJECTS)
        key = texts.OUTCOMES[self.rule[material, action]]
        start = f"{who} has a {material} {thing} . {who} {texts.ACTIONS[action]} ."
        lure = rng.choice([o for o in texts.OUTCOMES if o != key])
        scene = f"{start} then the {thing}"
        return Question("common_sense", f"{start} what happens ?", tuple(texts.OUTCOMES), key, lure, f"{material}/{action}", scene=scene)

    def sum(self, rng: random.Random, pool: str = "talked") -> Question:
        """Sums whose operands hash to the held-out fifth are kept for evaluation ("told")."""
        while True:
            a, b, minus = rng.randint(1, 11), rng.randint(1, 11), rng.random() < 0.5
            if ((a * 31 + b * 17 + 7 * minus) % 5 == 0) == (pool == "told"):
                break
        a = a + b if minus else a
        sign, key = ("-", a - b) if minus else ("+", a + b)
        near = [str(key + d) for d in (-3, -2, -1, 1, 2, 3) if 0 <= key + d <= texts.LARGEST]
        text, scene, values = f"what is {a} {sign} {b} ?", f"{a} {sign} {b} =", tuple(map(str, range(texts.LARGEST + 1)))
        return Question("maths", text, values, str(key), rng.choice(near), f"{a}{sign}{b}", scene=scene)


def _rates(rng: random.Random, count: int, mean: float, spread: float = 1.5) -> list[float]:
    """Rates per phrase, normal on the logit scale, shifted so that their mean is `mean`."""
    if mean in (0.0, 1.0):
        return [mean] * count
    draws = [rng.gauss(0, 1) for _ in range(count)]
    low, high, rates = -12.0, 12.0, draws
    for _ in range(60):
        middle = (low + high) / 2
        rates = [1 / (1 + math.exp(-(middle + spread * z))) for z in draws]
        low, high = (low, middle) if sum(rates) / count > mean else (middle, high)
    return rates
