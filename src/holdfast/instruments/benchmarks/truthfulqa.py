"""TruthfulQA mc1 (Lin et al. 2022, arXiv:2109.07958): options shuffled by seeded permutations kept with the item.

form="letters": lettered, 4 permutations averaged. form="unlisted": log-likelihood of each answer's words, options not shown.
"""

import random
from typing import Annotated, Literal

from pydantic import Field

from holdfast.instruments.base import Answered, DataSet, TypicalPrompts
from holdfast.instruments.lettered import Lettered
from holdfast.instruments.scoring import mass_trial, winner
from holdfast.instruments.style import Style
from holdfast.records import Item, Message, Prompt, Trial


class TruthfulQA(Lettered):
    """Options: `permutations` (0: the rows' own order, in which the key is always first) and `form`."""

    name, domain_name, rank = "truthfulqa", "truth", 4
    takes_shots = False
    data_set = DataSet(
        name="truthfulqa/truthful_qa",
        folder="truthfulqa",
        config="multiple_choice",
        test="validation",
        num_test=817,
        local=(("validation", "multiple_choice"),),
    )
    typical = TypicalPrompts(per_item=4, chars=362, choice_chars=10)

    def __init__(
        self, style: Style, permutations: Annotated[int, Field(ge=0, le=24)] = 4, form: Literal["letters", "unlisted"] = "letters"
    ):
        super().__init__(style)
        self.permutations, self.unlisted = permutations, form == "unlisted"
        self.form = "loglik" if self.unlisted else "mass"

    def orders(self, item: Item) -> list[list[int]]:
        """Permutations drawn from a seed that is kept with the item. See `Lettered.orders`."""
        count = len(item.fields["choices"])
        rng = random.Random(f"permutation/{item.fields.get('permutation_seed', item.item_id)}")
        return [rng.sample(range(count), count) for _ in range(self.permutations)] or [list(range(count))]

    def prompts(self, item: Item) -> list[Prompt]:
        """Lettered questions, or one question without its options. See `Instrument.prompts`."""
        if not self.unlisted:
            return super().prompts(item)
        f, plain = item.fields, self.style.plain
        text, lead = (f"{self.style.question_heading}Q: {f['question']}\nA:", " ") if plain else (f["question"], "")
        choices, values = tuple(lead + c for c in f["choices"]), tuple(map(str, range(len(f["choices"]))))
        messages = (Message("user", text),)
        return [Prompt(condition="neutral", messages=messages, plain=plain, gold=f["gold"], choices=choices, values=values)]

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        """One trial per prompt; `score` is 1 if the right option wins. See `Instrument.trials`."""
        if not self.unlisted:
            return super().trials(item, answered)
        ((prompt, response),) = answered
        return [mass_trial(item, prompt, response, score=float(winner(response.logliks) == prompt.gold))]


INSTRUMENT = TruthfulQA
