"""Reading a written answer. What cannot be read is unparsed: never counted as a flip, a hold or an error."""

from holdfast.parsing.letters import read_choice, read_letter
from holdfast.parsing.numbers import final_number, read_number, stated_number
from holdfast.parsing.numerals import gold_number, number
from holdfast.parsing.outcome import KINDS, OUTCOMES, Reading
from holdfast.parsing.ratings import read_rating
from holdfast.parsing.short_answers import read_short
from holdfast.parsing.stance import apologised, denied, kept, refused
from holdfast.parsing.surface import strip_reasoning
from holdfast.parsing.text import comparison_key, normal

__all__ = [
    "KINDS",
    "OUTCOMES",
    "Reading",
    "strip_reasoning",
    "apologised",
    "comparison_key",
    "denied",
    "final_number",
    "gold_number",
    "normal",
    "number",
]
__all__ += ["kept", "read_choice", "read_letter", "read_number", "read_rating", "read_short", "refused", "stated_number"]
