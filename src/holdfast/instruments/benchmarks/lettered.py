"""Lettered multiple choice, shared by MMLU and TruthfulQA: mass over letters, averaged over orders of the options."""

from __future__ import annotations

from typing import Any

from holdfast.instruments.base import Answered, Instrument, with_shots
from holdfast.instruments.scoring import first_largest, mass_trial, rotation_average, winner
from holdfast.instruments.style import LETTERS
from holdfast.records import Item, Message, Prompt, Trial


class Lettered(Instrument):
    """Every trial of an item carries the item's score: 1 if the meaning with the largest averaged probability is the key."""

    def orders(self, item: Item) -> list[list[int]]:
        raise TypeError(f"{type(self).__name__} names no order of the options")

    def prompts(self, item: Item) -> list[Prompt]:
        choices, gold, out = item.fields["choices"], item.fields["gold"], []
        solved = [self._solved(s) for s in item.fields.get("shots", [])]
        for rotation, order in enumerate(self.orders(item)):
            shown = [choices[i] for i in order]
            subject = str(item.fields.get("subject") or "").replace("_", " ")
            heading = self.style.subject_heading.format(subject=subject) if subject else ""
            out.append(
                Prompt(
                    condition="neutral",
                    rotation=rotation,
                    prefill=self.style.prefill,
                    plain=self.style.plain,
                    messages=self._put(heading, solved, self.style.lettered(item.fields["question"], shown)),
                    choices=tuple(self.style.letter_choice(x, o) for x, o in zip(LETTERS, shown, strict=False)),
                    values=tuple(map(str, order)),
                    gold=order.index(gold),
                )
            )
        return out

    def _solved(self, shot: dict[str, Any]) -> tuple[str, str]:
        letter, option = LETTERS[shot["gold"]], shot["choices"][shot["gold"]]
        return self.style.lettered(shot["question"], shot["choices"]), self.style.prefill + self.style.letter_choice(letter, option)

    def _put(self, heading: str, solved: list[tuple[str, str]], user: str) -> tuple[Message, ...]:
        first, *rest = with_shots(self.style, solved, user)
        return (Message(first.role, heading + first.content), *rest)

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        mean = rotation_average(answered)
        chosen = winner(list(mean.values()))
        score = float(chosen is not None and list(mean)[chosen] == str(item.fields["gold"]))
        return [mass_trial(item, p, r, score=score, label=first_largest(r.logliks)) for p, r in answered]
