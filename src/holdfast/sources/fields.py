"""What a row must hold, checked: every refusal names file, line and field."""

from __future__ import annotations

import unicodedata
from typing import Any

from holdfast.errors import DataError
from holdfast.sources.rows import Row


def key(text: str) -> str:
    """Normalised text by which overlap is found: NFKC, case folded, letters and digits only."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def text(row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{row['_source']}: {name}: {value!r}: must be text that is not empty")
    return value


def label(row: Row, name: str, count: int) -> int:
    value = row.get(name)
    number = int(value) if isinstance(value, int) or (isinstance(value, str) and value.strip().isdigit()) else -1
    if not 0 <= number < count or isinstance(value, bool):
        raise DataError(f"{row['_source']}: {name}: {value!r}: must be a whole number from 0 to {count - 1}")
    return number


def options(row: Row, name: str, value: Any, low: int = 2) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) < low or not all(isinstance(v, str) for v in value):
        raise DataError(f"{row['_source']}: {name}: must be a list of at least {low} texts")
    return list(value)
