"""Frozen records whose unknown numbers are None, and their canonical JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


def _finite(value: Any) -> Any:
    """Convert a number to Python's own; None for nan and infinity."""
    if value is None or isinstance(value, (bool, str)):
        return value
    return float(value) if math.isfinite(value) else None


Number = Annotated[float | None, BeforeValidator(_finite)]


def number(value: float | None) -> float:
    """For arithmetic: an unknown number as nan."""
    return math.nan if value is None else value


class Record(BaseModel):
    """A frozen record. Only the fields that were given are written, so that a record of a part stays a part."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


def _jsonable(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return _jsonable(value.model_dump(exclude_unset=True, by_alias=True))
    if isinstance(value, dict):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(v) for v in value]
    if value is None or isinstance(value, (bool, str, int)):
        return value
    if hasattr(value, "item"):  # numpy's scalars
        return _jsonable(value.item())
    return float(f"{float(value):.12g}") if math.isfinite(value) else None


def canonical_json(value: Record | Sequence[Record] | Sequence[Any] | dict[str, Any]) -> bytes:
    """Canonical bytes: sorted keys, 12 significant digits, unknown as null; of a record only the fields that were given."""
    return (json.dumps(_jsonable(value), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
