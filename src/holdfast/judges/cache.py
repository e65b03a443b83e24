"""Every reply ever read, each in a file named by what was asked. No endpoint, key, path or time is part of the name."""

from __future__ import annotations

import json
import os
import uuid
from dataclasses import asdict
from pathlib import Path

from holdfast.judges.records import Question, Reply
from holdfast.judges.settings import TEMPERATURE, JudgeSettings
from holdfast.store import canonical, digest, writable


def reply_key(question: Question, settings: JudgeSettings) -> str:
    """What a reply depends on: model, prompt, order and sampling."""
    sampling = {"temperature": TEMPERATURE, "seed": settings.seed, "max_tokens": settings.max_tokens}
    return digest({"model": settings.model, "prompt": digest(question.prompt), "order": question.order, **sampling})


class ReplyCache:
    """A folder of replies that several processes and threads may share.

    A reply is written beside its place and linked there in one step: it is there whole or not at all, and the first one stays,
    so that two runs that ask the same thing at once end with the same verdicts.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        writable(folder, f"--cache: {folder}")

    def get(self, key: str) -> Reply | None:
        """The reply kept under `key`; None if there is none, or its file is damaged."""
        try:
            kept = json.loads(self._place(key).read_bytes())
            if kept["key"] != key or kept["sha256"] != digest(kept["reply"]):
                return None
            return Reply(**kept["reply"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def put(self, key: str, reply: Reply) -> Reply:
        """Keep `reply`, unless another writer was first: the value is the reply that stays."""
        place, fields = self._place(key), asdict(reply)
        place.parent.mkdir(exist_ok=True)
        draft = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
        draft.write_text(canonical({"key": key, "reply": fields, "sha256": digest(fields)}) + "\n", encoding="utf-8")
        try:
            os.link(draft, place)
        except OSError:  # there already, or a file system without links
            if (earlier := self.get(key)) is not None:
                return earlier
            os.replace(draft, place)
        finally:
            draft.unlink(missing_ok=True)
        return reply

    def _place(self, key: str) -> Path:
        return self.folder / key[:2] / f"{key}.json"
