"""Rows of a local file (jsonl, json, csv, parquet; plain or gzipped) or a hub data set, in the hub's field names."""

import csv
import io
import json
import random
import re
import zlib
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from holdfast import instruments
from holdfast.errors import ConfigError, DataError
from holdfast.instruments import DataSet
from holdfast.unzip import unzipped

Row = dict[str, Any]

_SLICE = re.compile(r"^(?P<split>[^\[\]]*)(?:\[(?P<start>\d*):(?P<stop>\d*)\])?$")
SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz", ".json.gz", ".csv.gz")


@cache
def hub_sets() -> dict[str, DataSet]:
    """Data sets of the hub whose rows are read by name, under data.root too: those that instruments declare."""
    return {made.data_set.name: made.data_set for made in instruments.available().values() if made.data_set is not None}


class Split(NamedTuple):
    """A split's name, and the slice of its rows (None: not cut)."""

    name: str
    start: int | None
    stop: int | None


def parse_split(text: str | None) -> Split:
    """`validation[:600]` -> its parts. Raises ConfigError for anything but a name, a slice or both."""
    match = _SLICE.match(text or "")
    if match is None:
        raise ConfigError(f"split: {text!r}: must be a name, or a name and a slice such as validation[:600]")
    cut = match["start"] is not None
    return Split(match["split"], int(match["start"] or 0) if cut else None, int(match["stop"]) if match["stop"] else None)


def read_rows(data: str, split: str | None, root: str | None, shuffle_seed: int | None = None) -> list[Row]:
    """Rows of `data`: a path, or `org/name[@revision]`, taken from under `root` if one is given.

    `split` is a name, a slice (`[:600]`, for files) or both (`validation[:600]`); with `shuffle_seed` the rows are
    shuffled before the slice is cut, so that two slices of one split are comparable. Every row carries `_source`
    ("file:line"). Raises DataError naming file and line, ConfigError for a missing file or a slice that holds no row.
    """
    wanted = parse_split(split)
    name, revision = data.partition("@")[::2]
    if name in hub_sets() and root is None:
        rows = _from_hub(hub_sets()[name], revision or None, wanted.name or "test")
    else:
        file = _find(name, wanted.name, root)
        rows = read_file(file)
        if not rows:
            raise DataError(f"{file.name}: holds no row; name a file with data")
    if shuffle_seed is not None:
        rows = random.Random(f"rows/{shuffle_seed}").sample(rows, len(rows))
    if wanted.start is not None:
        count = len(rows)
        rows = rows[wanted.start : count if wanted.stop is None else wanted.stop]
        if not rows:
            raise ConfigError(f"split: {split!r}: {data} has {count} rows and this slice holds none of them")
    return rows


def _find(name: str, split: str, root: str | None) -> Path:
    folder = Path(root or ".")
    if root is not None and not folder.is_dir():
        raise ConfigError(f"data.root: no such folder: {root}")
    data_set = hub_sets().get(name)
    if data_set is not None:
        place, wanted = folder / data_set.folder, dict(data_set.local).get(split, split)
        files = sorted(p for p in place.glob(f"{wanted or '*'}*") if p.name.endswith(SUFFIXES)) if place.is_dir() else []
        exact = [p for p in files if p.name.split(".")[0] == wanted]
        if not files:
            place = f"{data_set.folder}/{wanted or '*'}.jsonl"
            raise ConfigError(f"data.root: no file for {name}, split {split or 'any'!r}: {place} is looked for")
        if len(exact or files) > 1:
            names = ", ".join(p.name.split(".")[0] for p in exact or files)
            raise ConfigError(f"split: {split!r}: {name} has several files under data.root; name one of: {names}")
        return (exact or files)[0]
    file = Path(name) if Path(name).is_absolute() or root is None else folder / name
    if not file.is_file():
        raise ConfigError(f"data: no such file: {name}" + (" under data.root" if root else "; give data.root or a path"))
    if not file.name.endswith(SUFFIXES):
        raise ConfigError(f"data: {file.name}: unknown format; known: {', '.join(SUFFIXES)}")
    return file


def _from_hub(data: DataSet, revision: str | None, split: str) -> list[Row]:
    name = data.name
    try:
        if data.files:
            from huggingface_hub import hf_hub_download

            return read_file(Path(hf_hub_download(name, f"{split}.jsonl", repo_type="dataset", revision=revision)))
        from datasets import load_dataset

        rows = load_dataset(name, data.config, revision=revision, split=split)
    except ImportError:
        raise ConfigError(f"data: {name} is on the hub: pip install 'holdfast[trl]', or give local rows with data.root=DIR") from None
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"data: {name}, split {split!r}, could not be loaded: {' '.join(str(error).split())[:200]}; give local rows with data.root=DIR"
        ) from None
    return [{**dict(row), "_source": f"{name}:{i + 1}"} for i, row in enumerate(rows)]


def read_file(file: Path) -> list[Row]:
    """All rows of a local file. Raises DataError naming file and line."""
    if file.name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return [{**row, "_source": f"{file.name}:{i + 1}"} for i, row in enumerate(pq.read_table(file).to_pylist())]
        except pa.ArrowInvalid as error:
            raise DataError(f"{file.name}: not a parquet file: {' '.join(str(error).split())[:120]}") from None
    raw = file.read_bytes()
    try:
        text = (unzipped(io.BytesIO(raw), len(raw), file.name).read() if file.suffix == ".gz" else raw).decode("utf-8-sig")
    except (EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f"{file.name}: truncated or not UTF-8 text ({type(error).__name__}); copy the file again") from None
    kind = file.name.removesuffix(".gz").rsplit(".", 1)[1]
    if kind == "csv":
        try:
            return [{**row, "_source": f"{file.name}:{i + 2}"} for i, row in enumerate(csv.DictReader(io.StringIO(text, newline="")))]
        except csv.Error as error:
            raise DataError(f"{file.name}: not CSV ({error}); correct the file") from None
    if kind == "json":
        parsed = _parse(text, file.name, 1)
        if not isinstance(parsed, list):
            raise DataError(f"{file.name}: holds {type(parsed).__name__}, must be a list of rows")
        return [_row(row, f"{file.name}:{i + 1}") for i, row in enumerate(parsed)]
    # Only a line feed ends a row: U+2028 and U+0085 occur inside strings.
    return [_row(_parse(line, file.name, i + 1), f"{file.name}:{i + 1}") for i, line in enumerate(text.split("\n")) if line.strip()]


def _parse(text: str, name: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{name}:{line + error.lineno - 1}: not JSON ({error.msg}); correct or remove the row") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}:{line}: not usable JSON ({str(error)[:60]}); correct or remove the row") from None


def _row(value: Any, source: str) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"{source}: a row is {type(value).__name__}, must be an object with named fields")
    return {**value, "_source": source}
