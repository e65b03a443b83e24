"""A judge behind one OpenAI-compatible server: its chat completions over the shared transport."""

from __future__ import annotations

from typing import Any

from holdfast.endpoints.transport import Failure, Transport, count, sound
from holdfast.errors import ModelError
from holdfast.judges.records import Reply
from holdfast.judges.settings import ROUTE, TEMPERATURE, JudgeSettings


class Endpoint:
    """Asks for replies from any number of threads. Closed by leaving its `with` block."""

    def __init__(self, settings: JudgeSettings):
        self.settings = settings
        self._transport = Transport(settings.base_url, settings, refused=self._refused)

    def __enter__(self) -> Endpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self._transport.close()

    def stop(self) -> None:
        self._transport.stop()

    def ask(self, prompt: str) -> Reply | Failure:
        """The server's reply to one user message, or why there is none. Raises ModelError for 401 and 404."""
        body = {"model": self.settings.model, "messages": [{"role": "user", "content": prompt}], "temperature": TEMPERATURE,
                "seed": self.settings.seed, "max_tokens": self.settings.max_tokens, "stream": False}  # fmt: skip
        return self._transport.post(ROUTE, body, self._reply)

    def _refused(self, status: int, message: str) -> None:
        if status in (401, 404):
            fix = "name the key's variable with api_key_env" if status == 401 else "correct base_url or model; GET /v1/models lists them"
            raise ModelError(f"judge {ascii(self.settings.model)}: the server refuses it: {message}; {fix}")

    def _reply(self, found: Any) -> Reply:
        choice = found["choices"][0]
        text = choice["message"]["content"]
        usage = found.get("usage") or {}
        if text is not None and not isinstance(text, str):
            raise TypeError("content is not text")
        hide = self._transport.hide
        return Reply(
            text=hide(sound(text or "")),
            cut=choice.get("finish_reason") == "length",
            served_model=hide(sound(str(found.get("model") or "")))[:200],
            num_prompt_tokens=count(usage.get("prompt_tokens")),
            num_new_tokens=count(usage.get("completion_tokens")),
        )
