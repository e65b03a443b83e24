"""HellaSwag (Zellers et al. 2019, arXiv:1905.07830): log-likelihood of each ending after the bare context.

score: largest sum (lm-eval's acc); score_norm: largest sum per byte of the ending (acc_norm).
"""

from holdfast.instruments.base import Answered, DataSet, Instrument, TypicalPrompts
from holdfast.instruments.scoring import first_largest, mass_trial, winner
from holdfast.records import Item, Message, Prompt, Trial


class HellaSwag(Instrument):
    """Plain text without a chat template."""

    name, form, domain_name, rank = "hellaswag", "loglik", "common_sense", 3
    data_set = DataSet(name="Rowan/hellaswag", folder="hellaswag", train="train", test="validation", num_train=39905, num_test=10042)
    typical = TypicalPrompts(per_item=1, chars=227, choice_chars=567)

    def prompts(self, item: Item) -> list[Prompt]:
        """One prompt: the context, continued by each ending. See `Instrument.prompts`."""
        f = item.fields
        messages, choices = (Message("user", f["context"]),), tuple(f" {e}" for e in f["endings"])
        values = tuple(map(str, range(len(choices))))
        return [Prompt(condition="neutral", messages=messages, plain=True, gold=f["gold"], choices=choices, values=values)]

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        """One trial with `score` and `score_norm`. See `Instrument.trials`."""
        ((prompt, response),) = answered
        sums = response.logliks
        per_byte = [value / len(e.encode()) for value, e in zip(sums, item.fields["endings"], strict=True)]
        score, score_norm = (float(winner(values) == prompt.gold) for values in (sums, per_byte))
        trial = mass_trial(
            item, prompt, response, form="loglik", kappa=float("nan"), label=first_largest(sums), score=score, score_norm=score_norm
        )
        return [trial]


INSTRUMENT = HellaSwag
