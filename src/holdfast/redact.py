"""Secrets are kept out of what is written and printed: the one place that knows what a secret is, and how it may be spelled.

`hide` takes out the values of known secrets: every reply of a server passes through it. `redacted` also takes out what has the form of a
secret: settings, identities, environment and messages pass through it. Rows and prompts pass through neither: they are data.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import unescape
from typing import Any
from unicodedata import normalize
from urllib.parse import unquote

HIDDEN = "***"
_WORDS = {"KEY", "KEYS", "TOKEN", "TOKENS", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "PAT", "AUTH", "AUTHORIZATION", "OAUTH",
          "JWT", "WEBHOOK", "CREDENTIAL", "CREDENTIALS", "CREDS", "COOKIE", "BEARER"}  # fmt: skip
_FUSED = (
    "APIKEY",
    "ACCESSKEY",
    "AIKEY",
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "SSHPASS",
)  # PGPASSWORD, XAPIKEY, OPENAIKEY
_ENDINGS = ("PASS", "PASSW", "PW", "PWD")  # DBPASS, DBPW
_NO_PASS = ("COMPASS", "BYPASS", "SURPASS", "OVERPASS", "UNDERPASS", "TRESPASS", "ASKPASS", "OLDPWD")
_TAG = re.compile(r"<[^<>]*>|\[/?\w{1,20}\]")
_PLACES = {
    "FILE",
    "PATH",
    "DIR",
    "SOCK",
    "HOST",
    "PORT",
    "USER",
    "NAME",
    "TYPE",
    "LIMIT",
    "ALLOWED",
}  # of a secret, or about one: KEY_FILE, SSH_AUTH_SOCK
_ADDRESSES = {"URL", "URI", "ENDPOINT"}  # AUTH_URL; not TOKEN_URL, KEY_URL and WEBHOOK_URL, which hold one
_HUMPS = re.compile(r"(?<=[a-z])(?=[A-Z])")  # AccessKey
_SHORTEST = 8  # characters of a secret; servers without a key are often given "x" or "EMPTY"
# In an address's query, a connection string, a header or JSON. The value is looked at only: it may hold pairs of its own.
_PAIR = re.compile(r"""(?<![\w.-])([A-Za-z][\w.-]{0,99})["']?\s?[=:]\s{0,2}["']?(?:(?i:bearer|basic|token)\s+)?(?=([^\s;&"'<>]{1,4096}))""")
_IN_PAIRS = {"SIG", "SIGNATURE", "PWD", "CODE"}  # names of secrets there, besides those of variables
_AFTER_SCHEME = re.compile(r"(?<=://)[^\s\"'<>]+")
_TOKENS = re.compile(
    r"\b(?:(?:hf|api_org)_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}"
    r"|A(?:KI|SI)A[A-Z0-9]{16}\b|AIza[A-Za-z0-9_-]{30,}|xox[abprs]-[A-Za-z0-9-]{10,}"
    r"|(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*)"
)
# "basic" and "bearer" are words too: what follows is a secret if it has a digit, a sign of base64 or a capital after a small letter.
_HEADER = re.compile(
    r"\b((?i:bearer|basic)\s+)(?=[A-Za-z._~-]*(?:[0-9+/=]|[a-z][A-Z]))[A-Za-z0-9+/._~-]{8,}=*"
    r"|((?i:\b(?:api[_-]?key|token|password|secret))\s*[=:]\s*)[^\s&,;\"'<>]{6,}"
)
# Hexadecimal, octal and decimal; what is left of a terminal's colours, and escapes of white space.
_ESCAPED = re.compile(
    r"(?:%(?:25)*|=|\b0x)([0-9A-Fa-f]{2})|%(?:25)*u([0-9A-Fa-f]{4})|&#[xX]0{0,8}([0-9A-Fa-f]{1,6});?|\bU\+0{0,8}([0-9A-Fa-f]{2,6})|&#0{0,8}([0-9]{1,7});?"
    r"|(?<!\\)\\++(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|[ux]\{([0-9A-Fa-f]{1,6})\}|([0-7]{1,3})|o\{([0-7]{1,7})\}|[nrtbfv])"
    r"|\x1b\[[0-9;]*[A-Za-z]"
)
_BASES = (16, 16, 16, 16, 10, 16, 16, 16, 16, 8, 8)  # of its groups
_OTHERS = re.compile(r"[^A-Za-z0-9]+")
_given: set[str] = set()


def remember(secret: str) -> None:
    """Hide this value too, whatever the variable it comes from is called: a key that is about to be sent."""
    if len(secret) >= _SHORTEST:
        _given.add(secret)


def secrets(environ: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Known secrets, longest first: values of variables named like one, passwords and keys in any variable's address or connection string, the hub's saved token."""
    return _spellings(environ).plain


