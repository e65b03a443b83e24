"""The cells of a run joined into one trials table and one file of transcripts, one cell at a time."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from holdfast.backends.keys import ModelKey
from holdfast.backends.trials import SCHEMA

ROW_GROUP = 1 << 17  # rows held before they are written
OWNER = pa.schema(
    [("model", pa.string()), ("domain", pa.string()), ("seed", pa.int32()), ("dose", pa.float64()), ("path", pa.string()),
     ("instrument", pa.string())]
)  # fmt: skip
JOINED = pa.schema([*OWNER, *SCHEMA])
# Columns whose values recur; a dictionary of values that differ in every row costs bytes and time.
RECURRING = [f.name for f in JOINED if f.type != pa.float64() and not pa.types.is_list(f.type) and f.name != "transcript_id"] + ["dose"]
InstrumentCell = tuple[ModelKey, str, Path]  # model, instrument, cell


def join_trials(parts: Iterable[InstrumentCell], target: Path) -> None:
    """Every cell's rows in order, after columns that name the model and the instrument."""
    pending: list[pa.Table] = []
    with pq.ParquetWriter(target, JOINED, compression="zstd", use_dictionary=RECURRING) as writer:  # pyright: ignore[reportArgumentType]
        for key, kind, place in parts:
            with pq.ParquetFile(place / "trials.parquet") as file:
                part = file.read(use_threads=False).select(SCHEMA.names).cast(SCHEMA)
            owner = (key.name, key.domain or "base", key.seed, key.dose, key.path, kind)
            columns = [pa.repeat(pa.scalar(v, f.type), part.num_rows) for v, f in zip(owner, OWNER, strict=True)]
            pending.append(pa.table([*columns, *part.columns], schema=JOINED))
            if sum(t.num_rows for t in pending) >= ROW_GROUP:
                writer.write_table(pa.concat_tables(pending))
                pending.clear()
        if pending:
            writer.write_table(pa.concat_tables(pending))


def join_transcripts(parts: Iterable[InstrumentCell], target: Path) -> None:
    """Concatenated gzip files are one gzip file."""
    with target.open("wb") as whole:
        for _, _, place in parts:
            with (place / "transcripts.jsonl.gz").open("rb") as part:
                shutil.copyfileobj(part, whole)
