"""A file of transcripts -> a file of readings, complete or not there at all."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from holdfast.errors import ConfigError, DataError
from holdfast.parsing.rows import OWN_FIELDS, json_line, numbered_rows, rescored


def write_rescored(source: Path, target: Path, keep: Sequence[str] = ()) -> int:
    """Readings of every row of `source`, one JSON line each, in order; `target` appears by one rename when all are written.

    Returns the number of rows. Memory does not grow with them. Raises DataError for the first bad row (nothing is left behind),
    ConfigError for a kept field that the output has itself or no row has.
    """
    taken = [f for f in keep if f in OWN_FIELDS]
    if taken:
        raise ConfigError(f"--keep: {ascii(taken[0])}: is a field of the output itself; name others")
    if not target.parent.is_dir():
        raise ConfigError(f"-o: {target.parent}: no such folder; make it first")
    count, seen = 0, set()

    def noting():
        for line, row in numbered_rows(source):
            seen.update(f for f in keep if f in row)
            yield line, row

    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as raw:
            written = gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0) if target.name.endswith(".gz") else raw
            for out in rescored(noting(), source.name, keep):
                written.write(json_line(out).encode() + b"\n")
                count += 1
            if written is not raw:
                written.close()
            raw.flush()
            os.fsync(raw.fileno())
        if not count:
            raise DataError(f"{source.name}: holds no row; name a file with rows")
        absent = [f for f in keep if f not in seen]
        if absent:
            raise ConfigError(f"--keep: {ascii(absent[0])}: no row has this field")
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return count


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
