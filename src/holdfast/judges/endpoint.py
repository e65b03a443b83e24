"""One OpenAI-compatible server: bounded time, bounded attempts, no key in any message.

httpx2 is used directly, not through huggingface_hub's InferenceClient: that one refuses a server on this machine under
HF_HUB_OFFLINE=1, and without a key of its own sends the saved hub token to whatever server is named.
"""

from __future__ import annotations

import email.utils
import json
import random
import threading
import time
from typing import Any
from urllib.parse import urlsplit

import httpx2

from holdfast.errors import ModelError
from holdfast.judges.records import Failure, Reply
from holdfast.judges.settings import TEMPERATURE, JudgeSettings

MAX_BYTES = 1 << 20
PASSING = {408, 409, 425, 429}
NOT_ASKED = Failure(kind="not_asked", message="not asked: too many replies in a row had been given up", passing=False)
_SECRET_FROM = 8  # servers without a key are often given "x" or "EMPTY"; hiding that would garble every message


class Endpoint:
    """Asks for replies from any number of threads. Closed by leaving its `with` block."""

    def __init__(self, settings: JudgeSettings):
        self.settings, self._key = settings, settings.api_key()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        limits = httpx2.Limits(max_connections=settings.concurrency)
        # Redirects are not followed: one to another host would take the texts there. Nor does a proxy see what is meant for this machine.
        self._client = httpx2.Client(
            headers=headers,
            timeout=settings.timeout_seconds,
            limits=limits,
            follow_redirects=False,
            trust_env=urlsplit(settings.base_url).hostname not in ("localhost", "127.0.0.1", "::1"),
        )
        self._stopped, self._lock = threading.Event(), threading.Lock()
        self._open_from, self._failed_in_a_row = 0.0, 0

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def stop(self) -> None:
        """Ask nothing more; waits end at once, a request in flight ends by itself."""
        self._stopped.set()

    def ask(self, prompt: str) -> Reply | Failure:
        """The server's reply to one user message, or why there is none after the last attempt.

        Statuses 408, 409, 425, 429 and 5xx, timeouts, broken connections and unreadable bodies are tried again; others are not.
        Raises ModelError for 401 and 404: no other request would fare better.
        """
        body = json.dumps({"model": self.settings.model, "messages": [{"role": "user", "content": prompt}], "temperature": TEMPERATURE,
                           "seed": self.settings.seed, "max_tokens": self.settings.max_tokens, "stream": False}).encode()  # fmt: skip
        failure = NOT_ASKED
        for attempt in range(self.settings.attempts):
            self._stopped.wait(max(0.0, self._open_from - time.monotonic()))
            if self._stopped.is_set():
                return failure
            found, retry_after = self._once(body)
            if isinstance(found, Reply):
                self._failed_in_a_row = 0
                return found
            failure = found
            if not found.passing:
                return failure
            if attempt + 1 < self.settings.attempts:
                self._wait(attempt, retry_after)
        with self._lock:
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= self.settings.max_failures:
                self.stop()
        return failure

    def _wait(self, attempt: int, retry_after: float | None) -> None:
        """Exponential back-off with jitter. What the server asks for in Retry-After holds for every thread."""
        longest = self.settings.max_wait_seconds
        wait = min(longest, self.settings.backoff_seconds * 2**attempt) * random.uniform(0.5, 1.0)
        if retry_after is not None:
            with self._lock:
                self._open_from = max(self._open_from, time.monotonic() + min(longest, retry_after))
        self._stopped.wait(wait)

    def _once(self, body: bytes) -> tuple[Reply | Failure, float | None]:
        deadline = time.monotonic() + self.settings.timeout_seconds
        try:
            with self._client.stream("POST", self.settings.url, content=body) as response:
                raw = bytearray()
                for chunk in response.iter_bytes():
                    raw += chunk
                    if len(raw) > MAX_BYTES:
                        return Failure(kind="malformed", message=f"a body of more than {MAX_BYTES} bytes", passing=False), None
                    if time.monotonic() > deadline:
                        raise httpx2.ReadTimeout("the body took too long")
        except httpx2.TimeoutException:
            return Failure(kind="timeout", message=f"no whole reply in {self.settings.timeout_seconds:g} s"), None
        except httpx2.HTTPError as error:
            return Failure(kind="connection", message=self._clean(f"{type(error).__name__}: {error}")), None
        if response.status_code == 200:
            return self._reply(bytes(raw)), None
        return self._refused(response.status_code, bytes(raw)), _seconds(response.headers.get("Retry-After"))

    def _refused(self, status: int, raw: bytes) -> Failure:
        message = self._clean(f"HTTP {status}: {raw.decode('utf-8', 'replace')}")
        if status in (401, 404):
            fix = (
                "name the key's variable with api_key_env"
                if status == 401
                else "correct base_url or model; GET /v1/models lists them"
            )
            raise ModelError(f"judge {ascii(self.settings.model)}: the server refuses it: {message}; {fix}")
        return Failure(kind="http", message=message, passing=status in PASSING or status >= 500)

    def _reply(self, raw: bytes) -> Reply | Failure:
        try:
            found = json.loads(raw)
            choice = found["choices"][0]
            text = choice["message"]["content"]
            usage = found.get("usage") or {}
            if text is not None and not isinstance(text, str):
                raise TypeError("content is not text")
            return Reply(
                text=self._hide(_sound(text or "")),
                cut=choice.get("finish_reason") == "length",
                served_model=self._hide(_sound(str(found.get("model") or "")))[:200],
                num_prompt_tokens=_count(usage.get("prompt_tokens")),
                num_new_tokens=_count(usage.get("completion_tokens")),
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            return Failure(kind="malformed", message=f"the body is no chat completion ({type(error).__name__})")

    def _hide(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key and len(self._key) >= _SECRET_FROM else text

    def _clean(self, text: str) -> str:
        """One printable line of at most 200 characters, without the key."""
        line = " ".join(self._hide(text).split())
        return "".join(c if c.isprintable() else "?" for c in line)[:200]


def _seconds(retry_after: str | None) -> float | None:
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


def _sound(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
