"""Requests to one OpenAI-compatible server: bounded time, size and attempts, and no key in any message.

httpx2 is used directly, not through huggingface_hub's InferenceClient: that one refuses a server on this machine under
HF_HUB_OFFLINE=1, and without a key of its own sends the saved hub token to whatever server is named. Its asynchronous client runs in
a thread of its own, because only a cancelled task bounds a whole request: a server may send a header one byte at a time.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx2

from holdfast.config import ServerConfig
from holdfast.config.address import api_key, is_loopback
from holdfast.escape import one_line, plain
from holdfast.redact import hide, map_strings, redacted, reveals_secret
from holdfast.store import duplicate

T = TypeVar("T")
Read = Callable[[Any], T]
JsonObject = dict[str, Any]  # as it is sent, received and kept
PASSING = {408, 409, 425, 429}
_LEAST_BYTES, _BYTES_EACH = 1 << 22, 1 << 10  # of a reply: 4 MiB, and 1 KiB for every byte that was sent (an echoed token takes up to 1 KB)
_UNREADABLE = (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """No reply. `kind`: http, timeout, connection, malformed, untrue (numbers that cannot be, another model) or not_asked; `passing`: another
    attempt may succeed. `message` never holds the key.
    """

    kind: str
    message: str
    passing: bool = True
    status: int | None = None


NOT_ASKED = Failure(kind="not_asked", message="not asked: too many replies in a row had been given up", passing=False)


class Transport:
    """Posts from any number of threads. Closed by leaving its `with` block.

    `refused(status, message)` may raise: a status after which no other request would succeed (a wrong key or model).
    """

    def __init__(
        self,
        base_url: str,
        server: ServerConfig,
        *,
        refused: Callable[[int, str], None] = lambda status, message: None,
        max_bytes: int = 1 << 20,
    ):
        self.base_url, self.server, self.max_bytes = base_url, server, max_bytes
        self._refused, self._key = refused, api_key(server.api_key_env)
        self.models: frozenset[str] = frozenset()  # all that are asked here: a reply that names another of them is refused
        self.other_names: dict[str, str] = {}  # model asked -> what its replies call themselves, where that is none of these
        self._stopped, self._lock = threading.Event(), threading.Lock()
        self._open_from, self._failed_in_a_row, self.gave_up = 0.0, 0, False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._client = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    async def _open(self) -> httpx2.AsyncClient:
        # Redirects are not followed: one to another host would take the texts there. Requests to this machine go through no proxy.
        key = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return httpx2.AsyncClient(
            headers={"Content-Type": "application/json", "Accept-Encoding": "identity", **key},
            timeout=self.server.timeout_seconds,
            limits=httpx2.Limits(max_connections=self.server.concurrency),
            follow_redirects=False,
            trust_env=not is_loopback(self.base_url),
            verify=self.base_url.startswith("https:"),  # certificates are loaded only where they are checked
        )

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.stop()
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._leave(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _leave(self) -> None:
        others = [t for t in asyncio.all_tasks() if t is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._client.aclose()

    def stop(self) -> None:
        """Send nothing more; waits end at once, a request in flight ends by itself."""
        self._stopped.set()

    def get(self, route: str, read: Read[T]) -> T | Failure:
        return self._ask("GET", route, None, read)

    def post(self, route: str, body: JsonObject, read: Read[T]) -> T | Failure:
        """What `read` makes of the JSON sent back, or why there is none after the last attempt.

        Statuses 408, 409, 425, 429 and 5xx, timeouts, broken connections, and bodies that are not JSON or that `read` raises on
        (ValueError, LookupError, TypeError, AttributeError) are tried again; other statuses are not. Raises what `refused` raises.
        """
        return self._ask("POST", route, json.dumps(body).encode(), lambda found: read(self._of_model(found, body.get("model"))))

    def _of_model(self, found: Any, asked: str | None) -> Any:
        """A reply, unless it says that another model of the study has given it."""
        said = found.get("model") if isinstance(found, dict) else None
        if isinstance(said, str) and said != asked and asked is not None:
            if said in self.models:
                raise Untrue(f"model: {said[:100]!r}, where {asked!r} was asked: another model's reply")
            self.other_names.setdefault(asked, said[:100])
        return found

    def _ask(self, method: str, route: str, content: bytes | None, read: Read[T]) -> T | Failure:
        failure, attempts = NOT_ASKED, self.server.attempts
        for attempt in range(attempts):
            self._stopped.wait(max(0.0, self._open_from - time.monotonic()))
            if self._stopped.is_set():
                return failure
            found, retry_after = self._send_once(method, route, content, read)
            if not isinstance(found, Failure):
                self._failed_in_a_row = 0
                return found
            failure = found
            if not found.passing:
                return failure
            if attempt + 1 < attempts:
                self._wait(attempt, retry_after)
        with self._lock:
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= self.server.max_failures:
                self.gave_up = True
                self.stop()
        return failure

    def _wait(self, attempt: int, retry_after: float | None) -> None:
        """Exponential back-off with jitter. What the server asks for in Retry-After holds for every thread."""
        longest = self.server.max_wait_seconds
        wait = min(longest, self.server.backoff_seconds * 2 ** min(attempt, 60)) * random.uniform(0.5, 1.0)
        if retry_after is not None:
            with self._lock:
                self._open_from = max(self._open_from, time.monotonic() + min(longest, retry_after))
        self._stopped.wait(wait)

    def _send_once(self, method: str, route: str, content: bytes | None, read: Read[T]) -> tuple[T | Failure, float | None]:
        try:
            status, headers, found = asyncio.run_coroutine_threadsafe(self._send(method, route, content, read), self._loop).result()
        except (httpx2.TimeoutException, TimeoutError):
            return Failure(kind="timeout", message=f"no whole reply in {self.server.timeout_seconds:g} s"), None
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            return Failure(kind="connection", message=self.clean(f"{type(error).__name__}: {error}")), None
        except (CancelledError, RuntimeError):  # closed meanwhile
            self.stop()
            return NOT_ASKED, None
        if status != 200 and not isinstance(found, Failure):
            what = f"HTTP {status}: "
            if "Location" in headers:
                what += f"redirects are not followed, name the address itself (Location: {headers['Location']}) "
            message = self.clean(what + found.decode("utf-8", "replace"))
            self._refused(status, message)
            passing = status in PASSING or status >= 500
            return Failure(kind="http", message=message, passing=passing, status=status), seconds(headers.get("Retry-After"))
        return found, None

    async def _send(self, method: str, route: str, content: bytes | None, read: Read[T]) -> tuple[int, httpx2.Headers, Any]:
        """(status, headers, what was read or why not; the body itself where the status is not 200).

        A connection that delivered something unexpected is closed before it is used again: what comes next on it would be taken for the
        answer to another request. `response.aiter_bytes` would return it to the pool at the last byte, before that is known, so the raw
        stream below it is read.
        """
        async with (
            asyncio.timeout(self.server.timeout_seconds),
            self._client.stream(method, self.base_url + route, content=content) as response,
        ):
            status, headers, raw = response.status_code, response.headers, bytearray()
            most = min(self.max_bytes, _LEAST_BYTES + _BYTES_EACH * len(content or b""))
            if (encoding := headers.get("Content-Encoding", "identity")) != "identity":
                message = self.clean(f"Content-Encoding: a body encoded as {encoding}, which was not asked for")
                return status, headers, Failure(kind="malformed", message=message, passing=False)
            async for chunk in response.stream:  # pyright: ignore[reportGeneralTypeIssues]
                raw += chunk
                if len(raw) > most:
                    return status, headers, Failure(kind="malformed", message=f"a body of more than {most} bytes", passing=False)
            found = bytes(raw) if status != 200 else self._read(bytes(raw), headers.get("Content-Type", "no type"), read)
            if isinstance(found, Failure):
                await _close(response.extensions["network_stream"])
            return status, headers, found

    def _read(self, raw: bytes, kind: str, read: Read[T]) -> T | Failure:
        try:
            text = raw.decode("utf-8-sig")
            found = json.loads(text, object_pairs_hook=_unique)
            if reveals_secret(text):
                found = map_strings(found, hide)
                if reveals_secret(json.dumps(found, ensure_ascii=False)):
                    raise BadReply("it holds the key in pieces")
            return read(found)
        except _UNREADABLE as error:
            why = str(error) if isinstance(error, BadReply) else "a field is missing or of another type"
            if isinstance(error, ValueError | RecursionError) and not isinstance(error, BadReply):
                why = f"{len(raw)} bytes of {kind} that are no JSON"
            elif isinstance(error, KeyError):
                why = f"no field {error}"
            untrue = "untrue" if isinstance(error, Untrue) else "malformed"
            return Failure(kind=untrue, message=self.clean(f"not the reply that was asked for: {why}"))

    def clean(self, text: str) -> str:
        """One printable line of at most 200 characters, without any secret."""
        return one_line(redacted(plain(text)), 200)


def _unique(pairs: list[tuple[str, Any]]) -> JsonObject:
    if (twice := duplicate(key for key, _ in pairs)) is not None:
        raise BadReply(f"duplicate key {twice[:60]!r} in one object")
    return dict(pairs)


async def _close(stream: Any) -> None:
    """Close a connection, and wait until its pool can see that: the socket goes some turns of the loop later."""
    await stream.aclose()
    while not stream.get_extra_info("is_readable"):
        await asyncio.sleep(0)


class BadReply(ValueError):
    """JSON that is not the reply that was asked for: the field, its value, the rule."""


class Untrue(BadReply):
    """Numbers that cannot be, or another model's: from a server that says so again and again nothing is believed."""


def seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds, from a number or an HTTP date; None if it is neither."""
    if retry_after is None:
        return None
    try:
        wait = float(retry_after)
    except ValueError:
        try:
            wait = email.utils.parsedate_to_datetime(retry_after).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return max(0.0, wait) if wait == wait else None


def sound(text: str) -> str:
    """Text that UTF-8 can encode: half a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode()


def count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 40 else None