def hide(text: str, environ: Mapping[str, str] | None = None) -> str:
    """`text` with every known secret replaced by ***: as it is, spaced or broken up, in any case, width or style, reversed, in base64, base32 or numbers, or escaped."""
    return _spellings(environ).hide(text)


def reveals_secret(text: str, environ: Mapping[str, str] | None = None) -> bool:
    """Whether a known secret stands in `text`, in any spelling that `hide` knows. Time is linear in the text."""
    return _spellings(environ).found(text)


def redacted(text: str, environ: Mapping[str, str] | None = None) -> str:
    """`hide`, and without users, passwords and queries of addresses, tokens of well-known forms, and what authorization headers hold."""
    return _redacted(text, _spellings(environ))


def redacted_tree(value: Any, environ: Mapping[str, str] | None = None) -> Any:
    """A JSON value with every text in it, keys included, redacted."""
    known = _spellings(environ)
    return map_strings(value, lambda text: _redacted(text, known))


def map_strings(value: Any, function: Callable[[str], str]) -> Any:
    """A JSON value with `function` applied to every text in it, keys included; tuples become lists."""
    if isinstance(value, str):
        return function(value)
    if isinstance(value, Mapping):
        return {map_strings(k, function): map_strings(v, function) for k, v in value.items()}
    return [map_strings(v, function) for v in value] if isinstance(value, (list, tuple)) else value


def _redacted(text: str, known: _Spellings) -> str:
    text = _AFTER_SCHEME.sub(lambda m: _address(m[0]), known.hide(text))
    return _HEADER.sub(lambda m: (m[1] or m[2]) + HIDDEN, _TOKENS.sub(HIDDEN, text))


def _address(rest: str) -> str:
    """What follows a scheme, without user, password, query and fragment."""
    user = _user(rest)
    rest = rest if user is None else HIDDEN + rest[len(user) :]
    end = min((i for i in (rest.find("?"), rest.find("#")) if i >= 0), default=-1)
    return rest if end < 0 else f"{rest[:end]}?{HIDDEN}"


def _user(rest: str) -> str | None:
    """user:password of what follows a scheme, also where the password holds a character that should have been escaped."""
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, at, _ = authority.rpartition("@")
    host_alone = not at and (":" not in authority or "[" in authority or authority.rpartition(":")[2].isdigit())
    if "@" not in rest or host_alone:
        return None
    return user if at and ":" not in user else rest.rpartition("@")[0]


def _names_secret(variable: str) -> bool:
    """By a word of it, numbers left out, or how one ends: OPENAI_API_KEY_2, DB_PASSWORD_PROD, GITHUB_PAT, PGPASSWORD, DBPASS; not PWD, MONKEY, COMPASS, KEY_FILE."""
    words = _words(variable)
    if not words or words in (["PWD"], ["OLD", "PWD"]) or words[-1] in _PLACES:
        return False
    if words[-1] in _ADDRESSES and words[-2:-1] not in (["KEY"], ["TOKEN"], ["WEBHOOK"]):
        return False
    return any(w in _WORDS or w.endswith(_FUSED) or w.endswith(_ENDINGS) and not w.endswith(_NO_PASS) for w in words)


def _words(name: str) -> list[str]:
    return [w for word in re.split(r"[_\W]+", _HUMPS.sub("_", name).upper()) if (w := word.strip("0123456789"))]


def _is_secret(value: str) -> bool:
    """Whether a value is not what ordinary text may hold: from 8 characters; below 16 neither a plain word nor a number; no repeated filler."""
    if len(value) < _SHORTEST or len(set(value)) < 4:
        return False
    word = value.isalpha() and value in (value.lower(), value.upper(), value.capitalize())
    return len(value) >= 16 or not (word or re.fullmatch(r"[0-9.,:eE+-]+", value))


def _values(environ: Mapping[str, str]) -> set[str]:
    found: set[str] = set()
    for name, value in environ.items():
        value = value.strip()
        if _names_secret(name) and not _is_path(value):
            parts = [] if "://" in value else re.split(r"[\s,;:]+", value)  # several keys; the scheme of a header
            found |= {value, *(p for p in parts if len(p) >= 12 and re.search("[0-9]", p) and re.search("[A-Za-z]", p))}
        for match in _AFTER_SCHEME.finditer(value):
            user = _user(match[0]) or ""
            name, _, password = user.partition(":")
            found |= {user, password, unquote(password)} if password else {name}
        for part, inner in () if value.startswith(("/", "~", ".")) else _PAIR.findall(value):  # a path may hold key=value too
            if _names_secret(part) or _words(part)[-1:] and _words(part)[-1] in _IN_PAIRS:
                found |= {inner, inner.partition(",")[0], unquote(inner)}
    return {v for v in (*found, _saved_token(environ)) if _is_secret(v)}


