"""What every part of a study has in common: no unknown key, no truth value for a number, names that are found by their files."""

import difflib
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo, field_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import core_schema


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _check_types(cls, value: Any, info: ValidationInfo) -> Any:
        kinds = _kinds(cls.model_fields[str(info.field_name)].annotation)
        if isinstance(value, bool) and bool not in kinds:
            raise ValueError("is a boolean; write a number or a text")
        if isinstance(value, int) and value.bit_length() > 63:
            raise ValueError(f"a number of {value.bit_length()} bits: must be below 2^63")
        for part in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(part, str) and kinds & {int, float} and str not in kinds:
                raise ValueError(
                    f"{'' if part is value else f'{part!r:.60} '}is text, must be a number; write it plainly, without quotes or underscores: 10, 0.5, 1e-3"
                )
        return value


def _kinds(annotation: Any) -> set[Any]:
    """All types in an annotation."""
    return {annotation, *(kind for inner in get_args(annotation) for kind in _kinds(inner))}


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
