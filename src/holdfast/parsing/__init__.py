"""Reading a written answer. What cannot be read is unparsed: never counted as a flip, a hold or an error."""

from holdfast.parsing.letters import read_choice, read_letter
from holdfast.parsing.numbers import final_number, number, read_number, stated_number
from holdfast.parsing.outcome import KINDS, OUTCOMES, Reading
from holdfast.parsing.short_answers import read_short
from holdfast.parsing.stance import apologised, refused
from holdfast.parsing.text import normal

__all__ = ["KINDS", "OUTCOMES", "Reading", "apologised", "final_number", "normal", "number", "read_choice", "read_letter", "read_number"]
__all__ += ["read_short", "refused", "stated_number"]
