"""Sentences in which every number is a computed value: a template may not hold a digit of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

NAMES = {
    "gsm8k": "GSM8K",
    "mmlu": "MMLU",
    "truthfulqa": "TruthfulQA",
    "hellaswag": "HellaSwag",
    "doubt": "are-you-sure",
    "imitation": "answer",
}
_PLACE = re.compile(r"\{(\w+)(?::(\w+))?\}")


@dataclass(frozen=True, slots=True)
class Sentence:
    """Text, and the values in it by name."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)


def name(key: str) -> str:
    """How a benchmark, axis or adapter is called in a sentence."""
    return NAMES.get(key, key)


def names(keys: Sequence[str]) -> str:
    """The names as a list in words."""
    shown = [name(k) for k in keys]
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else "none"


_FORMATS: dict[str | None, Callable[[Any], str]] = {
    None: lambda value: f"{value:,}" if isinstance(value, int) else str(value),
    "change": "{:+.3f}".format,  # a signed fraction or a correlation
    "rate": "{:.3f}".format,
    "percent": lambda value: f"{100 * value:.0f} %",
    "name": name,
    "names": names,
}


def say(template: str, **values: Any) -> Sentence:
    """Fill a template's places, `{x}` or `{x:FORMAT}`; a value may be a sentence, whose own values are kept. None is "unknown".

    Raises ValueError if the template itself states a number.
    """
    if re.search(r"\d", _PLACE.sub("", template)):
        raise ValueError(f"template states a number of its own: {template!r}")
    texts = {k: v.text if isinstance(v, Sentence) else v for k, v in values.items()}

    def shown(place: re.Match[str]) -> str:
        value = texts[place[1]]
        return "unknown" if value is None else _FORMATS[place[2]](value)

    nested = {k: v for s in values.values() if isinstance(s, Sentence) for k, v in s.values.items()}
    return Sentence(_PLACE.sub(shown, template), {**nested, **texts})
