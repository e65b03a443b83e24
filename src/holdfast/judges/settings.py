"""What decides a judge's verdicts, and how its server is asked."""

from __future__ import annotations

from typing import Any, Literal, get_args

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, field_validator

from holdfast.config import ServerConfig
from holdfast.config.address import server_url
from holdfast.errors import ConfigError

Kind = Literal["feedback", "short_answer"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LABELS = {"feedback": ("more_positive", "less_positive", "tie"), "short_answer": ("CORRECT", "INCORRECT", "RETRACTED", "UNCLEAR")}


class JudgeSettings(ServerConfig):
    """A judge behind any server that speaks OpenAI's chat completions, asked at temperature 0.

    `model`, `seed` and `max_tokens` belong to a reply's identity; the rest says how the server is asked and what is believed.
    """

    base_url: str = Field(description="Server, for example http://127.0.0.1:8000/v1; without a path, /v1 is added.")
    model: str = Field(min_length=1, description="Model name the server knows.")
    seed: NonNegativeInt = 0
    max_tokens: PositiveInt = Field(256, description="New tokens of one reply; raise it for a judge that thinks aloud first.")
    min_kappa: float = Field(0.6, gt=-1, le=1, description="Cohen's kappa with the labels below which no verdict is used.")
    min_labels: PositiveInt = Field(30, description="Clusters of labelled rows below which agreement counts as unknown.")
    level: float = Field(0.95, gt=0.5, lt=1, description="Confidence level of kappa's interval.")
    min_coverage: float = Field(0.95, ge=0, le=1, description="Share of rows with a verdict below which rates are bounds only.")

    @field_validator("base_url")
    @classmethod
    def _is_a_server(cls, value: str) -> str:
        return server_url(value)


def judge_settings(**values: Any) -> JudgeSettings:
    """Raises ConfigError in one line; a value is shown only where it cannot hold a secret."""
    try:
        return JudgeSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field, message = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        value = "" if field in ("base_url", "api_key_env") else f" {first['input']!r}:"
        raise ConfigError(f"judge: {field}:{value} {message}") from None


def parse_kind(kind: str) -> Kind:
    """Raises ConfigError for anything else."""
    for known in KINDS:
        if kind == known:
            return known
    raise ConfigError(f"--kind: {kind!r}: must be one of {', '.join(KINDS)}")
