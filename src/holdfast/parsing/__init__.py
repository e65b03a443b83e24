"""Reading a written answer. What cannot be read is unparsed: never a flip, a hold or an error."""

from holdfast.parsing.letters import read_letter
from holdfast.parsing.numbers import final_number, number, stated_number
from holdfast.parsing.outcome import KINDS, OUTCOMES, Reading, read_choice, read_number, read_short
from holdfast.parsing.short_answers import read_short_answer
from holdfast.parsing.stance import apologised, refused
from holdfast.parsing.text import mentions, normal

__all__ = [
    "KINDS",
    "OUTCOMES",
    "Reading",
    "apologised",
    "final_number",
    "mentions",
    "normal",
    "number",
    "read_choice",
    "read_letter",
    "read_number",
    "read_short",
    "read_short_answer",
    "refused",
    "stated_number",
]
