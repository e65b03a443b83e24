"""Text from data on its way out: to a terminal, into a CSV cell, into Markdown. (Into HTML it goes through Jinja's autoescape.)"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

# Whole sequences first (ECMA-48: CSI; OSC, DCS, SOS, PM and APC up to their end), so that none leaves its parameters behind as text.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)|\x1b[ -/]*[0-~]"
)
# Also what turns the direction of writing (UAX 9), the line and paragraph separators, and halves of a surrogate pair, which no UTF-8 holds.
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_IN_CELL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")


def plain(text: Any) -> str:
    """One line that moves no cursor, sets no colour or title, and runs in the direction it is written."""
    return _UNSAFE.sub(" ", _SEQUENCE.sub("", str(text)))


def one_line(text: Any, most: int = 600) -> str:
    """`plain`, white space run together, at most `most` characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= most else line[: most - 3] + "..."


def csv_cell(value: Any) -> str:
    """A value for `csv.writer`: None is an empty cell, numbers are left alone, text keeps its tabs and line feeds.

    A spreadsheet takes a leading = + - @, also in full width or after white space, for a formula: such text is led by an apostrophe.
    """
    if not isinstance(value, str):
        return "" if value is None else f"{value}"
    clean = _IN_CELL.sub("", _SEQUENCE.sub("", value))
    return "'" + clean if clean[:1] == "\t" or clean.lstrip()[:1] in tuple("=+-@＝＋－＠") else clean


def markdown(text: Any) -> str:
    """Text as itself, on one line, in a Markdown paragraph or table cell."""
    return _MARKS.sub(r"\\\1", plain(text))


# What pdfTeX's T1 and TS1 fonts have of Unicode: Latin-1 and Latin Extended-A with few gaps, and what stands in text beside them.
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
    """Text as itself, on one line, in LaTeX text (T1 fonts): no command, no ligature, no argument of what stands before it.

    A letter that pdfTeX's fonts lack is left to XeTeX and LuaTeX; pdfTeX prints its code point in square brackets.
    """
    return "".join(
        _LATEX.get(c) or (c if c < "\x7f" or "\xa1" <= c <= "\u017f" and c not in _NO_GLYPH else _coded(c)) for c in _composed(plain(text))
    )


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _coded(c: str) -> str:
    return rf"\ifdefined\Umathchar {c}\else{{[}}U+{ord(c):04X}{{]}}\fi{{}}"
