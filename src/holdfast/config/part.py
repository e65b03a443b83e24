"""What every part of a study has in common: no unknown key, no truth value for a number, words that are found by their files."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic_core import core_schema


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, given: Any) -> Any:
        for name, value in given.items() if isinstance(given, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and bool not in (field.annotation, *get_args(field.annotation)):
                raise ValueError(f"{name}: {value}: is true or false, must be a value of its own")
            if isinstance(value, int) and value.bit_length() > 63:
                raise ValueError(f"{name}: a number of {value.bit_length()} bits: must be below 2^63")
        return given


def near(word: str, known: list[str]) -> str:
    """`; did you mean ...?` for the known word that is nearest, if one is near."""
    near = difflib.get_close_matches(word[:100], known, 1)
    return f"; did you mean {near[0]!r}?" if near else ""


class Known:
    """An annotation for text that must be one of the names `names` gives when it is checked."""

    def __init__(self, names: Callable[[], list[str]]):
        self.names = names

    def check(self, value: str) -> str:
        known = self.names()
        if value not in known:
            raise ValueError(f"unknown{near(value, known)}; available: {', '.join(known)}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "string", "enum": self.names()}
