"""Reading a written answer. What cannot be read is unparsed: never counted as a flip, a hold or an error."""

from holdfast.parsing.letters import read_choice, read_letter
from holdfast.parsing.numbers import final_number, gold_number, number, read_number, stated_number
from holdfast.parsing.outcome import KINDS, OUTCOMES, Reading
from holdfast.parsing.short_answers import read_short
from holdfast.parsing.stance import apologised, refused
from holdfast.parsing.surface import after_reasoning
from holdfast.parsing.text import compared, normal

__all__ = ["KINDS", "OUTCOMES", "Reading", "after_reasoning", "apologised", "compared", "final_number", "gold_number", "normal", "number"]
__all__ += ["read_choice", "read_letter", "read_number", "read_short", "refused", "stated_number"]
