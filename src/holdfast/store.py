"""Content-addressed cells: a folder that exists complete or not at all.

A cell's name is the hash of what it was made from. It is written beside its place and moved there by one rename, so a
process killed at any moment loses at most the cell in flight. A cell whose files no longer match its manifest is
recomputed, and said so.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError

MANIFEST = "manifest.json"
HOST = re.sub(r"[^A-Za-z0-9_.]", "_", platform.node()) or "host"


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """sha256 of a JSON value, or of bytes."""
    return hashlib.sha256(value if isinstance(value, bytes) else canonical(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def writable(folder: Path, said: str) -> None:
    """Make `folder` and try it. Raises ConfigError, with the setting and place `said`, where nothing can be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{uuid.uuid4().hex}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(f"{said} cannot be written ({error.strerror}); name another folder") from None


class Store:
    """Cells under one folder."""

    def __init__(self, folder: Path, warn: Callable[[str], None] = lambda _: None):
        self.folder, self.warn = folder, warn
        self._checked: set[str] = set()
        writable(folder, f"-o/--out: {folder.parent}")

    def name(self, kind: str, identity: dict[str, Any]) -> str:
        return f"{kind}-{digest({'kind': kind, **identity})[:24]}"

    def find(self, name: str) -> Path | None:
        """The folder of a finished cell, its files checked once per process; None if it has to be made."""
        place = self.folder / name
        if name in self._checked:
            return place
        if not place.is_dir():
            return None
        try:
            files = json.loads((place / MANIFEST).read_text(encoding="utf-8"))["files"]
            whole = all(file_digest(place / file) == want for file, want in files.items())
        except (OSError, ValueError, KeyError):
            whole = False
        if not whole:
            self.warn(f"cell {name} does not match its manifest; it is made again")
            shutil.rmtree(place, ignore_errors=True)
            return None
        self._checked.add(name)
        return place

    def discard(self, name: str) -> None:
        """Forget a finished cell, so that it is made again."""
        self._checked.discard(name)
        shutil.rmtree(self.folder / name, ignore_errors=True)

    @contextmanager
    def making(self, name: str, identity: dict[str, Any]) -> Iterator[Path]:
        """A folder to write a cell's files into; it takes the cell's place when the block ends without an error."""
        draft = self.folder / f".draft-{HOST}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        draft.mkdir(parents=True)
        try:
            yield draft
            files = {p.relative_to(draft).as_posix(): file_digest(p) for p in sorted(draft.rglob("*")) if p.is_file()}
            (draft / MANIFEST).write_text(canonical({"identity": identity, "files": files}) + "\n", encoding="utf-8")
            try:
                draft.rename(self.folder / name)
            except OSError:
                if not (self.folder / name / MANIFEST).is_file():
                    raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def sweep(self) -> None:
        """Remove drafts left by processes of this machine that no longer run; another machine's are its own."""
        for draft in self.folder.glob(f".draft-{HOST}-*"):
            pid = draft.name.removeprefix(f".draft-{HOST}-").split("-")[0]
            if pid.isdigit() and not _runs(int(pid)):
                shutil.rmtree(draft, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file in one step; nothing happens if it already holds these bytes."""
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    draft = path.with_name(f".{path.name}.{HOST}-{os.getpid()}")
    draft.write_bytes(data)
    os.replace(draft, path)
