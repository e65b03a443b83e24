"""A reply as one kind of characters: without its reasoning, NFKC, one kind of sign and mark, LaTeX unwrapped. Every pattern is linear."""

from __future__ import annotations

import re
import unicodedata

HALF = 50_000
_THOUGHT_NAMES = r"(?:think|thinking|thoughts?|reasoning|reason|reflection|scratchpad|analysis|cot|chain_of_thought|inner_monologue|internal|(?:thinking|thought)_process)"
# '<think>', '</seed:think>', '[THINK]', '<|begin_of_thought|>', U+25C1 think U+25B7, and channels of one reply.
_THOUGHT = re.compile(
    rf"(?:[<\uff1c]|&lt;|\u25c1)\|?(?P<end>/?)(?i:[a-z]{{1,12}}:)?(?i:{_THOUGHT_NAMES})(?:\s[^<>\n]{{0,80}})?\s?\|?(?:[>\uff1e]|&gt;|\u25b7)"
    r"|\[(?P<end2>/?)(?:THINK|think|THINKING|THOUGHT|REASONING)\]|<unused9(?:4|(?P<end5>5))>|<\|(?:START|(?P<end6>END))_THINKING\|>"
    r"|<\|(?:begin|start|(?P<end3>end))_of_(?:thought|thinking|reasoning)\|>"
    r"|<\|channel\|>(?:analysis|commentary|(?P<end4>final))[^<\n]{0,80}<\|message\|>"
)
_HINTS = ("think", "thought", "reason", "reflection", "scratchpad", "analysis", "cot", "monologue", "internal", "<unused9", "<|channel|>")
_NUMBERS = {
    **dict.fromkeys("\u2212\ufe63\uff0d\u2010\u2011\u2012\u02d7\u2796", "-"),
    **dict.fromkeys("\u2044\u2215", "/"),
    **dict.fromkeys("\u00b4\u2018\u2019\u02bc", "'"),
    "\u066b": ".", "\u066c": ",", "\u2795": "+", "\u22c5": "\u00b7", "\u2219": "\u00b7",
    **dict.fromkeys("\u2028\u2029\x85\r\x0b\x0c", "\n"),
}  # fmt: skip
_ONE_KIND = str.maketrans(_NUMBERS)
_DASH = re.compile(r"(?<![\w)\]%\u2013-\u2015])[\u2013\u2014\u2015](?=[$\u20ac\u00a3]?\.?\d)|(?<=\d)\u2013(?=\d)")
_COMPATIBLE = re.compile(
    "[\u00b2\u00b3\u00b9\u2070-\u208e\u00bc-\u00be\u2150-\u215f\u2189\u2460-\u249b\u24ea-\u24ff\u2776-\u2793\u3251-\u325f\u32b1-\u32bf]+"
)
_GAP = re.compile(r"(?<=\d)(?:\{\s{0,3}\}|\\!|\\ |\\[,;:]|\{\\[,;: ]\}|\\(?:thinspace|quad|enspace)\b ?|~)(?=\d)")
_STYLED = re.compile(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathit|mathsf|mbox|operatorname|emph|bm|boldsymbol)\s{0,4}\{([^{}\n]{0,200})\}"
)
_NUMERATOR = r"[-+]?\d[\d,.]{0,30}"
_FRAC = re.compile(rf"(?P<sign>[-+]?)\\[dtc]?frac\s?(?:\{{\s?({_NUMERATOR})\s?\}}|(\d))\s?(?:\{{\s?({_NUMERATOR})\s?\}}|(\d))")
_PAREN = re.compile(r"\\(?:left|right|displaystyle|textstyle|limits|big|Big|bigg|Bigg)(?![a-zA-Z])\s?")
_LATEX = {"\\%": "%", "\\$": "$", "\\#": "#", "\\&": "&", "\\_": "_", "{,}": ",", "\\cdot": "\u00b7", "\\times": "\u00d7", "\\div": "\u00f7",
          "\\leq": "\u2264", "\\geq": "\u2265", "\\neq": "\u2260", "\\pi": "\u03c0", "\\pm": "\u00b1", "\\le": "\u2264", "\\ge": "\u2265", "\\ne": "\u2260",
          "\\lt": "<", "\\gt": ">", "\\cup": "\u222a", "\\cap": "\u2229", "\\infty": "\u221e", "\\,": " ", "\\;": " ", "\\:": " ", "\\!": "", "\\ ": " ",
          "\\approx": "\u2248", "\\subset": "\u2282", "\\in": "\u2208", "\\to": "\u2192", "\\rightarrow": "\u2192", "\\quad": " ", "\\circ": "\u00b0", "\\neg": "\u00ac",
          "\\lnot": "\u00ac"}  # fmt: skip
