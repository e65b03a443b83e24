"""The cells of a run joined to one trials table and one file of transcripts, a cell at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from holdfast.execution.keys import ModelKey
from holdfast.execution.table import SCHEMA

ROW_GROUP = 1 << 17  # rows held before they are written
OWNER = pa.schema(
    [("model", pa.string()), ("domain", pa.string()), ("seed", pa.int32()), ("dose", pa.float64()), ("path", pa.string()),
     ("instrument", pa.string())]
)  # fmt: skip
JOINED = pa.schema([*OWNER, *SCHEMA])
# Where values recur; a dictionary of what is different in every row costs bytes and time.
RECURRING = [f.name for f in JOINED if f.type != pa.float64() and f.name != "transcript_id"] + ["dose"]
Part = tuple[ModelKey, str, Path]


def join_trials(parts: Iterable[Part], target: Path) -> None:
    """Every cell's rows in order, after columns that say whose answers they are to which instrument."""
    waiting: list[pa.Table] = []
    with pq.ParquetWriter(target, JOINED, compression="zstd", use_dictionary=RECURRING) as writer:
        for key, kind, place in parts:
            with pq.ParquetFile(place / "trials.parquet") as file:
                part = file.read(use_threads=False).select(SCHEMA.names).cast(SCHEMA)
            owner = (key.name, key.domain or "base", key.seed, key.dose, key.path, kind)
            named = [pa.repeat(pa.scalar(v, f.type), part.num_rows) for v, f in zip(owner, OWNER, strict=True)]
            waiting.append(pa.table([*named, *part.columns], schema=JOINED))
            if sum(t.num_rows for t in waiting) >= ROW_GROUP:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def join_transcripts(parts: Iterable[Part], target: Path) -> None:
    """Gzip files one after the other are one gzip file."""
    with target.open("wb") as whole:
        for _, _, place in parts:
            with (place / "transcripts.jsonl.gz").open("rb") as part:
                shutil.copyfileobj(part, whole)
