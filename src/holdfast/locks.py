"""Names to write under before a rename, each held by a lock for as long as its process lives, so that what is left over can be told.

A process id says nothing about another container or an earlier boot; a lock is let go by the kernel, whoever held it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HOST = re.sub(r"[^A-Za-z0-9_.]", "_", platform.node()) or "host"
PREFIX, LOCK = ".draft-", ".lock"
FOREIGN_SECONDS = 7 * 86400  # another machine's lock may be invisible here; what it left is taken for dead after a week
_UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


def names(pid: int) -> str:
    """The pattern of the names that a process of this machine writes under."""
    return f"{PREFIX}{HOST}-{pid}-*"


@contextmanager
def draft(folder: Path) -> Iterator[Path]:
    """A new name in `folder` for a file or folder, locked; whatever is still there under it when the block ends is removed."""
    place = folder / names(os.getpid()).replace("*", uuid.uuid4().hex[:8])
    lock, handle = place.with_name(place.name + LOCK), None
    try:
        handle = _take(lock)
        yield place
    finally:
        _remove(place)
        _remove(lock)
        if handle is not None:
            os.close(handle)


def sweep(folder: Path) -> None:
    """Remove drafts in `folder` whose process is gone, on whatever machine. One that still runs keeps its own."""
    for place in sorted(folder.glob(f"{PREFIX}*")):
        name = place.name.removesuffix(LOCK)
        lock = folder / (name + LOCK)
        if not name.startswith(f"{PREFIX}{HOST}-") and _age(lock if lock.exists() else place) < FOREIGN_SECONDS:
            continue
        handle = _free(lock)
        if handle is None:
            continue
        try:
            _remove(folder / name)
            _remove(lock)
        finally:
            os.close(handle)


def _take(lock: Path) -> int:
    """Make the lock file and lock it; again if a sweep removed it between the two."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(handle)
                raise
            return handle
        if _is(lock, handle):
            return handle
        os.close(handle)


def _free(lock: Path) -> int | None:
    """The lock, if nobody holds it; None if somebody does, or where the file system knows no locks."""
    try:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is(lock, handle):
            return handle
    except OSError:
        pass
    os.close(handle)
    return None


def _is(lock: Path, handle: int) -> bool:
    """Whether the file that was opened is still the one of that name."""
    try:
        return os.stat(lock).st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            place.unlink(missing_ok=True)


def _age(place: Path) -> float:
    try:
        return time.time() - place.stat().st_mtime
    except OSError:
        return 0.0
