"""What every part of a study has in common: no unknown key, no truth value for a number, names that are found by their files."""

import difflib
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
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


def near(word: str, names: Sequence[str]) -> str:
    """`; did you mean ...?` with the nearest name, if one is near."""
    matches = difflib.get_close_matches(word[:100], names, 1)
    return f"; did you mean {matches[0]!r}?" if matches else ""


def offer(word: str, names: Sequence[str]) -> str:
    """`near`, then all names."""
    return f"{near(word, names)}; available: {', '.join(names)}"


def names_of_files(*folders: str, suffix: str = ".py") -> list[str]:
    """Names of the files in folders of the package, read from the file system: nothing is imported."""
    files = [p.name for folder in folders for p in resources.files("holdfast").joinpath(*folder.split("/")).iterdir()]
    return sorted({name.removesuffix(suffix) for name in files if name.endswith(suffix) and not name.startswith("_")})


class OneOf:
    """An annotation for text that must be one of the names that `names` returns when it is checked."""

    def __init__(self, names: Callable[[], list[str]]):
        self.names = names

    def check(self, value: str) -> str:
        names = self.names()
        if value not in names:
            raise ValueError(f"unknown{offer(value, names)}")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, core_schema.str_schema(strict=True))

    def __get_pydantic_json_schema__(self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "enum": self.names()}
