"""TruthfulQA mc1 (Lin et al. 2022, arXiv:2109.07958): options shuffled by seeded permutations kept with the item.

form="letters": lettered, 4 permutations averaged
(permutations=0: the rows' own order, in which the key always comes first). form="unlisted": log-likelihood of each answer's words, options not shown.
"""

from __future__ import annotations

import random

from holdfast.instruments.base import Answered
from holdfast.instruments.benchmarks.lettered import Lettered
from holdfast.instruments.scoring import mass_trial, winner
from holdfast.instruments.style import Style
from holdfast.records import Item, Message, Prompt, Trial


class TruthfulQA(Lettered):
    name = "truthfulqa"

    def __init__(self, style: Style, permutations: int = 4, form: str = "letters"):
        super().__init__(style)
        self.permutations, self.unlisted = permutations, form == "unlisted"
        self.form = "loglik" if self.unlisted else "mass"

    def orders(self, item: Item) -> list[list[int]]:
        if not self.permutations:
            return [list(range(len(item.fields["choices"])))]
        rng = random.Random(f"permutation/{item.fields.get('permutation_seed', item.item_id)}")
        return [rng.sample(range(len(item.fields["choices"])), len(item.fields["choices"])) for _ in range(self.permutations)]

    def prompts(self, item: Item) -> list[Prompt]:
        if not self.unlisted:
            return super().prompts(item)
        text = f"{self.style.question_heading}Q: {item.fields['question']}\nA:" if self.style.plain else item.fields["question"]
        lead = " " if self.style.plain else ""
        return [
            Prompt(
                condition="neutral",
                messages=(Message("user", text),),
                plain=self.style.plain,
                gold=item.fields["gold"],
                choices=tuple(lead + c for c in item.fields["choices"]),
                values=tuple(map(str, range(len(item.fields["choices"])))),
            )
        ]

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        if not self.unlisted:
            return super().trials(item, answered)
        ((prompt, response),) = answered
        return [mass_trial(item, prompt, response, score=float(winner(response.logliks) == prompt.gold))]


INSTRUMENT = TruthfulQA
