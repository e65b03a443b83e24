"""The surface of a reply: one plain form of its text, its words with their places, its sentences, its loops.

Every pattern here is bounded or plainly linear: a reply is hostile input and may be a megabyte of anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_QUOTES = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛ʼ`´", "'"),
        **dict.fromkeys("“”„‟«»", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2212\ufe63\uff0d", "-"),
        **dict.fromkeys("\u2013\u2014\u2015", ";"),
        **dict.fromkeys("\u2028\u2029\x85\r\x0b\x0c", "\n"),
    }
)
HALF = 50_000
_THOUGHT_END = "</think>"
_LEAKED_TURN = re.compile(r"\n[ \t]{0,8}(?:user|human)[ \t]{0,4}:", re.I)
_STYLED = re.compile(r"\\(?:text|textbf|mathrm|mathbf)\s{0,4}\{([^{}\n]{0,200})\}")
_BOX = re.compile(r"\\boxed\s{0,4}\{([^{}\n]{0,200})\}")
_LINK = re.compile(r"\[([^\[\]\n]{1,200})\]\([^()\s]{1,300}\)")
_TAG = re.compile(r"</?[a-zA-Z][a-zA-Z0-9]{0,10}/?>")
_MARKS = re.compile(r"(?<!\d)\*+|\*+(?!\d)|(?<!\w)_+(?=\w)|(?<=\w)_+(?!\w)|`+|~~|\\[()\[\]]")
_SPACES = re.compile(r"[ \t]+")
_HEADING = re.compile(r"^[ \t]{0,8}#{1,6}[ \t]+", re.M)
_ITEM = re.compile(r"^[ \t]{0,8}(?:\d{1,3}[.)]|[-+•])[ \t]+", re.M)
_INITIALS = re.compile(r"(?<![\w.'])(?:[^\W\d_]\.[ ]?){1,6}(?:(?<=\. )|(?<=\.)(?=\W|$))")
_WORD = re.compile(r"\d+(?:[.,]\d+)*[^\W_]*%?|[^\W_]+(?:'[^\W\d_]+)*")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_ACCENT = re.compile("[\u0300-\u036f]")
_STOP = re.compile(r"[.!?]+[\"')\]]{0,3}(?=\s|$)|\n+")
_ABBREVIATION = re.compile(r"(?:\b(?:mr|mrs|ms|dr|st|jr|sr|vs|prof|no|mt|etc|e\.g|i\.e|[a-z]))$", re.I)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word of a text: its comparable forms (with and without a possessive), and where it stands."""

    forms: tuple[str, ...]
    start: int
    end: int
    possessive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    start: int
    end: int


def plain(text: str) -> str:
    """NFKC without control or invisible characters, one kind of quote, dash and line end, no markdown; only the final reply.

    A reasoning block before '</think>' and a leaked next turn of the user are not part of the reply. Of a reply longer than
    2 * HALF characters the first and the last HALF are read.
    """
    if _THOUGHT_END in text:
        text = text.rsplit(_THOUGHT_END, 1)[1]
    text = _cut(unicodedata.normalize("NFKC", _cut(text).translate(_QUOTES)).translate(_QUOTES))
    if not text.isascii():
        text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Cn"))
    else:
        text = re.sub(r"[\x00-\x08\x0e-\x1f\x7f]", "", text)
    leaked = _LEAKED_TURN.search(text, 1) if text.strip() else None
    if leaked and text[: leaked.start()].strip():
        text = text[: leaked.start()]
    text = _LINK.sub(r"\1", _BOX.sub(r" answer: \1 ", _STYLED.sub(r" \1 ", text)))
    text = _HEADING.sub("", _TAG.sub(" ", text))
    text = _MARKS.sub("", text).replace("&", " and ")
    return _SPACES.sub(" ", text).strip()


def _cut(text: str) -> str:
    return text if len(text) <= 2 * HALF else f"{text[:HALF]}\n{text[-HALF:]}"


def fold(text: str) -> str:
    """Case and Latin accents folded away, for comparing words."""
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFKD", text))).casefold()