_COMMAND = re.compile("|".join(re.escape(c) + (r"(?![a-zA-Z])" if c[-1].isalpha() else "") for c in sorted(_LATEX, key=len, reverse=True)))
_RAISED = re.compile(r"\^\{([^{}\n]{1,30})\}")
_STATED = re.compile(r"####|\\boxed|\banswer\b|\b(?:rating|score)\b", re.I)
_BOX = re.compile(r"\\(?:boxed|fbox)\s{0,4}(?:\{|([-+]?(?:\d[\d,.]*+|\w)))|[{}]")


def strip_reasoning(text: str) -> str | None:
    """The reply without its reasoning; None if it never leaves it.

    What follows the last closing mark counts; a block whose opening mark the template had written is reasoning too. If nothing follows, what
    stood before the block counts.
    """
    folded = text.casefold()
    marks = list(_THOUGHT.finditer(text)) if any(hint in folded for hint in _HINTS) else []
    if not marks:
        return text
    if not any(marks[-1].groups()):
        return None
    after = text[marks[-1].end() :]
    before = text[: marks[0].start()]
    return after if after.strip() or any(marks[0].groups()) else before


def unify_characters(text: str) -> str:
    """NFKC with ASCII signs and plain LaTeX: '70{,}000' is '70,000', U+2212 is '-', '3' before U+00BD is '3 1/2', a raised 2 after a digit '^2'.

    Of a text longer than 2 * HALF characters, the first and the last HALF are read.
    """
    text = _cut(text).translate(_ONE_KIND)
    if not text.isascii():
        text = _COMPATIBLE.sub(_spelled, _DASH.sub("-", text))
        text = _cut(unicodedata.normalize("NFKC", text).translate(_ONE_KIND))
        text = "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Co", "Cs", "Cn"))
    else:
        text = re.sub(r"[\x00-\x08\x0e-\x1f\x7f]", "", text)
    text = _latex(text) if "\\" in text or "{" in text else text
    return re.sub(r"(?<=[A-Za-z]) ?\^(?=\d|[-+](?!\w))", "", text)  # a raised 2, or the charge of an ion, behind a letter is read so, too


def join_signs(text: str) -> str:
    """'minus 5' and '= - 5' as '-5'."""
    text = re.sub(r"(?<!\d )(?<![\w-])(?:negative|minus) (?=[$\u20ac\u00a3]?\d)", "-", text, flags=re.I)
    return re.sub(r"(?<=[=:(#] )- (?=[$\u20ac\u00a3]?\d)", "-", text)


def hides_an_answer(text: str) -> bool:
    """The text is longer than is read, and what is left out of it has an answer phrase or a box."""
    return len(text) > 2 * HALF and bool(_STATED.search(text, HALF, len(text) - HALF))


def _cut(text: str) -> str:
    return text if len(text) <= 2 * HALF else f"{text[:HALF]}\n{text[-HALF:]}"


def _spelled(match: re.Match[str]) -> str:
    """Raised digits as '^2' behind a digit, fractions and ringed numbers apart from what stands before them."""
    run = match.group()
    folded = unicodedata.normalize("NFKC", run).translate(_ONE_KIND)
    before = match.string[match.start() - 1 : match.start()]
    if not before.isdigit() and before not in (")", "]", "}"):
        return folded
    kind = unicodedata.decomposition(run[0]).partition(" ")[0]
    return f"^{folded}" if kind == "<super>" and folded.strip("+-") else f"_{folded}" if kind == "<sub>" else f" {folded}"


def _latex(text: str) -> str:
    text = _GAP.sub(
        lambda m: "" if "!" in m.group() else " ",
        re.sub(r"\{\.\}(?=\d{3}(?!\d))", ":", text).replace("{.}", ".").replace("{,}", ",").replace(",\\!", ","),
    )
    text = _COMMAND.sub(lambda m: _LATEX[m.group()], _PAREN.sub("", _STYLED.sub(r" \1 ", text)))
    text = _FRAC.sub(_fraction, text)
    return _boxes(_RAISED.sub(r"^\1", text))


def _fraction(match: re.Match[str]) -> str:
    above, below = match[2] or match[3], match[4] or match[5]
    apart = " " if match.string[match.start() - 1 : match.start()].isdigit() and not match["sign"] else ""
    return f"{apart}{match['sign']}{above}/{below} "


def _boxes(text: str) -> str:
    """Boxes as ' boxed answer: ... ' on a line of their own; of nested ones the inner one too. A box that never closes is left as it is."""
    if "box" not in text:
        return text
    out, last, open_ = [], 0, []
    for mark in _BOX.finditer(text):
        inside = open_.pop() if mark.group() == "}" and open_ else None
        if mark.group() == "{":
            open_.append(None)
        elif mark.group().startswith("\\"):
            if mark[1]:
                out += [text[last : mark.start()], f" boxed answer: {mark[1]} "]
                last = mark.end()
            else:
                open_.append((len(out), mark.start(), mark.end()))
                out += [text[last : mark.start()], text[mark.start() : mark.end()]]
                last = mark.end()
        elif inside:
            out[inside[0] + 1] = " boxed answer: "
            out += [text[last : mark.start()], " "]
            last = mark.end()
    return "".join([*out, text[last:]])
