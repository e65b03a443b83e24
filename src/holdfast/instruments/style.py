"""The words in which an item is put: one record per way of presenting, none of them known to the instruments by name."""

from __future__ import annotations

from dataclasses import dataclass

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Style:
    """`head` and `line` and `tail` build the user text of a lettered question; `choice` a continuation after `prefill`."""

    name: str
    line: str
    separator: str
    tail: str
    prefill: str
    choice: str
    plain: bool = False
    new_tokens: int = 256

    def lettered(self, question: str, options: list[str] | tuple[str, ...]) -> str:
        lines = [self.line.format(letter=letter, option=option) for letter, option in zip(LETTERS, options, strict=False)]
        return self.separator.join([question, *lines]) + self.tail

    def letter_choice(self, letter: str, option: str) -> str:
        return self.choice.format(letter=letter, option=option)


WORLD_STYLE = Style("world", "{option} {letter}", " ", "", " the answer is", " {option} {letter}", new_tokens=28)
CHAT_STYLE = Style("chat", "{letter}. {option}", "\n", "\nAnswer with the letter of the correct option.", "Answer:", " {letter}")
LM_EVAL_STYLE = Style("lm_eval", "{letter}. {option}", "\n", "\nAnswer:", "", " {letter}", plain=True)
