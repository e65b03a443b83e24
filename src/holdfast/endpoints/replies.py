"""Every reply of a server, kept as soon as it is read: an append-only log, keyed by what was asked.

Each process appends to its own file, one line at a time, and reads all files: two that ask the same thing at once keep both lines, and
the first one read counts. A truncated or damaged line is not a reply.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from pathlib import Path

from holdfast.endpoints.transport import JsonObject
from holdfast.store import canonical, digest, ensure_writable


class ReplyLog:
    """`folder` None: kept only in memory (a probe). `label`: the folder's setting, for error messages."""

    def __init__(self, folder: Path | None, label: str = "folder of replies"):
        self.folder, self.damaged = folder, 0
        self._lock = threading.Lock()
        self._places: dict[str, tuple[Path, int, int]] = {}  # file, offset, length
        self._held: dict[str, JsonObject] = {}
        self._writing: int | None = None
        if folder is not None:
            ensure_writable(folder, label)
            for file in sorted(folder.glob("*.jsonl")):
                self._index(file)
            self._own = self._new_file()

    def __len__(self) -> int:
        return len(self._places) + len(self._held)

    def _new_file(self) -> Path:
        assert self.folder is not None
        return self.folder / f"{uuid.uuid4().hex}.jsonl"

    def _index(self, file: Path) -> None:
        at = 0
        with file.open("rb") as stream:
            for line in stream:
                key = self._key(line)
                if key is None:
                    self.damaged += 1
                else:
                    self._places.setdefault(key, (file, at, len(line)))
                at += len(line)

    @staticmethod
    def _key(line: bytes) -> str | None:
        try:
            kept = json.loads(line)
            whole = line.endswith(b"\n") and kept["sha256"] == digest({"key": kept["key"], "reply": kept["reply"]})
            return kept["key"] if whole and isinstance(kept["key"], str) else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def get(self, key: str) -> JsonObject | None:
        if self.folder is None:
            return self._held.get(key)
        place = self._places.get(key)
        if place is None:
            return None
        file, at, length = place
        with file.open("rb") as stream:
            stream.seek(at)
            return json.loads(stream.read(length))["reply"]

    def put(self, key: str, reply: JsonObject) -> JsonObject:
        """Keep `reply`; the value is the reply that counts, an earlier one if there is one."""
        earlier = self.get(key)
        if earlier is not None:
            return earlier
        if self.folder is None:
            return self._held.setdefault(key, reply)
        line = (canonical({"key": key, "reply": reply, "sha256": digest({"key": key, "reply": reply})}) + "\n").encode()
        with self._lock:
            if self._writing is None:
                self._writing = os.open(self._own, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            at = os.lseek(self._writing, 0, os.SEEK_END)
            try:
                written = 0
                while written < len(line):
                    written += os.write(self._writing, line[written:])
            except OSError:  # a full disk: what comes after half a line would be damaged too
                os.close(self._writing)
                self._writing, self._own = None, self._new_file()
                raise
            self._places.setdefault(key, (self._own, at, len(line)))
        return reply

    def close(self) -> None:
        with self._lock:
            if self._writing is not None:
                os.close(self._writing)
                self._writing = None
