"""What a benchmark and an axis have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from holdfast.instruments.style import Style
from holdfast.records import Contrast, Detection, Item, Message, Prompt, Response, Trial

Answered = list[tuple[Prompt, Response]]


def with_shots(style: Style, shots: list[tuple[str, str]], user: str, separator: str = "") -> tuple[Message, ...]:
    """`user` after solved examples (user text, reply): as earlier turns, or in one text for a plain style."""
    if style.plain:
        return (Message("user", "".join(f"{asked}{separator}{reply}\n\n" for asked, reply in shots) + user),)
    turns = [Message(role, text) for pair in shots for role, text in zip(("user", "assistant"), pair, strict=True)]  # type: ignore[arg-type]
    return (*turns, Message("user", user))


class Instrument:
    """Items -> prompts -> trials. Subclasses set the class attributes and implement `prompts` and `trials`.

    `items_like`: the instrument whose items are asked, for one that puts those of another in its own way. An instrument with items of its
    own gives `items_of(rows, form, limit, seed)` instead: rows as sources.read_rows reads them, form as the study names it or None.
    """

    name: str
    kind: str = "benchmark"
    form: str = "mass"
    conditions: tuple[str, ...] = ("neutral",)
    contrasts: tuple[Contrast, ...] = ()
    detection: Detection | None = None
    items_like: str | None = None
    items_of: ClassVar[Callable[..., list[Item]] | None] = None

    def __init__(self, style: Style):
        self.style = style

    def prompts(self, item: Item) -> list[Prompt]:
        raise TypeError(f"{type(self).__name__} does not say how an item is put")

    def follow_ups(self, item: Item, answered: Answered) -> list[Prompt]:
        """Second-stage prompts that depend on the model's own first answers; none unless an instrument says so."""
        return []

    def spoken(self, item: Item, prompt: Prompt, response: Response) -> Answered:
        """What was said in the branches of a generated reply, each as a prompt of its own with its response."""
        return []

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        raise TypeError(f"{type(self).__name__} does not say how an answer becomes an outcome")
