"""Secrets kept out of what is written and printed: the one place that knows what a secret looks like.

Settings, identities, environment and messages go through here. Rows, prompts and replies do not: they are data, and stay as they are.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
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
    """Values of environment variables named like secrets, longest first; words and what is short could be anything, and are left out."""
    found = os.environ if environ is None else environ
    values = {v.strip() for k, v in found.items() if _NAMES.search(k)}
    return tuple(sorted((v for v in values if len(v) >= 8 and not v.isalpha()), key=lambda v: (-len(v), v)))


def redacted(text: str, environ: Mapping[str, str] | None = None) -> str:
    """`text` with every secret in it replaced by [redacted]."""
    for secret in secrets(environ):
        text = text.replace(secret, HIDDEN)
    text = _QUERY.sub(rf"\1?{HIDDEN}", _USER.sub(f"{HIDDEN}@", text))
    return _HEADER.sub(lambda m: (m[1] or m[2]) + HIDDEN, _TOKENS.sub(HIDDEN, text))


def redacted_tree(value: Any, environ: Mapping[str, str] | None = None) -> Any:
    """A JSON value with every text in it, keys included, redacted."""
    if isinstance(value, str):
        return redacted(value, environ)
    if isinstance(value, Mapping):
        return {redacted_tree(k, environ): redacted_tree(v, environ) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [redacted_tree(v, environ) for v in value]
    return value
