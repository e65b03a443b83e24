"""Standard streams that are closed, full or no longer read: said in one line where there is somewhere to write it, and never a traceback."""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import Any

from holdfast.errors import ResourceError


class _Stream(io.FileIO):
    """Drop what is written to a reader that has left, and everything that standard error cannot take."""

    def __init__(self, number: int):
        super().__init__(number, "w", closefd=False)
        self.number, self.lost = number, False

    def write(self, data: Any, /) -> int:
        if self.lost:
            return len(data)
        try:
            return super().write(data)
        except OSError as error:
            self.lost = True
            if self.number == 1 and error.errno != errno.EPIPE:
                raise ResourceError(f"standard output: {error.strerror}; redirect it elsewhere and run again") from None
            return len(data)


def prepare() -> bool:
    """Make the standard streams safe to write to; False if standard output is closed, so that nothing could be shown."""
    closed = [number for number in (0, 1, 2) if not _is_open(number)]
    for number in closed:  # else the next file that is opened takes its place, and is written over
        os.dup2(os.open(os.devnull, os.O_RDWR), number)
        os.set_inheritable(number, True)
    for number, name in ((1, "stdout"), (2, "stderr")):
        now = getattr(sys, name)
        if now is None or now is getattr(sys, f"__{name}__"):
            buffered = io.BufferedWriter(_Stream(number))
            encoding, terminal = getattr(now, "encoding", "utf-8"), os.isatty(number)
            setattr(sys, name, io.TextIOWrapper(buffered, encoding, "backslashreplace", line_buffering=terminal or number == 2))
    return 1 not in closed


def _is_open(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
