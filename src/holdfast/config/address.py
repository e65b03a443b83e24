"""Where a server is, and the key it wants. The key is read from the environment when it is needed, and kept nowhere."""

import os
from urllib.parse import urlsplit, urlunsplit

from holdfast.errors import ConfigError

_ROUTES = ("/chat/completions", "/completions", "/models")
_LONGEST = 4096


def server_url(value: str) -> str:
    """The address up to which routes are appended; /v1 where it has no path. Raises ValueError in words that show no part of it."""
    parts = urlsplit(value)
    if len(value) > _LONGEST or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http://HOST[:PORT][/v1] or https://...")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password or query; name the key's environment variable with api_key_env")
    _ = parts.port  # raises ValueError for a port that is no number from 0 to 65535
    path = parts.path.rstrip("/")
    for route in _ROUTES:
        path = path.removesuffix(route)
    return urlunsplit((parts.scheme, parts.netloc, path or "/v1", "", ""))


def api_key(variable: str | None) -> str | None:
    """The key held by that environment variable; None if none is named. Raises ConfigError if it is named and not there."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        # The name is not shown: the key itself is often given in its place.
        raise ConfigError("api_key_env: no such environment variable is set; export the key under that name, or name another")
    if not key.isascii() or not key.isprintable():
        raise ConfigError("api_key_env: the variable holds a character no header can carry; export only the key")
    return key
