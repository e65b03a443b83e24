"""Draft names to write under before a rename, each locked while its process lives: leftovers of dead processes can be recognized.

A process id says nothing about another container or an earlier boot; the kernel releases a lock in any case.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import platform
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def _machine() -> str:
    """A token for this machine, the same in all its processes, from which its name cannot be read."""
    secret = hex(uuid.getnode())
    for place in ("/etc/machine-id", "/proc/sys/kernel/random/boot_id"):  # random numbers of the installation, or of this start
        with suppress(OSError, ValueError):
            if found := Path(place).read_text(encoding="ascii").strip():
                secret = found
                break
    return hashlib.sha256(f"holdfast {secret} {platform.node()}".encode()).hexdigest()[:12]


HOST = _machine()
PREFIX, LOCK = ".draft-", ".lock"
FOREIGN_SECONDS = 7 * 86400  # another machine's lock may be invisible here; its drafts count as dead after a week
_UNSUPPORTED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)


def names(pid: int) -> str:
    """Pattern of the draft names of a process of this machine."""
    return f"{PREFIX}{HOST}-{pid}-*"


@contextmanager
def draft(folder: Path) -> Iterator[Path]:
    """A new name in `folder` for a file or folder, locked; whatever is left under it when the block ends is removed."""
    place = folder / names(os.getpid()).replace("*", uuid.uuid4().hex[:8])
    lock, handle = place.with_name(place.name + LOCK), None
    try:
        handle = _create_locked(lock)
        yield place
    finally:
        _remove(place)
        _remove(lock)
        if handle is not None:
            os.close(handle)


def sweep(folder: Path) -> None:
    """Remove drafts in `folder` whose process is gone, on any machine; those of running processes stay."""
    for place in sorted(folder.glob(f"{PREFIX}*")):
        name = place.name.removesuffix(LOCK)
        lock = folder / (name + LOCK)
        if not name.startswith(f"{PREFIX}{HOST}-") and _age(lock if lock.exists() else place) < FOREIGN_SECONDS:
            continue
        if (handle := _try_lock(lock)) is None:
            continue
        try:
            _remove(folder / name)
            _remove(lock)
        finally:
            os.close(handle)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let only one process at a time into `folder`, if locks are supported; nothing is written."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _create_locked(lock: Path) -> int:
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
        if _is_current(lock, handle):
            return handle
        os.close(handle)


def _try_lock(lock: Path) -> int | None:
    """The lock if it is free; None if it is held, or if the file system does not support locks."""
    with suppress(OSError):
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_current(lock, handle):
                return handle
        os.close(handle)
    return None


def _is_current(lock: Path, handle: int) -> bool:
    """Whether the opened file still has that name."""
    with suppress(FileNotFoundError):
        return os.stat(lock).st_ino == os.fstat(handle).st_ino
    return False


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        with suppress(OSError):
            place.unlink(missing_ok=True)


def _age(place: Path) -> float:
    with suppress(OSError):
        return time.time() - place.stat().st_mtime
    return 0.0
