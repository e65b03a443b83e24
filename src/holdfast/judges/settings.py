"""What decides a judge's verdicts, and how its server is asked."""

from __future__ import annotations

import os
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit, urlunsplit

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, field_validator

from holdfast.config import Part
from holdfast.errors import ConfigError

Kind = Literal["feedback", "short_answer"]
KINDS: tuple[str, ...] = get_args(Kind)
LABELS = {
    "feedback": ("more_positive", "less_positive", "tie"),
    "short_answer": ("CORRECT", "INCORRECT", "RETRACTED", "UNCLEAR"),
}
TEMPERATURE = 0.0
Seconds = Annotated[float, Field(gt=0, le=86400)]
_ROUTE = "/chat/completions"


class JudgeSettings(Part):
    """A judge behind any server that speaks OpenAI's chat completions, asked at temperature 0.

    `model`, `seed` and `max_tokens` belong to a reply's identity; the rest says how the server is asked and what is believed.
    """

    base_url: str = Field(description="Server, for example http://127.0.0.1:8000/v1; without a path, /v1 is added.")
    model: str = Field(min_length=1, description="Model name the server knows.")
    api_key_env: str | None = Field(None, description="Environment variable that holds the key; None: no key is sent.")
    seed: NonNegativeInt = 0
    max_tokens: PositiveInt = Field(256, description="New tokens of one reply; raise it for a judge that thinks aloud first.")
    timeout_seconds: Seconds = Field(60.0, description="One request, from the first byte sent to the last byte read.")
    attempts: PositiveInt = Field(5, description="Requests for one reply, the first included.")
    backoff_seconds: Seconds = Field(0.5, description="Wait before the second attempt; doubled before each further one.")
    max_wait_seconds: Seconds = Field(30.0, description="Longest single wait, whatever Retry-After asks for.")
    concurrency: PositiveInt = Field(8, le=256, description="Requests in flight at most.")
    max_failures: PositiveInt = Field(10, description="Replies given up in a row after which the rest is not asked.")
    min_kappa: float = Field(0.6, gt=-1, le=1, description="Cohen's kappa with the labels below which no verdict is used.")
    min_labels: PositiveInt = Field(30, description="Clusters of labelled rows below which agreement counts as unknown.")
    level: float = Field(0.95, gt=0.5, lt=1, description="Confidence level of kappa's interval.")
    min_coverage: float = Field(0.95, ge=0, le=1, description="Share of rows with a verdict below which rates are bounds only.")

    @field_validator("base_url")
    @classmethod
    def _is_a_server(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be http://HOST[:PORT][/v1] or https://...")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError("must hold no user, password or query; name the key's environment variable with api_key_env")
        _ = parts.port  # raises ValueError for a port that is no number from 0 to 65535
        path = parts.path.rstrip("/").removesuffix(_ROUTE)
        return urlunsplit((parts.scheme, parts.netloc, path or "/v1", "", ""))

    @property
    def url(self) -> str:
        return self.base_url + _ROUTE

    def api_key(self) -> str | None:
        """The key, read from the environment when it is needed and kept nowhere. Raises ConfigError if it is named and not there."""
        if self.api_key_env is None:
            return None
        key = os.environ.get(self.api_key_env, "").strip()
        if not key:
            # The name is not shown: the key itself is often given in its place.
            raise ConfigError("api_key_env: no such environment variable is set; export the key under that name, or name another")
        if not key.isascii() or not key.isprintable():
            raise ConfigError("api_key_env: the variable holds a character no header can carry; export the key alone")
        return key


def judge_settings(**values: Any) -> JudgeSettings:
    """Settings from plain values. Raises ConfigError in one line; a value is shown only where it cannot hold a secret."""
    try:
        return JudgeSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        field, said = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        shown = "" if field in ("base_url", "api_key_env") else f" {first['input']!r}:"
        raise ConfigError(f"judge: {field}:{shown} {said}") from None


def known_kind(kind: str) -> Kind:
    if kind not in KINDS:
        raise ConfigError(f"--kind: {kind!r}: must be one of {', '.join(KINDS)}")
    return kind  # type: ignore[return-value]
