"""One written number: digits with marks, signs, fractions, scales and units, or English words; and every number of a text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Context, Decimal
from typing import NamedTuple

from holdfast.parsing.surface import join_signs, unify_characters

MONEY = "$€£¥₹₽₩₺₴¢"
_RUN = r"\d++(?:[.,:'_]\d++)*+"
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ENDLESS = r"\.?\\(?:overline|bar|dot) ?\{?\d++|\.\(\d++\)|[\u0304\u0305\u0307]|(?:(?<=\.\d)|(?<=\.\d\d)|(?<=\.\d{3}))\(\d"
_REMAINDER = r",? ?\(?(?:(?:with|and|leaving) (?:a )?)?(?:r\.?|rem\.?|remainder)(?: of|:| is| ?=)? ?\d++"
_MEASURE = (
    r"(?:(?:hour|hr|minute|min|second|sec|day|week|month|year|yr|yard|yd|mile|kilomet(?:er|re)|met(?:er|re)|gram|kilogram|ton|pound|lb|ounce|gallon|quart|pint"
    r"|cup|tablespoon|teaspoon|lit(?:er|re)|dollar|cent|euro|degree)s?|h|m|s|ft|feet|foot|inch(?:es)?|mi|km|cm|mm|kg|g|oz|gal|qt|ml|tbsp|tsp|l)(?![a-z])\.?"
)
# '5 feet 6 inches', '2 h 30', '3 days, 4 hours', '2 and a half'.
_COMPOUND = (
    rf" ?{_MEASURE}(?:(?:,? and|,)? \d[\d.,/]{{0,9}} ?(?:{_MEASURE}|in\b)| \d++)|(?:h|ft)\d++|' ?\d++"
    r"|(?: [^\W\d_]{1,12})? and (?:a|an|one|two|three)[ -](?:half|halves|third|quarter|fourth|fifth|tenth)s?\b"
)
# A sign counts only where it cannot be a hyphen or a minus between two numbers; digits inside a word are not a number.
_NUMBER = re.compile(
    rf"(?:(?P<root>(?:sqrt|√) ?[({{]? ?|(?:[±∓]|\+ ?/ ?-|-/\+|\+-|\bplus ?(?:/|or) ?(?:minus)?) ?)|(?<![\w^/])(?<!\d\.))"
    rf"(?P<sign>(?<![)\]%])[-+](?=[{MONEY}]?[ ]?\.?\d))?(?:[{MONEY}][ ]?)?"
    rf"(?P<sign2>(?<=[{MONEY} ])[-+](?=\.?\d))?(?P<run>(?<!\d )\d{{1,3}}+(?: \d{{3}})++(?! ?\d|[,:'_]\d)(?:\.\d++)?|{_RUN}|(?<![\w.])\.\d++)"
    rf"(?:[eE](?P<e>[-+]?\d{{1,3}})(?!\w))?(?P<mixed> (?:and )?\d{{1,9}} ?/ ?\d{{1,9}}(?![\d/]))?(?P<over>(?: ?/ ?{_RUN})++)?"
    r"(?: ?[x×*·] ?10\^(?P<ten>[-+]?\d{1,3}))?(?:\^(?P<power>[-+]?\d{1,3}))?"
    rf"(?: ?(?P<scale>{'|'.join(_SCALES)})\b|(?P<k>[kK])(?!\w))?(?P<part> ?(?:π|pi\b|√|\\?sqrt|\\log|\\ln|!(?= ?=))|{_ENDLESS}|{_REMAINDER}|{_COMPOUND})?",
    re.I,
)
_WELL_FORMED = re.compile(r"(?:\d+|[1-9]\d{0,2}(?:(?:,\d{3})+|(?:'\d{3})+|(?:_\d{3})+|(?: \d{3})+)|[1-9]\d?(?:,\d\d)+,\d{3})?(?:\.\d+)?")
_MARK = re.compile(r"[,' _]")
_EXACT = Context(prec=2000, Emax=10**6, Emin=-(10**6))
_LONGEST = 400
_UNIT = re.compile(
    r"(?!.*\b(?:and|or|to|half|halves|thirds?|quarters?|plus|minus|times|dozens?|point|over|mod)\b)"
    rf" ?(?:[%°]|[{MONEY}])? ?(?:[^\W\d_]++[\d^]{{0,2}}(?:[ /·-](?=[^\W\d_]))?)*+",
    re.I,
)
# What follows a number and makes another of it: '2.5M', '5 bn', '3 k', '5 tenths', '4 squared', '5x', '0x10', '0.333...'.
_SCALED = re.compile(
    r" ?(?:[kKMBxX](?![a-z&]| and [A-Z])|[xX]\d|\.\.|…|(?i:mil|mln|mn|bn|bln|tn|(?:hundred|thousand|million|billion|trillion|lakh|crore|dozen)s?"
    r"|halves|thirds|quarters|fourths|fifths?|sixths?|sevenths?|eighths?|ninths?|tenths?|hundredths?|thousandths?|millionths?|squared|cubed)\b)"
)
_ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_SMALL = {w: i for i, w in enumerate(_ONES.split())}
_TENS = {w: 10 * i for i, w in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)}
_SCALE_WORDS = {w: n for w, n in _SCALES.items() if w != "trillion"}
_NAMES = "|".join([*_SMALL, *_TENS, *_SCALE_WORDS])
SPELLED = re.compile(rf"\b(?:(?:minus|negative) )?(?:{_NAMES})(?:[ -](?:and )?(?:{_NAMES})){{0,12}}\b", re.I)


class Found(NamedTuple):
    """One number of a text; value None: digits that are no single number, such as '12,5', '3:45' or '2π'."""

    value: Decimal | None
    start: int
    end: int


def gold_number(text: str) -> Decimal:
    """The exact number that a truth states: '1,234', '$5', '-3.50', '1e3', '3/4', '3 1/2', '12%', '6000 nails', 'forty-two'.

    Raises ValueError with the rule for anything that could be read in two ways, such as '12,5', '3-4' or '5 or 6'.
    """
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    body = join_signs(unify_characters(text).replace("boxed answer:", " ")).strip()
    if body[:1] == body[-1:] == "$" and len(body) > 2:
        body = body[1:-1].strip()
    if (words := in_words(body)) is not None:
        return words
    match = _NUMBER.search(body)
    code = body[: match.start()] if match else ""
    if match is None or not re.fullmatch(r"(?:[A-Z]{3}|US\$?) ?", code) and code:
        raise ValueError("must be a number, such as 42 or '1,234.5'")
    value = _value(match)
    if value is None:
        raise ValueError("must be one number; use commas for thousands and a point for decimals")
    rest = body[match.end() :]
    if _SCALED.match(rest):
        raise ValueError("must be one number; write its scale out in digits")
    if not _UNIT.fullmatch(rest.rstrip(". ")):
        raise ValueError("must be one number with no more than a unit after it")
    return value


def number(text: str) -> Decimal | None:
    """As `gold_number`; None if it is not a number."""
    try:
        return gold_number(text)
    except ValueError:
        return None


def numbers(text: str, start: int = 0) -> Iterator[Found]:
    """Every number of a text of one kind of characters from `start` on, in order."""
    for match in _NUMBER.finditer(text, start):
        scaled = _SCALED.match(text, match.end()) and (text[match.end()] != "." or "." in match["run"])
        yield Found(None if scaled else _value(match), match.start(), match.end())


def _value(match: re.Match[str]) -> Decimal | None:
    run = match["run"]
    over = [part.strip() for part in (match["over"] or "").split("/")[1:]]
    if match["root"] or match["part"] or len(run) > _LONGEST or len(over) > 1 or not all(map(_WELL_FORMED.fullmatch, (run, *over))):
        return None
    try:
        value = Decimal(f"{_MARK.sub('', run)}e{match['e'] or 0}")
        if match["mixed"]:
            above, below = map(int, match["mixed"].removeprefix(" and").split("/"))
            if over or value != value.to_integral_value() or above >= below:
                return None
            value = _EXACT.add(_EXACT.multiply(value, Decimal(below)), Decimal(above)) / below
        for part in over:
            value /= Decimal(_MARK.sub("", part))
        if match["power"]:
            value = _EXACT.power(value, int(match["power"]))
        scale = _SCALES.get((match["scale"] or "").lower(), 1000 if match["k"] else 1)
        value = _EXACT.multiply(_EXACT.scaleb(value, int(match["ten"] or 0)), Decimal(scale))
    except (ArithmeticError, ValueError):
        return None
    return value.copy_negate() if "-" in (match["sign"], match["sign2"]) else value


def in_words(text: str) -> Decimal | None:
    """A number in English words ('twenty-one', 'one hundred and five', 'three million'), and nothing else; None otherwise."""
    text = text.strip().casefold()[:200]
    sign = re.match(r"(?:minus|negative)\b(?!-)|[-+] ?(?![-+])", text)
    parts = [p for p in re.split(r"[\s-]+", text[sign.end() :] if sign else text) if p != "and"]
    if sign and not parts[0]:
        parts = parts[1:]
    if not parts or not all(parts):
        return None
    total = current = 0
    for before, part in zip(["", *parts], parts, strict=False):
        if (
            part in _SMALL
            and (before in _SMALL or before in _TENS and not 0 < _SMALL[part] < 10)
            or part in _TENS
            and (before in _SMALL or before in _TENS)
        ):
            return None  # 'one two', 'twenty twelve'
        if part in _SMALL or part in _TENS:
            current += _SMALL.get(part, _TENS.get(part, 0))
        elif part in _SCALE_WORDS:
            current = max(current, 1) * _SCALE_WORDS[part]
            if part != "hundred":
                total, current = total + current, 0
        else:
            return None
    return Decimal(-total - current if sign and sign[0][0] != "+" else total + current)
