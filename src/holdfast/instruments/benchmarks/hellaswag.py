"""HellaSwag (Zellers et al. 2019, arXiv:1905.07830): log-likelihood of each ending after the bare context.

score: largest sum (lm-eval's acc); score_norm: largest sum per byte of the ending (acc_norm).
"""

from __future__ import annotations

import dataclasses

from holdfast.instruments.base import Answered, Instrument
from holdfast.instruments.scoring import first_largest, mass_trial, winner
from holdfast.records import Item, Message, Prompt, Trial


class HellaSwag(Instrument):
    name, form = "hellaswag", "loglik"

    def prompts(self, item: Item) -> list[Prompt]:
        return [
            Prompt(
                condition="neutral",
                messages=(Message("user", item.fields["context"]),),
                plain=True,
                gold=item.fields["gold"],
                choices=tuple(f" {e}" for e in item.fields["endings"]),
                values=tuple("0123"[: len(item.fields["endings"])]),
            )
        ]

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        ((prompt, response),) = answered
        sums = response.logliks
        per_byte = [value / len(e.encode()) for value, e in zip(sums, item.fields["endings"], strict=True)]
        trial = mass_trial(item, prompt, response, score=float(winner(sums) == prompt.gold))
        return [
            dataclasses.replace(
                trial, form="loglik", kappa=float("nan"), score_norm=float(winner(per_byte) == prompt.gold), label=first_largest(sums)
            )
        ]


INSTRUMENT = HellaSwag
