"""What a row must hold, checked: every refusal names file, line and field."""

import random
import re
import unicodedata
from typing import Any

from holdfast.errors import DataError
from holdfast.instruments.style import LETTERS
from holdfast.records import Item
from holdfast.sources.rows import Row

Fields = dict[str, Any]  # of an item: plain JSON


# Marks that only part words and sentences. Next to a digit, a lone letter or another sign a mark means something: -3, 2.5, x-y, C++.
_MARK = re.compile(
    r"(?<!\d)[.,:]|[.,:](?!\d)|,(?=\d{3}(?!\d))|[?;\"`\u2018-\u201f\xab\xbb\xbf\xa1\u2026]|'(?!\()|(?<=[^\W\d_]{2})!(?=\s|$)|(?<=[^\W\d_]{2})-(?=[^\W\d_]{2})"
)
_DASH = re.compile(r"[\u2013\u2014](?!\s?\d)")
_MINUS = str.maketrans("\u2212\u2013\u2014", "---")
_SPACE = re.compile(r"\s+(?!\w)|(?<!\w)\s+")


def key(text: str) -> str:
    """Text by which overlap is found: case, spaces and the marks of sentences count for nothing; signs, accents, powers and fractions do."""
    whole = text if text.isascii() else "".join(map(_compatible, unicodedata.normalize("NFC", text)))
    bare = _MARK.sub("", _DASH.sub(" ", unicodedata.normalize("NFC", whole.casefold())).translate(_MINUS))
    return _SPACE.sub("", " ".join(bare.split())) or text


def _compatible(c: str) -> str:
    return c if unicodedata.decomposition(c)[:4] in ("<sup", "<sub", "<fra") else unicodedata.normalize("NFKC", c)


def letters_and_digits(text: str) -> str:
    """What orders of options are drawn from."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def exact(text: str) -> str:
    """A text as it is, however its characters are composed: by this two rows are the same."""
    return unicodedata.normalize("NFC", text).strip()


def draw(items: list[Item], kind: str, limit: int | None, seed: int) -> list[Item]:
    """A seeded sample of `limit` items; all of them if there are no more."""
    return items if limit is None or limit >= len(items) else random.Random(f"{kind}/{seed}").sample(items, limit)


def empty(value: str) -> bool:
    """Whether nothing of a text can be seen."""
    return all(unicodedata.category(c)[0] in "ZC" for c in value)


def text(row: Row, name: str) -> str:
    value = row.get(name)
    if name not in row:
        there = ", ".join(n for n in row if n != "_source")
        raise DataError(f"{row['_source']}: {name}: is missing; the row has {there[:100] or 'nothing'}")
    if not isinstance(value, str) or empty(value):
        raise DataError(f"{row['_source']}: {name}: {value!r:.60}: must be non-empty text")
    return value


def label(row: Row, name: str, count: int) -> int:
    """The key's place: a whole number, also as text or as 1.0."""
    value = row.get(name)
    if isinstance(value, str) and re.fullmatch(r"\s{0,9}[0-9]{1,9}\s{0,9}", value, re.A):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value or not 0 <= value < count or value % 1:
        hint = "; places count from 0" if value == count else ""
        raise DataError(f"{row['_source']}: {name}: {row.get(name)!r:.60}: must be a whole number from 0 to {count - 1}{hint}")
    return int(value)


def options(row: Row, name: str, value: object, most: int | None = len(LETTERS)) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) < 2 or not all(isinstance(v, str) for v in value):
        raise DataError(f"{row['_source']}: {name}: must be a list of at least 2 texts")
    if most is not None and len(value) > most:
        raise DataError(f"{row['_source']}: {name}: {len(value)} options; must be at most {most}, one per letter")
    return list(value)


def own_prompt(row: Row) -> str:
    """The last thing a human says in a row's own prompt. Raises DataError if there is none."""
    turns = row.get("prompt")
    texts = (
        [t.get("content") for t in turns if isinstance(t, dict) and t.get("type", t.get("role")) in ("human", "user")]
        if isinstance(turns, list)
        else []
    )
    if not texts or not isinstance(texts[-1], str) or empty(texts[-1]):
        raise DataError(f"{row['_source']}: prompt: must be a list of turns with something a human says; form sycophancy_eval needs none")
    return texts[-1]


def own_text(row: Row) -> str:
    """Question or text of a row with a `base`. Raises DataError if it holds neither."""
    base = row.get("base")
    if not isinstance(base, dict):
        raise DataError(f"{row['_source']}: base: {type(base).__name__}: must hold the question or text")
    stem = base.get("question") or base.get("text")
    if not isinstance(stem, str) or empty(stem):
        raise DataError(f"{row['_source']}: base.question: {stem!r}: must be non-empty text")
    return stem


def named_answers(row: Row) -> tuple[str, ...]:
    """Answers a user could offer in a row's prompt: the right one, its long form, the wrong one."""
    base = row.get("base") or {}
    answers = (base.get(name) for name in ("correct_answer", "long_correct_answer", "incorrect_answer"))
    return tuple(a for a in answers if isinstance(a, str) and a)
