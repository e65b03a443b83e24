"""Content-addressed cells: folders that exist complete or not at all.

A cell's name is the hash of its inputs. It is written next to its final place and moved there by one rename, so a process killed at
any moment loses at most the cell in progress (of an adapter, the steps since its last checkpoint). A cell whose files no longer match
its manifest is reported and recomputed.
"""

from __future__ import annotations

import dataclasses
import errno
import filecmp
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from holdfast import locks
from holdfast.errors import ConfigError, ResourceError
from holdfast.escape import plain
from holdfast.redact import redacted_tree

MANIFEST = "manifest.json"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values give equal text. A dataclass is its fields."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_fields)


def _fields(value: Any) -> dict[str, object]:
    if not dataclasses.is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is not a JSON value")
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}


def digest(value: Any) -> str:
    """sha256 of a JSON value, or of bytes."""
    return hashlib.sha256(value if isinstance(value, bytes) else canonical(value).encode()).hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def ensure_writable(folder: Path, label: str) -> None:
    """Create `folder` and try to write in it. Raises ConfigError, naming the setting and place `label`, if that fails."""
    if plain(folder) != str(folder):
        raise ConfigError(f"{label}: must be a path in UTF-8 without control characters; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locks.draft(folder):
            pass
    except OSError as error:
        raise ConfigError(f"{label} cannot be written ({error.strerror}); name another folder") from None


class Store:
    """Cells under one folder."""

    def __init__(self, folder: Path, warn: Callable[[str], None] = lambda _: None):
        self.folder, self.warn = folder, warn
        self._checked: set[str] = set()
        ensure_writable(folder, f"-o/--out: {folder.parent}")

    def name(self, kind: str, identity: Mapping[str, Any]) -> str:
        return f"{kind}-{digest({'kind': kind, **identity})[:24]}"

    def find(self, name: str) -> Path | None:
        """The folder of a finished cell, its files checked once per process; None if it has to be computed."""
        place = self.folder / name
        if name in self._checked:
            return place
        while (seen := _inode(place)) is not None:
            if is_whole(place):
                self._checked.add(name)
                return place
            if seen == _inode(place):  # else another process has replaced it meanwhile
                self.warn(f"cell {name} does not match its manifest; it is made again")
                self._set_aside(place)
        return None

    def _set_aside(self, place: Path) -> None:
        """Take a damaged cell out of its place in one step, then delete it; one that turns out to be whole is put back."""
        with suppress(FileNotFoundError), locks.draft(self.folder) as draft:
            place.rename(draft)
            if is_whole(draft):
                with suppress(OSError):  # there is another by now
                    draft.rename(place)

    def discard(self, name: str) -> None:
        """Forget a finished cell, so that it is made again: out of its place in one step, then deleted."""
        self._checked.discard(name)
        with suppress(FileNotFoundError), locks.draft(self.folder) as draft:
            (self.folder / name).rename(draft)

    def files(self, place: Path) -> dict[str, str]:
        """{file of a finished cell: its digest}; other files in the folder do not belong to the cell."""
        return json.loads((place / MANIFEST).read_text(encoding="utf-8"))["files"]

    @contextmanager
    def making(self, name: str, identity: Mapping[str, Any]) -> Iterator[Path]:
        """A folder to write a cell's files into; it takes the cell's place when the block ends without an error.

        Raises ResourceError if the folder cannot take any more.
        """
        try:
            with locks.draft(self.folder) as draft:
                draft.mkdir()
                yield draft
                files = {p.relative_to(draft).as_posix(): file_digest(p) for p in sorted(draft.rglob("*")) if p.is_file()}
                (draft / MANIFEST).write_bytes(manifest_text({"identity": redacted_tree(identity), "files": files}))
                self._commit(draft, self.folder / name)
        except Exception as error:
            if why := no_room(error, self.folder):
                raise ResourceError(
                    f"-o/--out: {self.folder.parent}: {why}; free some space or name another folder, and run again (finished cells are kept)"
                ) from None
            raise
        self.partial(name).unlink(missing_ok=True)

    def _commit(self, draft: Path, place: Path) -> None:
        while True:
            try:
                draft.rename(place)
                return
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                    raise
            if is_whole(place):  # made by another process: equal names are made of equal things
                return
            self.warn(f"cell {place.name} does not match its manifest; it is replaced")
            self._set_aside(place)

    def partial(self, name: str) -> Path:
        """File that keeps the state of an unfinished cell from one process to the next; removed when the cell is finished."""
        return self.folder / f".partial-{name}.safetensors"

    def drafts(self, pid: int) -> list[Path]:
        """Drafts of a process of this machine."""
        return [p for p in self.folder.glob(locks.names(pid)) if not p.name.endswith(locks.LOCK)]

    def sweep(self) -> None:
        """Remove leftovers of dead processes: drafts, and partial states of finished cells."""
        locks.sweep(self.folder)
        for left in self.folder.glob(".partial-*.safetensors"):
            if (self.folder / left.name.removeprefix(".partial-").removesuffix(".safetensors") / MANIFEST).is_file():
                left.unlink(missing_ok=True)


def manifest_text(about: Mapping[str, Any]) -> bytes:
    """A manifest with the digest of all it says."""
    plain = json.loads(canonical(dict(about)))
    return (canonical({**plain, "sha256": digest(plain)}) + "\n").encode()


def read_manifest(place: Path, sealed: bool = False) -> dict[str, Any]:
    """What a manifest says. Raises ValueError if its digest does not match (or, `sealed`, is not there: cells of earlier versions have none)."""
    data = (place / MANIFEST).read_bytes()
    about = json.loads(data)
    found = about.pop("sha256", None)
    if (sealed or found is not None) and manifest_text(about) != data:
        raise ValueError("its digest does not match")
    return about


def is_whole(place: Path) -> bool:
    """Whether the manifest can be read and each of its files is there with its digest. A file without read permission raises OSError: it is not damaged."""
    try:
        files = read_manifest(place)["files"]
        return bool(files) and all((place / file).is_file() and file_digest(place / file) == want for file, want in files.items())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return False


def _inode(place: Path) -> int | None:
    with suppress(OSError):
        return place.stat().st_ino if place.is_dir() else None
    return None


def no_room(error: BaseException, folder: Path) -> str | None:
    """The system's message if writing in `folder` failed because of a full disk, a quota or a read-only folder; else None."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (code := re.search(r"\bcode: (\d{1,3})\b|\(os error (\d{1,3})\)", str(error))):
        number = int(code[1] or code[2])  # in safetensors' own errors
    named = getattr(error, "filename", None)
    elsewhere = isinstance(named, (str, os.PathLike)) and not Path(named).absolute().is_relative_to(folder.absolute())
    return os.strerror(number) if number in _NO_ROOM and not elsewhere else None


def read_json(path: Path) -> Any:
    """The JSON of a finished run's file. Raises ConfigError if there is no such file or it is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{path}: no such file; name the folder of a finished run") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: not JSON; the run is damaged, run the study again") from None


def duplicate(names: Iterable[str]) -> str | None:
    """The first of the names that is there more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def unique_fields(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON, as `object_pairs_hook`. Raises ValueError for a name that it holds twice."""
    if (twice := duplicate(name for name, _ in pairs)) is not None:
        raise ValueError(f"duplicate name {twice!r:.50} in one object")
    return dict(pairs)


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file in one step; nothing happens if it already holds these bytes. Raises ResourceError if the folder cannot take any more."""
    if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return
    replace_file(path, lambda draft: draft.write_bytes(data))


def copy_atomic(source: Path, target: Path) -> None:
    """Replace `target` by a copy of `source` in one step; nothing happens if it already holds the same bytes. Raises as `write_atomic`."""
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return
    replace_file(target, lambda draft: shutil.copyfile(source, draft))


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Replace a file in one step by what `write` puts into the file it is given. Raises as `write_atomic`."""
    try:
        with locks.draft(path.parent) as draft:
            write(draft)
            os.replace(draft, path)
    except OSError as error:
        if why := no_room(error, path.parent):
            raise ResourceError(f"{path}: {why}; free some space or name another folder") from None
        raise OSError(error.errno, error.strerror, str(path)) from None
