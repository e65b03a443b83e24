"""Rows of a local file (jsonl, json, csv, parquet; plain or gzipped) or a hub data set, in the hub's field names."""

import csv
import io
import json
import random
import re
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from holdfast import instruments
from holdfast.errors import ConfigError, DataError
from holdfast.instruments import DataSet
from holdfast.records import json_object, repeated
from holdfast.unzip import unzipped

Row = dict[str, Any]

_SLICE = re.compile(r"^(?P<split>[^\[\]/\\*?\0]*)(?:\[(?P<start>[0-9]{0,15}):(?P<stop>[0-9]{0,15})\])?$")
_HALVES = re.compile("[\ud800-\udfff]")
MOST_BYTES = 2**30  # of one text file, unpacked
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


def read_rows(data: str, split: str | None, root: str | None, shuffle_seed: int | None = None, *, allow_outside: bool = False) -> list[Row]:
    """Rows of `data`: a path, or `org/name[@revision]`, taken from under `root` if one is given.

    A file outside `root` (without one: outside the working folder) is refused unless `allow_outside`; links are followed first.

    `split` is a name, a slice (`[:600]`, for files) or both (`validation[:600]`); with `shuffle_seed` the rows are
    shuffled before the slice is cut, so that two slices of one split are comparable. Every row carries `_source`
    ("file:line"). Raises DataError naming file and line, ConfigError for a missing file or a slice that holds no row.
    """
    wanted = parse_split(split)
    name, revision = data.partition("@")[::2]
    name = name if name in hub_sets() else data
    if name in hub_sets() and root is None:
        rows = _from_hub(hub_sets()[name], revision or None, wanted.name or "test")
    else:
        if wanted.name and name not in hub_sets():
            raise ConfigError(f"split: {split!r}: {data} is a file, which has no splits by name; leave the name out, a slice is [:600]")
        file = _find(name, wanted.name, root)
        folder = Path(root or ".").resolve()
        if not allow_outside and not file.resolve().is_relative_to(folder):
            where = "data.root" if root is not None else "the working folder"
            raise ConfigError(f"data: {data}: lies outside {where}; move it there, set data.root to its folder, or data.allow_outside=true")
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
    """All rows of a local file. Raises DataError naming file and line (parquet: row)."""
    kind = file.name.removesuffix(".gz").rsplit(".", 1)[1]
    if kind == "parquet":
        return _parquet(file)
    text = _text(file)
    if kind == "csv":
        return [_row(row, source) for source, row in _csv(text, file.name)]
    if kind == "json":
        return [_row(row, f"{file.name}:{line}") for line, row in _array(text, file.name)]
    # Only a line feed ends a row: U+2028 and U+0085 occur inside strings.
    return [_row(_parse(line, file.name, i + 1), f"{file.name}:{i + 1}") for i, line in enumerate(text.split("\n")) if line.strip()]


def _text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            size = file.stat().st_size
            raw = (unzipped(opened, size, file.name) if file.suffix == ".gz" else opened).read(MOST_BYTES + 1)
        text = raw.decode("utf-8-sig")
    except (EOFError, OSError, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f"{file.name}: truncated or not UTF-8 text ({type(error).__name__}); copy the file again") from None
    if len(raw) > MOST_BYTES:
        raise DataError(f"{file.name}: holds more than {MOST_BYTES >> 20} MiB of text; split it into several files")
    return text


def _parquet(file: Path) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{file.name}: not a parquet file that can be read: {' '.join(str(error).split())[:120]}") from None
    if twice := repeated(table.column_names):
        raise DataError(f"{file.name}: two columns are named {twice!r}; name each once")
    return [_row(row, f"{file.name}, row {i + 1}") for i, row in enumerate(rows)]


