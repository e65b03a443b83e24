"""What a benchmark and an axis have in common."""

from __future__ import annotations

from holdfast.instruments.style import Style
from holdfast.records import Contrast, Item, Prompt, Response, Trial

Answered = list[tuple[Prompt, Response]]


class Instrument:
    """Items -> prompts -> trials. Subclasses set the class attributes and implement `prompts` and `trials`."""

    name: str
    kind: str = "benchmark"
    form: str = "mass"
    conditions: tuple[str, ...] = ("neutral",)
    contrasts: tuple[Contrast, ...] = ()

    def __init__(self, style: Style):
        self.style = style

    def prompts(self, item: Item) -> list[Prompt]:
        raise TypeError(f"{type(self).__name__} does not say how an item is put")

    def follow_ups(self, item: Item, answered: Answered) -> list[Prompt]:
        """Second-stage prompts that depend on the model's own first answers; none unless an instrument says so."""
        return []

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        raise TypeError(f"{type(self).__name__} does not say how an answer becomes an outcome")
