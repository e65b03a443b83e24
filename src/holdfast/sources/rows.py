"""Rows of a local file (jsonl, json, csv, parquet; plain or gzipped) or a hub data set, in the hub's field names."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError, DataError

Row = dict[str, Any]
# Folder under data.root of each known hub id, and its configuration on the hub.
HUB = {
    "openai/gsm8k": ("gsm8k", "main"),
    "cais/mmlu": ("mmlu", "all"),
    "Rowan/hellaswag": ("hellaswag", None),
    "truthfulqa/truthful_qa": ("truthfulqa", "multiple_choice"),
    "meg-tong/sycophancy-eval": ("sycophancy_eval", None),
}
SUFFIXES = (".jsonl", ".json", ".csv", ".parquet", ".jsonl.gz", ".json.gz", ".csv.gz")


def read_rows(spec: str, root: str | None) -> list[Row]:
    """Rows of `spec`: a path, or `org/name[@revision][:split]`, taken from under `root` if one is given.

    Every row carries `_source` ("file:line"). Raises DataError naming file and line, ConfigError for a missing file.
    """
    name, _, split = spec.partition(":")
    hub, _, revision = name.partition("@")
    if hub in HUB and root is None:
        return _from_hub(hub, revision or None, split or "test")
    file = _find(hub, split, root)
    rows = _read(file)
    if not rows:
        raise DataError(f"{file.name}: holds no row; name a file with data")
    return rows


def _find(name: str, split: str, root: str | None) -> Path:
    folder = Path(root or ".")
    if root is not None and not folder.is_dir():
        raise ConfigError(f"data.root: no such folder: {root}")
    if name in HUB:
        place = folder / HUB[name][0]
        found = sorted(p for p in place.glob(f"{split or '*'}*") if p.name.endswith(SUFFIXES)) if place.is_dir() else []
        exact = [p for p in found if p.name.split(".")[0] == split]
        if not found:
            raise ConfigError(
                f"data.root: no file for {name}, split {split or 'any'!r}: {HUB[name][0]}/{split or '*'}.jsonl is looked for"
            )
        return (exact or found)[0]
    file = Path(name) if Path(name).is_absolute() or root is None else folder / name
    if not file.is_file():
        raise ConfigError(f"data: no such file: {name}" + (" under data.root" if root else "; give data.root or a path"))
    if not file.name.endswith(SUFFIXES):
        raise ConfigError(f"data: {file.name}: unknown format; known: {', '.join(SUFFIXES)}")
    return file


def _from_hub(name: str, revision: str | None, split: str) -> list[Row]:
    try:
        from datasets import load_dataset

        rows = load_dataset(name, HUB[name][1], revision=revision, split=split)
    except ImportError:
        raise ConfigError(
            f"data: {name} is on the hub: pip install 'holdfast[trl]', or give local rows with data.root=DIR"
        ) from None
    except Exception as error:
        raise DataError(
            f"data: {name} could not be loaded: {' '.join(str(error).split())[:200]}; give local rows with data.root=DIR"
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
    except (EOFError, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file.name}: truncated or not UTF-8 text ({type(error).__name__}); copy the file again") from None
    kind = file.name.removesuffix(".gz").rsplit(".", 1)[1]
    if kind == "csv":
        return [{**row, "_source": f"{file.name}:{i + 2}"} for i, row in enumerate(csv.DictReader(io.StringIO(text, newline="")))]
    if kind == "json":
        found = _parse(text, file.name, 1)
        if not isinstance(found, list):
            raise DataError(f"{file.name}: holds {type(found).__name__}, must be a list of rows")
        return [_row(row, f"{file.name}:{i + 1}") for i, row in enumerate(found)]
    # Only a line feed ends a row: U+2028 and U+0085 occur inside strings.
    return [
        _row(_parse(line, file.name, i + 1), f"{file.name}:{i + 1}") for i, line in enumerate(text.split("\n")) if line.strip()
    ]


def _parse(text: str, name: str, line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DataError(f"{name}:{line + error.lineno - 1}: not JSON ({error.msg}); correct or remove the row") from None


def _row(value: Any, source: str) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"{source}: a row is {type(value).__name__}, must be an object with named fields")
    return {**value, "_source": source}
