"""What a benchmark and an axis have in common."""

from __future__ import annotations

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
    """Items -> prompts -> trials. Subclasses set the class attributes and implement `prompts` and `trials`."""

    name: str
    kind: str = "benchmark"
    form: str = "mass"
    conditions: tuple[str, ...] = ("neutral",)
    contrasts: tuple[Contrast, ...] = ()
    detection: Detection | None = None

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