def words(text: str) -> list[Word]:
    """Words of a plain text in order; articles 'the' are left out, initials such as 'U.S.' are one word."""
    return [w for w in _all_words(text) if w.forms[0] != "the"]


def _all_words(text: str) -> list[Word]:
    found, position = [], 0
    for initials in [*_INITIALS.finditer(text), None]:
        stop = initials.start() if initials else len(text)
        for m in _WORD.finditer(text, position, stop):
            surface = m.group()
            forms, possessive = _forms(surface) if len(surface) <= 64 else _forms.__wrapped__(surface)
            found.append(Word(forms=forms, start=m.start(), end=m.end(), possessive=possessive))
        if initials:
            joined = "".join(c for c in initials.group() if c.isalpha())
            found.append(Word(forms=(fold(joined),), start=initials.start(), end=initials.end()))
            position = initials.end()
    return found


@lru_cache(maxsize=65_536)
def _forms(surface: str) -> tuple[tuple[str, ...], bool]:
    """(comparable forms, whether it is a possessive) of one word."""
    folded = fold(surface)
    if surface[0].isdigit():
        number = folded.rstrip("%")
        return (number.replace(",", "") if _GROUPED.fullmatch(number) else number,), False
    joined = folded.replace("'", "")
    owner = folded.endswith("'s") and len(folded) > 3
    return (joined, folded[:-2]) if owner else (joined,), owner


def normal(text: str) -> str:
    """Plain folded words with single spaces, without articles at the front and without 'the' (kept where nothing else stands)."""
    return _normal(text) if len(text) <= 200 else _normal.__wrapped__(text)


@lru_cache(maxsize=65_536)
def _normal(text: str) -> str:
    every = [w.forms[0] for w in _all_words(plain(text))]
    kept = [w for w in every if w != "the"] or every
    while len(kept) > 1 and kept[0] in ("a", "an"):
        kept = kept[1:]
    return " ".join(kept)


def mentions(text: str, aliases: Sequence[str]) -> int | None:
    """Place (in characters of the plain text) of the first alias that stands in the text as whole words; None if none does."""
    spans = find(words(plain(text)), [normal(a) for a in aliases])
    return min((start for _, start, _ in spans), default=None)


def find(body: Sequence[Word], names: Sequence[str]) -> list[tuple[int, int, int]]:
    """Every occurrence of a name (in its normal form) as whole words: (name, start, end), places in the text, longest first at a place."""
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
                    out.append((k, word.start, run[-1].end))
    return sorted(set(out), key=lambda o: (o[1], -o[2], o[0]))


def sentences(text: str) -> list[Span]:
    """Spans of the sentences of a plain text: ended by . ! ? before a space, or by a line end. Not after an abbreviation or initial."""
    out, start = [], 0
    for stop in _STOP.finditer(text):
        if stop.group()[0] == "." and _ABBREVIATION.search(text[max(start, stop.start() - 6) : stop.start()]):
            following = text[stop.end() : stop.end() + 2].strip()
            if not following or following.isalpha() or following.isdigit():
                if not (stop.end() >= len(text)):
                    continue
        if text[start : stop.end()].strip():
            out.append(Span(start=start, end=stop.end()))
        start = stop.end()
    if text[start:].strip():
        out.append(Span(start=start, end=len(text)))
    return out


def without_items(text: str) -> str:
    """The marks of lists ('3.', '-') blanked in place, so that a numbered line is no number."""
    return _ITEM.sub(lambda m: " " * len(m.group()), text)


def repetitive(text: str, *, least: int = 5) -> bool:
    """True if one line, or one run of three to twelve words, comes back at least `least` times and fills half of the text: a loop."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    if len(lines) >= least and _top(lines) >= max(least, len(lines) / 2):
        return True
    tokens = text[-20_000:].split()
    for size in (3, 6, 12):
        runs = [" ".join(tokens[i : i + size]) for i in range(max(0, len(tokens) - size + 1))]
        if runs and _top(runs) >= least and _top(runs) * size >= len(tokens) / 2:
            return True
    return False


def _top(values: list[str]) -> int:
    counts: dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return max(counts.values())
