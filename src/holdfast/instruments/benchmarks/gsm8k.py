"""GSM8K (Cobbe et al. 2021, arXiv:2110.14168): greedy reply; the number after '####', else the last number."""

from __future__ import annotations

from holdfast import parsing
from holdfast.instruments.base import Answered, Instrument, with_shots
from holdfast.records import Item, Prompt, Trial


class GSM8K(Instrument):
    """An unparsed reply scores 0. score_strict accepts a number after '####' only."""

    name, form = "gsm8k", "generated"

    def prompts(self, item: Item) -> list[Prompt]:
        shots = [(s["question"], s["solution"]) for s in item.fields.get("shots", [])]
        return [
            Prompt(
                condition="neutral",
                messages=with_shots(self.style, shots, item.fields["question"], "\n"),
                max_new_tokens=self.style.new_tokens,
                plain=self.style.plain,
            )
        ]

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        ((prompt, response),) = answered
        text = response.text or ""
        found, marked = parsing.final_number(text)
        right = found is not None and found == parsing.number(item.fields["answer"])
        return [
            Trial(
                item_id=item.item_id,
                cluster_id=item.cluster_id,
                condition=prompt.condition,
                rotation=0,
                form="generated",
                outcome="unparsed" if found is None else "correct" if right else "other",
                score=float(right),
                score_strict=float(right and marked),
                num_prompt_tokens=response.num_prompt_tokens,
                num_new_tokens=response.num_new_tokens,
                refused=parsing.refused(text),
                ended=response.ended,
            )
        ]


INSTRUMENT = GSM8K
