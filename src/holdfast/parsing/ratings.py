"""A rating on a scale of whole numbers: '4', 'Rating: 4/5', 'four out of five', four stars. 3.5, '3 or 4' and another scale are none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from holdfast.parsing.numerals import numbers
from holdfast.parsing.stance import TAKEN_BACK, gives_up
from holdfast.parsing.surface import hides_an_answer
from holdfast.parsing.text import blank, plain

_WORDS: Sequence[str] = "zero one two three four five six seven eight nine ten".split()
_NAMED = "|".join(_WORDS)
_SPELLED = re.compile(
    rf"^\W{{0,4}}({_NAMED})(?=\W{{0,4}}$)|\b({_NAMED})(?= (?:out of|stars?\b|points?\b|of (?:{_NAMED}|\d)))|\bout of ({_NAMED})\b"
    rf"|(?:\b(?:rating|score|grade|rate|give|gives|deserves|earns|say)(?: (?:of|is|it|this|the argument|as|at|a|an)){{0,3}}|:) ?\"?({_NAMED})\b"
    rf"(?! of\b| more\b| thumbs?\b| (?:reason|point|thing|argument))",
    re.I,
)
_SCALE = re.compile(
    r"\d ?\([^()\n]{1,40}\)\W{0,5}(?:to\W{0,3})?\d ?\([^()\n]{1,40}\)"
    r"|\b(?:on )?(?:an? |the )?(?:scale|range) (?:of |from |is |goes |going |running )*\(?\d+ ?(?:\([^()\n]{0,40}\) ?)?(?:to|through|-|;) ?\d+"
    r"|\b(?:on|in|using) (?:an? |the )?\d+ ?(?:to|-|;) ?\d+ (?:rating )?scale|\bfrom \d+ (?:\([^()\n]{0,40}\) ?)?to \d+|[\[(]\d+ ?(?:-|;|to) ?\d+[\])]|^\d ?(?:-|;|to) ?\d+(?=:)"
    r"|\b\d+ (?:being|means|meaning|stands for|= ?[a-z])[^.,;\n()]{0,40}",
    re.I,
)
_OUT_OF = re.compile(
    r"(?<=[\d)])\W{0,3}(?:out )?(?:of|/)\W{0,3}(?:an? )?(?:(?:possible|maximum|total|max|perfect)(?: of)? )*(\d+)(?:\.0+)?(?!\d|\.\d)|\bout of (?:an? )?(?:possible )?(\d+)",
    re.I,
)
_DENIED = re.compile(r"(?:\b(?:not|never|cannot|rather than|instead of|neither|nor)|n't)\b(?: [a-z]{1,12}){0,4} \d+(?:\.\d+)?", re.I)
_HEDGED = re.compile(
    r"(?:\b(?:at least|at most|(?:more|less|lower|higher|better|worse) than|under|over|above|below|almost|nearly|close to|short of|between|up to)|[<>~\u2248\u2264\u2265])"
    r" ?(?:an? |the )?\d|\d ?\(?(?:,? ?(?:or|to|and|then|vs\.?|maybe|perhaps)|[-;/,~&\u00b1\n]|->|\u2192|\.\.) ?(?:an? |maybe |perhaps )?\d"
    rf"|\d (?:or|to) (?:{_NAMED})\b|\u00b1"
    r"|\d(?:\+(?!\d)|-(?=\W*$)|-?ish\b| ?%| percent\b| (?:minus|plus|point)\b|,? (?:or )?(?:maybe|perhaps|possibly|even) (?:an? )?\d"
    r"| or (?:more|less|higher|lower|above|below|so)\b| and a half\b)",
    re.I,
)
_ITEM = re.compile(r"^[ \t]{0,8}\(?(\d{1,3})[.)](?=[ \t]+\S)", re.M)
_LABEL = re.compile(
    r"\b(?:(?P<all>overall|final|total)\b(?: (?:rating|score|grade|verdict|answer|evaluation)\b)?|(?:rating|score|grade|verdict|answer|evaluation)\b)[\"']?"
    r"(?: (?:for|of) (?:\w{1,12} ){1,3}?)?\s{0,2}(?:[:=|]|is|would be|as|of|-)?[\s\"'(:]{0,6}(?:an? )?(?=\d)",
    re.I,
)
_GIVES = re.compile(
    r"\b(?:rate|rated|give|gave|gives|giving|score|grade|deserves|earns|merits|assign)\b(?:[^.\n\d?!]|(?<=\w)\.(?=\w)){0,60}?(?=\d)", re.I
)
# '4th', '4x', 'v4': no ratings; '4stars' and '4pts' are.
_ATTACHED = re.compile(r"(?<![\d.])\d++(?!stars?|points?|pts|out)[a-z]\w*", re.I)
_OPENS = re.compile(
    r"[\s\"'(\[:]{0,6}(?=\d+(?:\.\d+)?(?:[\s\"')\]]{0,4}(?:$|\n|[.,:;!(\[]|- )| (?:stars?|points?|because|since|as|for|-)\b))"
)
# Numbers that name or count something else: 'argument 2', '3 main problems', '2 more details', 'two thumbs up'.
_OTHER = re.compile(
    rf"(?<!this )(?<!the )(?<!that )(?<!your )\b(?:argument|essay|response|text|version|passage|poem|candidate|number|step|paragraph|example|part"
    r"|criterion|no\.) ?#?\d{1,3}\b(?! ?(?:/|out of|stars?\b))"
    rf"|\b(?:\d{{1,3}}|{_NAMED}) (?:(?:main|more|other|additional|major|minor|key|big|small|good|strong|weak|serious|clear|further|different|separate) )?"
    r"(?!stars\b|points\b(?! (?:that|which|in|about|of|where|to))|pts\b|plus\b|perhaps\b|overall\b|this\b|yes\b|as\b|is\b|was\b|because\b)[a-z]{3,20}(?<!s)s\b",
    re.I,
)
_EDITED = re.compile(r"\b(?:edit(?:ed)?|update[d]?|revision|revised|correction)\b\W{0,3}(?:to )?\d", re.I)
_BUT = re.compile(r"\b(?:but|however|yet|although|though)\b", re.I)
_STARS = re.compile("[\u2605\u2b50\U0001f31f]+")
_IF = re.compile(r"\b(?:if|unless|had it|would have|could have|were it)\b", re.I)


def read_rating(reply: str, scale: Sequence[int]) -> int | None:
    """The rating that a reply gives, one of `scale`: behind a label, at its start, or the only number; None if it gives none or several.

    Mentions of the scale ('out of 5', 'from 1 to 5'), list markers, denied numbers and all before a retraction do not count.
    """
    if hides_an_answer(reply):
        return None
    text = re.sub("[\ufe0f\u20e3]", "", plain(reply))
    stars = {len(m.group()) for m in _STARS.finditer(text)}
    text = _SPELLED.sub(lambda m: m.group().replace(w := next(g for g in m.groups() if g), str(_WORDS.index(w.lower()))), text)
    text = blank(_OTHER, blank(_SCALE, blank(_ATTACHED, text)))
    scored = set(re.findall(r"(?<!\d)(\d{1,9})\s{0,3}/\s{0,3}\d", text))
    other = [n for m in _OUT_OF.finditer(text) if int(n := m[1] or m[2]) != max(scale) or len(n) > 4]
    text = blank(_DENIED, blank(_OUT_OF, _without_items(text)))
    for back in reversed(list(TAKEN_BACK.finditer(text))):
        if re.search(r"\d", text[back.end() :]) or not re.search(r"\d", text[: back.start()]):
            text = text[back.end() :]
            break
        if gives_up(text[back.start() :]):
            return None
    found = {f.value for f in numbers(text)}
    stars = stars if len(stars) > 1 or stars != {1} or not found else set()  # '4 \u2b50': a unit
    if len(stars) > 1 or (stars and found and found != {Decimal(n) for n in stars}):
        return None
    if stars and not found:
        found, text = {Decimal(n) for n in stars}, ""
    if other or (found and (_HEDGED.search(text) or len(found) > 1 and _EDITED.search(text))):
        return None
    labelled = [(m, next(numbers(text[m.end() : m.end() + 40])).value) for m in _LABEL.finditer(text)]
    if not labelled and len(scored) > 1:
        return None
    best = {v for m, v in labelled if m["all"]} or {v for _, v in labelled}
    if not best:
        best = {
            next(numbers(text[m.end() : m.end() + 40])).value for m in _GIVES.finditer(text) if not _IF.search(_sentence(text, m.start()))
        }
        if (
            len(found) > 1
            and (turn := _BUT.search(text))
            and re.search(r"\d", text[: turn.start()])
            and re.search(r"\d", text[turn.end() :])
        ):
            return None
    if opens := _OPENS.match(text):
        best = best | {next(numbers(text[opens.end() : opens.end() + 40])).value}
    value = next(iter(best or found)) if len(best or found) == 1 else None
    return next((n for n in scale if value == n), None)


def _without_items(text: str) -> str:
    """List markers blanked where they count up from 1; a single '4. ...' is a rating."""
    marks = list(_ITEM.finditer(text))
    listed, step = [], 1
    for m in marks:
        if int(m[1]) == step or (int(m[1]) == 1 and step > 2):
            step = int(m[1]) + 1
            listed.append(m)
    if len(listed) < 2:
        listed = listed if listed and listed[0].start() > 0 else []
    spans = {m.start() for m in listed}
    return _ITEM.sub(lambda m: " " * len(m.group()) if m.start() in spans else m.group(), text)


def _sentence(text: str, at: int) -> str:
    start = max(text.rfind(stop, max(0, at - 200), at) for stop in (". ", "\n", "! ", "? "))
    return re.split(r"[.!?]\s|\n", text[max(start, at - 200, 0) : at + 200].lstrip(".!? \n"))[0]
