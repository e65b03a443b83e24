"""Lettered multiple choice: mass over letters, averaged over orders of the options."""

from collections.abc import Mapping
from typing import Any

from holdfast.instruments.base import Answered, Instrument, with_shots
from holdfast.instruments.scoring import first_largest, mass_trial, rotation_average, winner
from holdfast.instruments.style import LETTERS
from holdfast.records import Item, Message, Prompt, Trial


class Lettered(Instrument):
    """Every trial of an item carries the item's score: 1 if the option with the largest averaged probability is the key."""

    takes_shots = True

    def orders(self, item: Item) -> list[list[int]]:
        """Orders in which the options are shown.

        Args:
            item: an item with `choices`.
        Returns:
            per rotation, the indices of `choices` in the order shown.
        Raises:
            TypeError: if the subclass does not implement it.
        """
        raise TypeError(f"{type(self).__name__} does not define orders")

    def prompts(self, item: Item) -> list[Prompt]:
        """One prompt per order of the options; choices are the letters. See `Instrument.prompts`."""
        f, style, out = item.fields, self.style, []
        solved = [self._solved(s) for s in f.get("shots", [])]
        subject = str(f.get("subject") or "").replace("_", " ")
        heading = style.subject_heading.format(subject=subject) if subject else ""
        for rotation, order in enumerate(self.orders(item)):
            shown = [f["choices"][i] for i in order]
            first, *rest = with_shots(style, solved, style.lettered(f["question"], shown))
            messages = (Message(first.role, heading + first.content), *rest)
            choices = tuple(style.letter_choice(x, o) for x, o in zip(LETTERS, shown, strict=False))
            how = {"values": tuple(map(str, order)), "gold": order.index(f["gold"]), "prefill": style.prefill, "plain": style.plain}
            out.append(Prompt(condition="neutral", rotation=rotation, messages=messages, choices=choices, **how))
        return out

    def _solved(self, shot: Mapping[str, Any]) -> tuple[str, str]:
        letter, option = LETTERS[shot["gold"]], shot["choices"][shot["gold"]]
        return self.style.lettered(shot["question"], shot["choices"]), self.style.prefill + self.style.letter_choice(letter, option)

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        """One trial per rotation, all with the item's score. See `Instrument.trials`."""
        mean = rotation_average(answered)
        chosen = winner(list(mean.values()))
        score = float(chosen is not None and list(mean)[chosen] == str(item.fields["gold"]))
        return [mass_trial(item, p, r, score=score, label=first_largest(r.logliks)) for p, r in answered]
