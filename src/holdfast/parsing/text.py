"""The surface of a reply: plain text, words with their positions, sentences, loops, and the words that are the model's own.

Every pattern here is bounded or linear: a reply is untrusted input and may be a megabyte of anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby, islice
from typing import NamedTuple

from holdfast.parsing.surface import join_signs, strip_reasoning, unify_characters

_QUOTES = str.maketrans({**dict.fromkeys("‘’‚‛ʼ´", "'"), **dict.fromkeys("“”„‟«»", '"'), **dict.fromkeys("\u2013\u2014\u2015", ";")})
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2212\ufe63\uff0d", "-"))
_LEAKED_TURN = re.compile(
    r"<\|(?:im_end|eot_id|eom_id|end|endoftext|end_of_text)\|>|</s>|<eos>|<end_of_turn>|\n[ \t]{0,8}(?:user|human)[ \t]{0,4}:", re.I
)
_OWN_TURN = re.compile(r"\n[ \t]{0,8}assistant[ \t]{0,4}:", re.I)
_NEXT_QUESTION = re.compile(
    r"\n[ \t]{0,8}[#*]{0,6} ?(?:next |new |another )?(?:question|q|problem|exercise|instruction|input|example)[ \t]?#?\d{0,3}[*]{0,2}"
    r"(?:[ \t]?[:.)]|(?:(?<=[\d*])|(?<=# Question)|(?<=# Problem))[ \t]{0,8}(?=\n))",
    re.I,
)
_LEADS_IN = re.compile(
    r"(?:let|here|sure|okay|ok|to|we|i|i'll|first|certainly|of course|solution|step(?: \d{1,2}\b(?=\D*$))?|the (?:question|problem))\b[^\n\d]*|[^\n]*:"
    r"|[#*]{0,6} ?(?s:(?:question|q|problem|exercise|instruction|input|example)\b.*)",
    re.I,
)
_ANSWERED = re.compile(r"\banswer\**[\"']?\s?(?:[:=]|is\b|would be\b)|####|^\s{0,4}a\s?:", re.I | re.M)
# A formula between dollars; not '$5 and $6', and not a single letter, which may be a label.
_MATH = re.compile(r"(?<![\w$])\$(?=[-\\A-Za-z(\u221a~\u00ac]|\d+ ?[/^=])([^$\n]{2,200})\$(?!\w)")
_LINK = re.compile(r"\[([^\[\]\n]{1,200})\]\([^()\s]{1,300}\)")
_TAG = re.compile(r"<\|[a-zA-Z_]{1,40}\|>|</?[a-zA-Z][a-zA-Z0-9]{0,10}/?>")
_MARKS = re.compile(r"(?<!\d)\*+|\*+(?!\d)|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)|`+|\\[()\[\]]")
_SPACES = re.compile(r"[ \t]+")
_HEADING = re.compile(r"^[ \t]{0,8}#{1,6}[ \t]+", re.M)
_ITEM = re.compile(r"^[ \t]{0,8}(?:\d{1,3}[.)]|[-+•])[ \t]+", re.M)
_INITIALS = re.compile(r"(?<![\w.'])(?:[^\W\d_]\.[ ]?){1,6}(?:(?<=\. )|(?<=\.)(?=\W|$))")
# Marks of vowels and accents are no word characters for `re`; a sign or an operator is a word where it stands for something.
_M = "".join(
    f"\\U{run[0]:08x}-\\U{run[-1]:08x}"
    for key, group in groupby(
        enumerate(c for c in range(0x300, 0x1E2F0) if unicodedata.category(chr(c)) in ("Mn", "Mc")), lambda p: p[1] - p[0]
    )
    for run in [[c for _, c in group]]
)
_L = rf"(?:[^\W_]|(?<=\w)[{_M}]|(?<=[{_M}])[{_M}])"
_OPERATOR = r"~(?=[~(]|[^\W\d_](?![^\W_]))|[<>!=]=|<?[-=]>|<-|[<=>\u00ac\u00b1\u00d7\u00f7\u2190-\u22ff]"
_BETWEEN = "|".join(  # with a space on both sides or on none
    rf"(?:(?<=\d{gap})|(?<=(?<![^\W_])[A-Za-z]{gap})|(?<=[)\]]{gap}))[-+*/^:](?={gap}(?:[-+]?[\d(\[]|[A-Za-z](?![^\W_])))"
    for gap in ("", " ")
)
_WORD = re.compile(
    rf"(?:(?<![^\s(\[{{=:,;<>/*\u00d7\"'])[-+])?(?:\d+(?:[.,]\d+)*|(?<![\w.])\.\d+){_L}*(?:%|[-+](?![-+\w(\[]))?"
    rf"|(?:(?<![^\s(\[{{=:,;<>])[-+](?=[A-Za-z](?![^\W_])|sqrt))?[^\W_]{_L}*(?:'[^\W\d_]{_L}*)*(?:\+\+|[+#](?!\w)|(?<![^\W_]{{5}})-(?![\w-]))?|(?<![^\s(\[{{=:,;<>])[-+]\u221e|{_BETWEEN}|{_OPERATOR}"
)
_SIGNS = {
    "\u00ac": "~",
    "\u2264": "<=",
    "\u2265": ">=",
    "\u2260": "!=",
    "\u2192": "->",
    "=>": "->",
    "\u21d2": "->",
    "*": "\u00d7",
    "==": "=",
}
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_ACCENT = re.compile("((?![\u0410-\u044f])[^\\W_]|[\u0415\u0435](?=\u0308))[\u0300-\u036f]+")
_STOP = re.compile(r"[.!?]+[\"')\]]{0,3}(?=\s|$)|\n+")
_ABBREVIATION = re.compile(r"(?:\b(?:mr|mrs|ms|dr|st|jr|sr|vs|prof|no|mt|etc|e\.g|i\.e|[a-z]))$", re.I)


class Word(NamedTuple):
    """One word of a text: its comparable forms (with and without a possessive), and its position."""

    forms: tuple[str, ...]
    start: int
    end: int


class Span(NamedTuple):
    """Start and end of a sentence."""

    start: int
    end: int


def plain(text: str) -> str:
    """The final reply in characters of one kind, with one kind of quote, without Markdown; '' if it never leaves its reasoning.

    A next turn of the user, or a next question that the model puts to itself after its answer, is not part of the reply.
    """
    text = join_signs(unify_characters(strip_reasoning(text) or "")).translate(_QUOTES)
    text = _MATH.sub(r"\1", text) if "$" in text else text
    leaked = _LEAKED_TURN.search(text, 1) if text.strip() else None
    if leaked and text[: leaked.start()].strip():
        text = text[: leaked.start()]
    elif leaked:  # a reply that goes on with the user's turn: the assistant's last turn in it counts
        text = text[max((m.end() for m in _OWN_TURN.finditer(text)), default=0) :]
    text = before_next_question(text)
    text = re.sub(r"~~([^~\n]{1,200})~~", r"\1", text)
    text = _HEADING.sub("", _TAG.sub(" ", _LINK.sub(r"\1", text)))
    text = re.sub("&+", " and ", _MARKS.sub("", text))
    return _SPACES.sub(" ", text).strip()


def before_next_question(text: str) -> str:
    """The text without a further question that the model puts to itself: behind an answer phrase, or behind more than a lead-in."""
    for more in islice(_NEXT_QUESTION.finditer(text), 50):
        said = _ANSWERED.search(text, 0, more.start())
        before = text[said.end() if said else 0 : more.start()].strip()
        if re.search(r"\w", before) and (said or re.search(r"\b[B-HJ-Z]\b", before[:200]) or not _LEADS_IN.fullmatch(before)):
            return text[: more.start()]
    return text


def fold(text: str) -> str:
    """Case and Latin accents folded away, for comparing words."""
    return unicodedata.normalize("NFC", _ACCENT.sub(r"\1", unicodedata.normalize("NFKD", text))).casefold()


def comparison_key(text: str) -> str:
    """The form in which two texts are the same text: NFC, case folded, one kind of quote and space. Signs, accents and marks of vowels count."""
    text = unicodedata.normalize("NFC", text).translate(_QUOTES).translate(_DASHES)
    text = "".join(" " if c.isspace() else c for c in text if unicodedata.category(c) not in ("Cc", "Cf") or c.isspace())
    return unicodedata.normalize("NFC", " ".join(text.casefold().split()))


def words(text: str) -> list[Word]:
    """Words of a plain text in order, without the article 'the'; initials such as 'U.S.' are one word."""
    return [w for w in _all_words(text) if w.forms[0] != "the"]


def _all_words(text: str) -> list[Word]:
    out, position = [], 0
    for initials in [*_INITIALS.finditer(text), None]:
        for m in _WORD.finditer(text, position, initials.start() if initials else len(text)):
            surface = m.group()
            forms = _forms(surface) if len(surface) <= 64 else _forms.__wrapped__(surface)
            if forms[0][-1] == "-" and len(forms[0]) > 1 and re.match(r" [^\W\d_]", text[m.end() : m.end() + 2]):
                forms = (*forms, forms[0][:-1])  # an ion, or a dash behind a word
            out.append(Word(forms, m.start(), m.end()))
        if initials:
            out.append(Word((fold("".join(c for c in initials.group() if c.isalpha())),), initials.start(), initials.end()))
            position = initials.end()
    return out


@lru_cache(maxsize=65_536)
def _forms(surface: str) -> tuple[str, ...]:
    """Comparable forms of one word: of a possessive, with and without it."""
    folded = fold(surface)
    if not re.search(r"\w", surface):
        return (_SIGNS.get(surface, surface),)
    if surface.lstrip("+-")[0] in ".0123456789" or surface.lstrip("+-")[0].isdigit():
        number = folded.rstrip("%")
        sign, number = (number[0], number[1:]) if number[0] in "+-" else ("", number)
        number = number.replace(",", "") if _GROUPED.fullmatch(number) else f"0{number}" if number[0] == "." else number
        return (f"+{number}", number) if sign == "+" else (sign + number,)
    joined = folded.replace("'", "")
    return (joined, folded[:-2]) if folded.endswith("'s") and len(folded) > 3 else (joined,)


def normal(text: str) -> str:
    """Plain folded words, signs and operators with single spaces, without leading articles and without 'the' (unless nothing else is left)."""
    return _normal(text) if len(text) <= 200 else _normal.__wrapped__(text)


@lru_cache(maxsize=65_536)
def _normal(text: str) -> str:
    every = [w.forms[0] for w in _all_words(plain(text))]
    kept = [w for w in every if w != "the"] or every
    first = next((i for i, w in enumerate(kept[:-1]) if w not in ("a", "an") or not kept[i + 1][0].isalnum()), max(len(kept) - 1, 0))
    return " ".join(kept[first:])


def find(body: Sequence[Word], names: Sequence[str]) -> list[tuple[int, int, int]]:
    """Every occurrence of a name (in its normal form) as whole words: (index of the name, start, end), by position, longest first."""
    first: dict[str, list[tuple[int, list[str]]]] = {}
    for k, name in enumerate(names):
        if name:
            parts = name.split(" ")
            first.setdefault(parts[0], []).append((k, parts))
    out = []
    for i, word in enumerate(body):
        for form in word.forms:
            for k, parts in first.get(form, ()):
                run = body[i : i + len(parts)]
                if len(run) == len(parts) and all(p in w.forms for p, w in zip(parts, run, strict=True)):
                    if not (len(parts) == 1 and re.fullmatch(r"[-+]?\d.*|.", parts[0]) and _in_expression(body, i)):
                        out.append((k, word.start, run[-1].end))
    return sorted(set(out), key=lambda o: (o[1], -o[2], o[0]))


def _in_expression(body: Sequence[Word], i: int) -> bool:
    """The number or letter is an operand: '1' in '1/2', 'x' in 'x > 3'; not '5' in '2 + 3 = 5'."""
    beside = [w.forms[0] for w in (*body[max(0, i - 1) : i], *body[i + 1 : i + 2])]
    return any(not re.search(r"\w", form) and form not in ("=", "->", "\u2248") for form in beside)


def sentences(text: str) -> list[Span]:
    """Spans of the sentences of a plain text: ended by . ! ? before a space, or by a line end. Not after an abbreviation or initial."""
    out, start = [], 0
    for stop in _STOP.finditer(text):
        if stop.group()[0] == "." and _ABBREVIATION.search(text[max(start, stop.start() - 6) : stop.start()]):
            following = text[stop.end() : stop.end() + 2].strip()
            if (not following or following.isalpha() or following.isdigit()) and stop.end() < len(text):
                continue
        if text[start : stop.end()].strip():
            out.append(Span(start, stop.end()))
        start = stop.end()
    if text[start:].strip():
        out.append(Span(start, len(text)))
    return out


def without_items(text: str) -> str:
    """List markers ('3.', '-') blanked, so that the number of a line is not read as a number."""
    return blank(_ITEM, text)


def repetitive(text: str) -> bool:
    """Whether one line, or one run of 3, 6 or 12 words, occurs at least five times and makes up half of the text: a loop."""
    least, lines = 5, [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) >= least and max(Counter(lines).values()) >= max(least, len(lines) / 2):
        return True
    tokens = text[-20_000:].split()
    for size in (3, 6, 12):
        runs = Counter(" ".join(tokens[i : i + size]) for i in range(len(tokens) - size + 1))
        if (most := max(runs.values(), default=0)) >= least and most * size >= len(tokens) / 2:
            return True
    return False


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
    rf"(?:answer|response|statement|reply|claim|guess|suggestion)(?: (?:of|that|about)\b| [\[(]?(?-i:[A-Z])[\])]?(?=\W)|,|:){_CLAUSE}"
    rf"|i was (?:wrong|mistaken|incorrect) (?:to say|in saying|about|when i said)\b{_CLAUSE}"
    rf"|my (?:previous|first|earlier|original|initial|prior|last) (?:\w{{1,12}} ){{0,1}}"
    rf"(?:answer|response|statement|reply|claim|guess) was{_CLAUSE})",
    re.I,
)


def blank(pattern: re.Pattern[str], text: str) -> str:
    return pattern.sub(lambda m: " " * len(m.group()), text)


def present_words(text: str) -> str:
    """The plain text without what it only reports: the user's words, other people's opinions, what the model had said before.

    Reported words are replaced by spaces, so that positions in the text stay valid.
    """
    own = text
    for pattern in (_PERHAPS, _BLOCK, _USER, _OTHERS, _MYTH):
        own = blank(pattern, own)
    return _BEFORE.sub(lambda m: m.group() if _STANDS.search(own[max(0, m.start() - 60) : m.start()]) else " " * len(m.group()), own)
