"""Rows of a local file (jsonl, json, csv, parquet; plain or gzipped) or a hub data set, in the hub's field names."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError, DataError

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class HubSet:
    """A known hub data set: its folder under data.root, its configuration on the hub, and local file names by split.

    `files`: on the hub each "split" is one data file of the repository.
    """

    folder: str
    config: str | None = None
    local: tuple[tuple[str, str], ...] = ()
    files: bool = False


HUB = {
    "openai/gsm8k": HubSet("gsm8k", "main"),
    "cais/mmlu": HubSet("mmlu", "all"),
    "Rowan/hellaswag": HubSet("hellaswag"),
    "truthfulqa/truthful_qa": HubSet("truthfulqa", "multiple_choice", local=(("validation", "multiple_choice"),)),
    "meg-tong/sycophancy-eval": HubSet("sycophancy_eval", files=True),
}
_SLICE = re.compile(r"^(?P<split>[^\[\]]*)(?:\[(?P<start>\d*):(?P<stop>\d*)\])?$")
SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz", ".json.gz", ".csv.gz")


def read_rows(data: str, split: str | None, root: str | None, shuffle_seed: int | None = None) -> list[Row]:
    """Rows of `data`: a path, or `org/name[@revision]`, taken from under `root` if one is given.

    `split` is a name, a slice (`[:600]`, for files) or both (`validation[:600]`); with `shuffle_seed` the rows are
    shuffled before the slice is cut, so that two slices of one split are alike. Every row carries `_source`
    ("file:line"). Raises DataError naming file and line, ConfigError for a missing file or a slice that holds no row.
    """
    found = _SLICE.match(split or "")
    if found is None:
        raise ConfigError(f"split: {split!r}: must be a name, or a name and a slice such as validation[:600]")
    name, revision = data.partition("@")[::2]
    if name in HUB and root is None:
        rows = _from_hub(name, revision or None, found["split"] or "test")
    else:
        file = _find(name, found["split"], root)
        rows = _read(file)
        if not rows:
            raise DataError(f"{file.name}: holds no row; name a file with data")
    if shuffle_seed is not None:
        rows = random.Random(f"rows/{shuffle_seed}").sample(rows, len(rows))
    if found["start"] is not None:
        count = len(rows)
        rows = rows[int(found["start"] or 0) : int(found["stop"] or count)]
        if not rows:
            raise ConfigError(f"split: {split!r}: {data} has {count} rows and this slice holds none of them")
    return rows


def _find(name: str, split: str, root: str | None) -> Path:
    folder = Path(root or ".")
    if root is not None and not folder.is_dir():
        raise ConfigError(f"data.root: no such folder: {root}")
    if name in HUB:
        known = HUB[name]
        place, wanted = folder / known.folder, dict(known.local).get(split, split)
        found = sorted(p for p in place.glob(f"{wanted or '*'}*") if p.name.endswith(SUFFIXES)) if place.is_dir() else []
        exact = [p for p in found if p.name.split(".")[0] == wanted]
        looked = f"{known.folder}/{wanted or '*'}.jsonl"
        if not found:
            raise ConfigError(f"data.root: no file for {name}, split {split or 'any'!r}: {looked} is looked for")
        if len(exact or found) > 1:
            names = ", ".join(p.name.split(".")[0] for p in exact or found)
            raise ConfigError(f"split: {split!r}: {name} has several files under data.root; name one of: {names}")
        return (exact or found)[0]
    file = Path(name) if Path(name).is_absolute() or root is None else folder / name
    if not file.is_file():
        raise ConfigError(f"data: no such file: {name}" + (" under data.root" if root else "; give data.root or a path"))
    if not file.name.endswith(SUFFIXES):
        raise ConfigError(f"data: {file.name}: unknown format; known: {', '.join(SUFFIXES)}")
    return file


def _from_hub(name: str, revision: str | None, split: str) -> list[Row]:
    try:
        if HUB[name].files:
            from huggingface_hub import hf_hub_download

            return _read(Path(hf_hub_download(name, f"{split}.jsonl", repo_type="dataset", revision=revision)))
        from datasets import load_dataset

        rows = load_dataset(name, HUB[name].config, revision=revision, split=split)
    except ImportError:
        raise ConfigError(f"data: {name} is on the hub: pip install 'holdfast[trl]', or give local rows with data.root=DIR") from None
    except DataError:
        raise
    except Exception as error:
        raise DataError(
            f"data: {name}, split {split!r}, could not be loaded: {' '.join(str(error).split())[:200]}; give local rows with data.root=DIR"
        ) from None
    return [{**row, "_source": f"{name}:{i + 1}"} for i, row in enumerate(rows)]


def _read(file: Path) -> list[Row]:
    if file.name.endswith(".parquet"):
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return [{**row, "_source": f"{file.name}:{i + 1}"} for i, row in enumerate(pq.read_table(file).to_pylist())]
        except pa.ArrowInvalid as error:
            raise DataError(f"{file.name}: not a parquet file: {' '.join(str(error).split())[:120]}") from None
    raw = file.read_bytes()
    try:
        text = (gzip.decompress(raw) if file.suffix == ".gz" else raw).decode("utf-8-sig")
    except (EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f"{file.name}: truncated or not UTF-8 text ({type(error).__name__}); copy the file again") from None
    kind = file.name.removesuffix(".gz").rsplit(".", 1)[1]
    if kind == "csv":
        try:
            return [{**row, "_source": f"{file.name}:{i + 2}"} for i, row in enumerate(csv.DictReader(io.StringIO(text, newline="")))]
        except csv.Error as error:
            raise DataError(f"{file.name}: not CSV ({error}); correct the file") from None
    if kind == "json":
        found = _parse(text, file.name, 1)
        if not isinstance(found, list):
            raise DataError(f"{file.name}: holds {type(found).__name__}, must be a list of rows")
        return [_row(row, f"{file.name}:{i + 1}") for i, row in enumerate(found)]
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
