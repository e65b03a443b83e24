"""Sentences whose every number is a computed value: a template may not hold a digit of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

NAMES = {
    "gsm8k": "GSM8K",
    "mmlu": "MMLU",
    "truthfulqa": "TruthfulQA",
    "hellaswag": "HellaSwag",
    "combined": "combined",
    "base": "base",
    "feedback": "feedback",
    "doubt": "are-you-sure",
    "imitation": "answer",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A value and how it is printed."""

    value: Any
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """Text, and the values in it by name."""

    text: str
    values: dict[str, Any] = field(default_factory=dict)


def change(value: float | None) -> Shown:
    """A signed fraction or correlation, three decimals."""
    return Shown(value, "unknown" if value is None else f"{value:+.3f}")


def rate(value: float | None) -> Shown:
    """A fraction, three decimals."""
    return Shown(value, "unknown" if value is None else f"{value:.3f}")


def count(value: int | None) -> Shown:
    return Shown(value, "unknown" if value is None else f"{value:,}")


def percent(value: float) -> Shown:
    return Shown(value, f"{100 * value:.0f} %")


def name(key: str) -> Shown:
    return Shown(key, NAMES.get(key, key))


def names(keys: list[str] | tuple[str, ...]) -> Shown:
    shown = [NAMES.get(k, k) for k in keys]
    return Shown(list(keys), " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]])) if shown else "none")


def plain(value: Any) -> Shown:
    """Text taken from a file."""
    return Shown(value, str(value))


def say(template: str, **values: Shown) -> Sentence:
    """Fill a template. Raises ValueError if the template itself states a number."""
    if re.search(r"\d", re.sub(r"\{\w+\}", "", template)):
        raise ValueError(f"template states a number of its own: {template!r}")
    return Sentence(template.format(**{k: v.text for k, v in values.items()}), {k: v.value for k, v in values.items()})
