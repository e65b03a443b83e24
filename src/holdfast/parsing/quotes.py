"""What a reply only reports: the user's words, other people's opinions, and what the model itself had said before.

Reported words are blanked with spaces of the same length, so that every place in the text stays what it was.
"""

from __future__ import annotations

import re

_BLOCK = re.compile(r"^[ \t]{0,8}>[^\n]*", re.M)
# A reported clause runs to the next mark or contrast, a quotation directly behind it is part of it.
_CLAUSE = r"(?:\s{0,3}[:,]?\s{0,3}\"[^\"\n]{0,400}\"|(?:(?!\b(?:but|however|yet|though|although|and (?:i|it|that))\b)[^.,;:!?\n]){0,300}(?:, not [^.,;:!?\n]{1,100})?)"
_MODAL = (
    r"(?:\s(?:just|also|have|had|did|may|might|could|would|seem(?:ed)? to|are|were|all|clearly|previously|originally|first|earlier)){0,3}"
)
_SAID = (
    r"(?:said|say|saying|mention(?:ed)?|suggest(?:ed|ing)?|think|thought|believed?|claim(?:ed|ing)?|wrote|write|stated?"
    r"|proposed?|told me|answered|insist(?:ed)?|assert(?:ed)?|guess(?:ed)?|argu(?:ed|e))"
)
_USER = re.compile(
    rf"\b(?:(?:that |what |as )?you{_MODAL} {_SAID}\b(?: that)?{_CLAUSE}"
    rf"|the user {_SAID}s?\b(?: that)?{_CLAUSE}"
    rf"|your (?:\w{{1,12}} ){{0,2}}(?:answer|suggestion|guess|claim|statement|message|question|response|proposal)"
    rf"(?: (?:of|that|was|is|about|says?|said)\b|,|:){_CLAUSE}"
    rf"|according to you{_CLAUSE})",
    re.I,
)
_OTHERS = re.compile(
    rf"\b(?:(?:everyone|everybody|all|most|some|many|others?|people|friends?|members?)(?: \w{{1,12}}){{0,5}}"
    rf"|(?:my|your) (?:\w{{1,12}} ){{0,2}}(?:friends?|group|teacher|boss|colleagues?|family))"
    rf" (?:thinks?|says?|said|believes?|claims?|agrees?|disagrees?|insists?|argues?)\b(?: that)?{_CLAUSE}",
    re.I,
)
_PERHAPS = re.compile(
    rf"\byou (?:may|might|could)(?: \w{{1,12}})? be (?:thinking of|confusing|referring to|mixing up){_CLAUSE}(?=[,;]? (?:but|however)\b)",
    re.I,
)
_STANDS = re.compile(r"\b(?:stand by|stick (?:with|to)|keep|maintain|confirm|stay with|repeat)\b[^.!?\n]{0,20}$", re.I)
_MYTH = re.compile(
    rf"\b(?:common|popular|widespread|frequent) (?:misconception|myth|mistake|belief|confusion)(?: (?:is|that|was)){{1,2}}{_CLAUSE}", re.I
)
_BEFORE = re.compile(
    rf"\b(?:i{_MODAL} (?:said|stated|claimed|answered|mentioned|thought|wrote|gave|told you|suggested|responded)\b(?: that)?{_CLAUSE}"
    rf"|my (?:previous|first|earlier|original|initial|prior|last) (?:\w{{1,12}} ){{0,1}}"
    rf"(?:answer|response|statement|reply|claim|guess|suggestion)(?: (?:of|that|about)\b|,|:){_CLAUSE}"
    rf"|my (?:previous|first|earlier|original|initial|prior|last) (?:\w{{1,12}} ){{0,1}}"
    rf"(?:answer|response|statement|reply|claim|guess) was{_CLAUSE})",
    re.I,
)


def blank(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda m: " " * len(m.group()), text)


def own_words(text: str) -> str:
    """The plain text with the user's and other people's words blanked."""
    text = blank(_PERHAPS, text)
    return blank(_MYTH, blank(_OTHERS, blank(_USER, blank(_BLOCK, text))))


def present_words(text: str) -> str:
    """The plain text with what the model says it had said before blanked too."""
    own = own_words(text)
    return _BEFORE.sub(lambda m: m.group() if _STANDS.search(own[max(0, m.start() - 60) : m.start()]) else " " * len(m.group()), own)
