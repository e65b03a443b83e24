"""Where a server is, the key it wants, and whether the key may go there. The key is read from the environment when it is needed, and kept nowhere."""

import ipaddress
import os
import re
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from holdfast.errors import ConfigError
from holdfast.redact import remember

OWN, ALLOWED = "HOLDFAST_API_KEY", "HOLDFAST_KEYS_ALLOWED"
_ROUTES = ("/chat/completions", "/completions", "/models")
_LONGEST = 4096
_confirmed: set[str] = set()


def server_url(value: str) -> str:
    """The address up to which routes are appended; /v1 where it has no path. Raises ValueError in words that show no part of it."""
    parts = urlsplit(value)
    if len(value) > _LONGEST or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be http://HOST[:PORT][/v1] or https://...")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must hold no user, password or query; name the key's environment variable with api_key_env")
    _ = parts.port  # raises ValueError for a port that is not a number from 0 to 65535
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
    remember(key)
    return key


def is_loopback(url: str) -> bool:
    """Whether what is sent there stays on this machine."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def confirm(settings: Iterable[str]) -> None:
    """A variable named on the command line, and not by a study file alone, may be used for any https server."""
    _confirmed.update(
        word for s in settings if s.partition("=")[0].startswith("execution") for word in re.findall(r"\w+", s.partition("=")[2])
    )


def check_key(url: str, variable: str | None, field: str = "execution.endpoint.api_key_env", *, confirmed: bool = False) -> None:
    """Whether that variable's key may go to `url`: always to this machine; elsewhere by https, if the name is HOLDFAST_API_KEY or the host's own
    (OPENAI_API_KEY to openai.com), or the user has named it. HOLDFAST_KEYS_ALLOWED lists NAME, or NAME@HOST for http too. Raises ConfigError.
    """
    if variable is None or is_loopback(url):
        return
    parts = urlsplit(url)
    host, listed = parts.hostname or "", re.split(r"[,\s]+", os.environ.get(ALLOWED, ""))
    if f"{variable}@{host}" in listed:
        return
    if parts.scheme != "https":
        raise ConfigError(
            f"{field}: ${variable}: the key would go to {url} unencrypted; use https, or allow it with {ALLOWED}={variable}@{host} in the environment"
        )
    own = f"{host.split('.')[-2]}_API_KEY".upper().replace("-", "_") if host.count(".") and not host.replace(".", "").isdigit() else OWN
    if not confirmed and variable not in (OWN, own, *listed, *_confirmed):
        raise ConfigError(
            f"{field}: ${variable}: a study file may send {' or '.join(dict.fromkeys((OWN, own)))} to {host}, and no other key; if this is intended, give "
            f"execution.endpoint.api_key_env={variable} on the command line, or {ALLOWED}={variable} in the environment"
        )
