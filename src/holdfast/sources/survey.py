"""What a folder of rows holds, told from the rows themselves: which benchmark or axis, how many, under which name a study asks for them."""

from __future__ import annotations

import csv
import gzip
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError
from holdfast.sources import forms
from holdfast.sources.rows import HUB, SUFFIXES

DEPTH, MOST_FILES = 4, 2000
_AXES = {"answer": "imitation", "feedback": "feedback", "are_you_sure": "doubt"}


@dataclass(frozen=True, slots=True)
class Found:
    """One file. `data` and `split`: what a study's source or instrument names; `known`: it lies where a hub data set's rows are looked for."""

    kind: str
    file: str
    num_rows: int
    data: str
    split: str | None
    known: bool


def survey(root: Path) -> list[Found]:
    """Files under `root` whose rows a study can use, those of known hub data sets first, then by path. Raises ConfigError for no folder.

    A file is judged by its first row alone; one that cannot be read, or is of no known kind, is left out.
    """
    if not root.is_dir():
        raise ConfigError(f"data folder: no such folder: {root}; name one with rows, or none to use the hub's")
    found = []
    for file in _files(root):
        try:
            kind, count = _kind(_first(file), file), _count(file)
        except (OSError, EOFError, ValueError, zlib.error, RecursionError):
            continue
        if kind is None:
            continue
        relative = file.relative_to(root)
        hub = next((name for name, known in HUB.items() if relative.parts[:-1] == (known.folder,)), None)
        stem = file.name.split(".")[0]
        data, split = (hub, stem) if hub is not None else (relative.as_posix(), None)
        if hub is not None:  # by the hub's own name for that split, so that the study reads the hub's rows too
            split = next((theirs for theirs, local in HUB[hub].local if local == stem), stem)
        found.append(Found(kind, relative.as_posix(), count, data, split, hub is not None))
    return sorted(found, key=lambda f: (not f.known, f.file))


def _files(root: Path) -> list[Path]:
    found: list[Path] = []
    for folder, inner, files in os.walk(root):
        if len(Path(folder).relative_to(root).parts) >= DEPTH:
            inner.clear()
        inner[:] = sorted(d for d in inner if not d.startswith("."))
        found += [Path(folder) / f for f in sorted(files) if f.endswith(SUFFIXES)]
        if len(found) > MOST_FILES:
            raise ConfigError(f"data folder: {root}: more than {MOST_FILES} files of rows; name the folder that holds the benchmarks' rows")
    return found


def _lines(file: Path) -> Iterator[bytes]:
    with gzip.open(file, "rb") if file.name.endswith(".gz") else file.open("rb") as stream:
        yield from stream


def _first(file: Path) -> dict[str, Any]:
    """The first row, or no field at all."""
    name = file.name.removesuffix(".gz")
    if name.endswith(".jsonl"):
        row = json.loads(next((line for line in _lines(file) if line.strip()), b"{}"))
    elif name.endswith(".json"):
        whole = json.loads(b"".join(_lines(file)))
        row = whole[0] if isinstance(whole, list) and whole else {}
    elif name.endswith(".csv"):
        row = next(csv.DictReader(line.decode("utf-8-sig") for line in _lines(file)), {})
    else:
        import pyarrow.parquet as pq

        batch = next(pq.ParquetFile(file).iter_batches(1), None)
        row = batch.to_pylist()[0] if batch is not None and batch.num_rows else {}
    return row if isinstance(row, dict) else {}


def _count(file: Path) -> int:
    name = file.name.removesuffix(".gz")
    if name.endswith(".jsonl"):
        return sum(1 for line in _lines(file) if line.strip())
    if name.endswith(".json"):
        return len(json.loads(b"".join(_lines(file))))
    if name.endswith(".csv"):
        return sum(1 for _ in csv.DictReader(line.decode("utf-8-sig") for line in _lines(file)))
    import pyarrow.parquet as pq

    return pq.ParquetFile(file).metadata.num_rows


def _kind(row: dict[str, Any], file: Path) -> str | None:
    base = row.get("base")
    if isinstance(base, dict):
        stem = file.name.split(".")[0]
        if stem in _AXES:
            return _AXES[stem]
        return (
            "doubt" if "correct_letter" in base else "imitation" if "incorrect_answer" in base else "feedback" if "text" in base else None
        )
    return forms.form_of(row)