def _is_path(value: str) -> bool:
    return value.startswith(("/", "~/", "./", "../")) and os.path.exists(os.path.expanduser(value))


def _saved_token(environ: Mapping[str, str]) -> str:
    """What `hf auth login` keeps."""
    cache = environ.get("XDG_CACHE_HOME") or (os.path.join(environ["HOME"], ".cache") if "HOME" in environ else "")
    home = environ.get("HF_HOME") or (os.path.join(cache, "huggingface") if cache else "")
    try:
        with open(environ.get("HF_TOKEN_PATH") or os.path.join(home, "token"), encoding="utf-8") as file:
            return file.read(4096).strip() if home or "HF_TOKEN_PATH" in environ else ""
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True, slots=True)
class _Spellings:
    """`plain`: the secrets. `flat`: what is left of each spelling without case and all but letters and digits."""

    plain: tuple[str, ...]
    flat: tuple[str, ...]

    def found(self, text: str) -> bool:
        if any(secret in text for secret in self.plain):
            return True
        plain = _decoded(text)
        return any(form in flat for flat in map(_flat, dict.fromkeys((text, plain, _TAG.sub("", plain)))) for form in self.flat)

    def hide(self, text: str) -> str:
        for secret in self.plain:
            text = text.replace(secret, HIDDEN)
        for seen in (str, _decoded, _untagged):
            view = seen(text)
            flat = _flat(view)
            if forms := [form for form in self.flat if form in flat]:
                text = view
                for form in forms:
                    text = re.sub("[^A-Za-z0-9]*+".join(form), HIDDEN, text, flags=re.IGNORECASE | re.ASCII)
        return text


def _spellings(environ: Mapping[str, str] | None) -> _Spellings:
    return _of(frozenset(os.environ.items()), frozenset(_given)) if environ is None else _of(frozenset(environ.items()), frozenset())


@lru_cache(maxsize=8)
def _of(environ: frozenset[tuple[str, str]], given: frozenset[str]) -> _Spellings:
    plain = sorted(_values(dict(environ)) | given, key=lambda v: (-len(v), v))
    return _Spellings(tuple(plain), tuple(dict.fromkeys(form for secret in plain for form in _forms(secret))))


def _forms(secret: str) -> list[str]:
    """Spellings without case and signs. One that ordinary words could be is left out: from 10 letters and digits, or from 16 of one kind."""
    data, flat = secret.encode("utf-8", "replace"), _flat(secret)
    sure = len(flat) >= 16 or (len(flat) >= 10 and not flat.isalpha() and not flat.isdigit())
    # What an encoding of some bits a character makes of it behind so many bytes, without the characters that it shares with its surroundings.
    coded = [
        encode(bytes(k) + data).decode()[-(-8 * k // bits) : 8 * (k + len(data)) // bits]
        for encode, bits, period in ((base64.b64encode, 6, 3), (base64.b32encode, 5, 5), (base64.b32hexencode, 5, 5))
        for k in range(period)
    ]
    numbers = ["".join(format(byte, form) for byte in data) for form in ("02x", "d", "03d", "03o", "o", "08b")]
    return [f for f in (*([flat, flat[::-1]] if sure else []), *map(_flat, coded), *numbers) if len(f) >= _SHORTEST]


def _flat(text: str) -> str:
    return _OTHERS.sub("", text).lower()


def _decoded(text: str) -> str:
    """Without escapes, one in another too, and with plain letters and digits for those of other widths and styles."""
    for _ in range(4):
        before = text
        if any(sign in text for sign in ("%", "\\", "&", "=", "\x1b", "0x", "U+")):
            text = unescape(_ESCAPED.sub(_character, unquote(text)))
        if not text.isascii():
            text = text.translate({ord(c): normalize("NFKD", c) for c in set(text) if ord(c) > 127})
        if text == before:
            break
    return text


def _untagged(text: str) -> str:
    return _TAG.sub("", _decoded(text))


def _character(escaped: re.Match[str]) -> str:
    if (group := escaped.lastindex) is None:
        return " "
    code = int(escaped[group], _BASES[group - 1])
    if code > 127 and escaped[0].startswith("%"):
        return escaped[0]  # a byte of a character: the next turn reads it with the others
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "?"
