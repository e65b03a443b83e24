"""Text from data, made safe for a terminal, a CSV cell, Markdown or LaTeX. (HTML uses Jinja's autoescape.)"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

# Whole sequences first (ECMA-48: CSI; OSC, DCS, SOS, PM and APC up to their end), so that no parameters are left behind as text.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]"
)
# Also direction marks (UAX 9), the line and paragraph separators, halves of a surrogate pair, which UTF-8 cannot encode, and the two
# noncharacters that XML (an SVG) cannot hold.
_MARKS_AND_HALVES = "\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
_UNSAFE = re.compile(f"[\x00-\x1f\u2028\u2029{_MARKS_AND_HALVES}]")
_UNSAFE_IN_CELL = re.compile(f"[\x00-\x08\x0b-\x1f{_MARKS_AND_HALVES}]")
_MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")


def plain(text: Any) -> str:
    """A text as one line without control sequences, control characters and direction marks."""
    return _UNSAFE.sub(" ", _SEQUENCE.sub("", str(text)))


def one_line(text: Any, most: int = 600) -> str:
    """`plain`, with white space collapsed, at most `most` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= most else line[: most - 3] + "..."


def reason(error: BaseException, most: int = 200) -> str:
    """What an error says, on one line; its class where it says nothing."""
    return one_line(error, most) or type(error).__name__


def few(names: Iterable[str], most: int = 3) -> str:
    """The first names in alphabetical order, and how many more there are."""
    names = sorted(names)
    return ", ".join(name[:120] for name in names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def short(text: Any, most: int = 120) -> str:
    """`plain`; a longer one is cut, and ends with a digest of the whole, so that two that differ stay two."""
    line = plain(text)
    return line if len(line) <= most else f"{line[: most - 11]}...{hashlib.sha256(line.encode()).hexdigest()[:8]}"


def csv_cell(value: Any) -> str:
    """A value for `csv.writer`: None is an empty cell, numbers are left alone, text keeps its tabs and line feeds.

    A spreadsheet reads a leading = + - @, also full-width or after white space, as a formula: such text gets an apostrophe in front.
    """
    if not isinstance(value, str):
        return "" if value is None else f"{value}"
    clean = _UNSAFE_IN_CELL.sub("", _SEQUENCE.sub("", value))
    return "'" + clean if clean[:1] == "\t" or clean.lstrip()[:1] in tuple("=+-@＝＋－＠") else clean


def markdown(text: Any) -> str:
    """Text as itself, on one line, in a Markdown paragraph or table cell."""
    return _MARKS.sub(r"\\\1", plain(text))


# Characters of pdfTeX's T1 and TS1 fonts: Latin-1 and Latin Extended-A with few gaps, and common signs.
_LATEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#", "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}", "'": r"\textquotesingle{}",
    "`": r"\textasciigrave{}", "[": "{[}", "]": "{]}", "*": "{*}", "-": "{-}", ",": "{,}", "?": "{?}", "!": "{!}", "\u00a0": "~",
    "\u2212": "$-$", "\u00b1": r"$\pm$", "\u00d7": r"$\times$", "\u2264": r"$\leq$", "\u2265": r"$\geq$", "\u2260": r"$\neq$", "\u2248": r"$\approx$",
    "\u2192": r"$\rightarrow$", "\u2013": r"\textendash{}", "\u2014": r"\textemdash{}", "\u2018": r"\textquoteleft{}", "\u2019": r"\textquoteright{}",
    "\u201c": r"\textquotedblleft{}", "\u201d": r"\textquotedblright{}", "\u2026": r"\textellipsis{}", "\u2022": r"\textbullet{}", "\u20ac": r"\texteuro{}",
}  # fmt: skip
_NO_GLYPH = "\u00ad\u0126\u0127\u0138\u013f\u0140\u0149\u0166\u0167\u017f"


def latex(text: Any) -> str:
    """Text as itself, on one line, in LaTeX text (T1 fonts): no command, no ligature, no argument of the command before it.

    Letters missing from pdfTeX's fonts are left to XeTeX and LuaTeX; pdfTeX prints their code point in square brackets.
    """
    return "".join(_LATEX.get(c) or _glyph(c) for c in unicodedata.normalize("NFC", plain(text)))


def _glyph(c: str) -> str:
    if c < "\x7f" or "\xa1" <= c <= "\u017f" and c not in _NO_GLYPH:
        return c
    return rf"\ifdefined\Umathchar {c}\else{{[}}U+{ord(c):04X}{{]}}\fi{{}}"
