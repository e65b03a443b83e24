"""Compressed files are read up to a stated size: a small file may not fill a machine's memory.

A .gz may unpack to 200 times its own size, or to 256 MiB if that is more (text packs to a twentieth; zeros to a thousandth); a line may be
64 MiB long.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from typing import IO

from holdfast.errors import DataError

TIMES, AT_LEAST, LINE = 200, 256 << 20, 64 << 20


class _Limited(io.RawIOBase):
    def __init__(self, source: gzip.GzipFile, most: int, name: str):
        self.source, self.left, self.most, self.name = source, most, most, name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        data = self.source.read1(len(buffer))
        self.left -= len(data)
        if self.left < 0:
            raise DataError(f"{self.name}: unpacks to more than {self.most >> 20} MiB ({TIMES} times its size); give the file unpacked")
        buffer[: len(data)] = data
        return len(data)


def unzipped(packed: IO[bytes], size: int, name: str) -> io.BufferedReader:
    """What a gzipped stream of `size` bytes holds. Reading raises DataError beyond the limit, and what `gzip` raises if it is damaged."""
    return io.BufferedReader(_Limited(gzip.GzipFile(fileobj=packed), max(TIMES * size, AT_LEAST), name), 1 << 16)


def lines(stream: IO[bytes], name: str) -> Iterator[bytes]:
    """Lines one at a time. Raises DataError for one beyond the limit."""
    number = 0
    while line := stream.readline(LINE + 1):
        number += 1
        yield checked_line(line, f"{name}:{number}")


def checked_line(line: bytes, where: str) -> bytes:
    """The line itself. Raises DataError if it is beyond the limit."""
    if len(line) > LINE:
        raise DataError(f"{where}: the line is longer than {LINE >> 20} MiB; a row is one line")
    return line
