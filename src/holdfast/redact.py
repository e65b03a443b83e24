"""Secrets are kept out of what is written and printed: the one place that knows what a secret looks like.

Settings, identities, environment and messages pass through here. Rows, prompts and replies do not: they are data and stay unchanged.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

HIDDEN = "[redacted]"
_NAMES = re.compile(
    r"(?:^|_)(?:TOKEN|(?:API_?|ACCESS_?|PRIVATE_?|SECRET_?|AUTH_?)?KEY|SECRET|PASSWORD|PASSWD|PASS|PWD|CREDENTIALS?)(?:_ID)?$",
    re.IGNORECASE,
)
# user:password@ of any scheme; the query and fragment of a web address; the forms of well-known tokens; an Authorization header.
_USER = re.compile(r"(?<=://)[^/\s@?#\"'<>]+@")
_QUERY = re.compile(r"(\b(?:https?|wss?)://[^\s?#\"'<>]*)[?#][^\s\"'<>]*")
_TOKENS = re.compile(
    r"\b(?:hf|api_org)_[A-Za-z0-9]{16,}|\bsk-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}"
    r"|\bA(?:KI|SI)A[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}|\bxox[abprs]-[A-Za-z0-9-]{10,}|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*"
)
_HEADER = re.compile(
    r"(?i)(\b(?:bearer|basic)\s+)[A-Za-z0-9+/._~-]{8,}=*|(\b(?:api[_-]?key|token|password|secret)\s*[=:]\s*)[^\s&,;\"'<>]{6,}"
)


def secrets(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Values of environment variables named like secrets, longest first. Plain words and short values could be anything and are left out."""
    values = {v.strip() for k, v in (os.environ if environ is None else environ).items() if _NAMES.search(k)}
    return tuple(sorted((v for v in values if len(v) >= 8 and not v.isalpha()), key=lambda v: (-len(v), v)))


def redacted(text: str, environ: Mapping[str, str] | None = None) -> str:
    """`text` with every secret in it replaced by [redacted]."""
    for secret in secrets(environ):
        text = text.replace(secret, HIDDEN)
    text = _QUERY.sub(rf"\1?{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))
    return _HEADER.sub(lambda m: (m[1] or m[2]) + HIDDEN, _TOKENS.sub(HIDDEN, text))


def redacted_tree(value: Any, environ: Mapping[str, str] | None = None) -> Any:
    """A JSON value with every text in it, keys included, redacted."""
    return map_strings(value, lambda text: redacted(text, environ))


def map_strings(value: Any, function: Callable[[str], str]) -> Any:
    """A JSON value with `function` applied to every text in it, keys included; tuples become lists."""
    if isinstance(value, str):
        return function(value)
    if isinstance(value, Mapping):
        return {map_strings(k, function): map_strings(v, function) for k, v in value.items()}
    return [map_strings(v, function) for v in value] if isinstance(value, (list, tuple)) else value