def _csv(text: str, name: str) -> Iterator[tuple[str, Row]]:
    """(source, row) of every row that is not empty. A row is named by the line it begins in."""
    if "\0" in text:
        raise DataError(f"{name}:{text[: text.index(chr(0))].count(chr(10)) + 1}: holds a NUL byte; save the file as UTF-8 text")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    names: list[str] | None = None
    line = 1
    while True:
        source = f"{name}:{line}"
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{source}: not CSV ({error}); correct the row, with double quotes around a field that holds any") from None
        line = reader.line_num + 1
        if cells is None:
            return
        if not any(c.strip() for c in cells):
            continue
        if names is None:
            names = _header(cells, source)
            continue
        if len(cells) != len(names):
            said = (
                f"{len(cells)} fields under {len(names)} column names; put double quotes around a field that holds a comma or a line break"
            )
            raise DataError(f"{source}: {said}")
        for i, (column, cell) in enumerate(zip(names, cells, strict=True)):
            if i and not column and cell.strip():  # an index stands first
                raise DataError(
                    f"{source}: {cell[:40]!r}: stands under a column without a name; name the column, or quote the field it is of"
                )
            if cell[:1].isspace() and cell.strip()[:1] == '"' == cell.strip()[-1:]:
                raise DataError(f"{source}: {column}: {cell[:40]!r}: white space stands before the quote; take it out")
        yield source, {column: cell for column, cell in zip(names, cells, strict=True) if column}


def _header(cells: list[str], source: str) -> list[str]:
    names = [c.strip() for c in cells]
    if twice := repeated([n for n in names if n]):
        raise DataError(f"{source}: two columns are named {twice!r}; name each once")
    if len(names) == 1 and (mark := next((m for m in ";\t|" if m in names[0]), None)):
        raise DataError(f"{source}: one column, {names[0][:60]!r}, in which {mark!r} separates names; save the file with commas")
    return names


def _array(text: str, name: str) -> Iterator[tuple[int, Any]]:
    """(line, value) of every value of a JSON list."""
    at, line, done = _skip(text, 0), 1, 0
    if text[at : at + 1] != "[":
        if text[at : at + 1] == "{" and "\n{" in text[at:]:
            raise DataError(f"{name}: holds one object a line; name it .jsonl")
        raise DataError(f"{name}: holds {type(_parse(text, name, 1)).__name__}, must be a list of rows")
    close = ""
    while close != "]":
        at = _skip(text, at + 1)
        line, done = line + text.count("\n", done, at), at
        if text[at : at + 1] == "]" and not close:
            close = "]"
        else:
            value, at = _decoded(text, at, name, line)
            yield line, value
            at = _skip(text, at)
            close = text[at : at + 1]
            if close not in (",", "]") or not close:
                raise DataError(
                    f"{name}:{text.count(chr(10), 0, at) + 1}: not JSON (a comma or the end of the list is missing); correct the row"
                )
    if text[at + 1 :].strip():
        raise DataError(f"{name}:{text.count(chr(10), 0, at) + 1}: not JSON (text after the list); correct the file")


def _skip(text: str, at: int) -> int:
    """Where the white space ends that begins there."""
    return match.end() if (match := _SPACE.match(text, at)) else at


def _parse(text: str, name: str, line: int) -> Any:
    start = _skip(text, 0)
    value, end = _decoded(text, start, name, line)
    if text[end:].strip(" \t\r\n"):
        raise DataError(f"{name}:{line + text.count(chr(10), 0, end)}: not JSON (more than one value); correct or remove the row")
    return value


def _decoded(text: str, at: int, name: str, line: int) -> tuple[Any, int]:
    """A value that begins at a place of `text`, in that line, and where it ends."""
    try:
        return _DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        line += text.count("\n", at, error.pos)
        raise DataError(f"{name}:{line}: not JSON ({error.msg}); correct or remove the row") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}:{line}: not usable JSON ({str(error)[:90]}); correct or remove the row") from None


_DECODER = json.JSONDecoder(object_pairs_hook=json_object)
_SPACE = re.compile(r"[ \t\r\n]*")


def _row(value: Any, source: str) -> Row:
    if not isinstance(value, dict):
        raise DataError(f"{source}: a row is {type(value).__name__}, must be an object with named fields")
    try:
        half = _half(value)
    except RecursionError:
        raise DataError(f"{source}: nested too deeply; a row has a few levels") from None
    if half:
        raise DataError(f"{source}: {half[:60]}: must be valid Unicode; it holds half of a surrogate pair")
    return {**value, "_source": source}


def _half(value: Any) -> str | None:
    """A text in `value` that UTF-8 cannot encode, as ASCII; None if there is none."""
    if isinstance(value, str):
        return ascii(value) if not value.isascii() and _HALVES.search(value) else None
    parts = value if isinstance(value, list) else [*value, *value.values()] if isinstance(value, dict) else ()
    return next((half for part in parts if (half := _half(part))), None)
