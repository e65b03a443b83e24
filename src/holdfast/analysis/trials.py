"""A trials table read piece by piece: of a file only the columns asked for are decoded, and never all of its rows at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from holdfast.errors import DataError
from holdfast.escape import reason
from holdfast.store import duplicate

ROWS = 1 << 16  # of one piece
Added = tuple[tuple[str, ...], Callable[[pa.RecordBatch], pa.Array]]
pc: Any = pyarrow.compute  # its functions are made at import, so a type checker knows none of them


class Trials:
    """A table in memory, or the parquet file at a path.

    Args:
        source: the table, or where it lies.
        types: columns to cast.
        added: columns the source lacks, each with the columns it is made of and how.
    Raises:
        DataError: the file is not a Parquet table, or two columns have one name.
    """

    def __init__(self, source: pa.Table | str | Path, types: dict[str, pa.DataType] | None = None, added: dict[str, Added] | None = None):
        self.source, self.types, self.added = source, types or {}, added or {}
        self.opened: Any = None  # what an analysis made of the table, for the next one
        if isinstance(source, (str, Path)):
            with self._file(source) as file:
                self.schema, self.num_rows = file.schema_arrow, file.metadata.num_rows
        else:
            self.schema, self.num_rows = source.schema, source.num_rows
        if twice := duplicate(self.schema.names):
            raise DataError(f"table: column {twice} appears twice; keep one")

    @classmethod
    def of(cls, source: pa.Table | str | Path | Trials) -> Trials:
        """`source` itself if it is one, else a new one.

        Args:
            source: a table in any form.
        Returns:
            The trials.
        Raises:
            DataError: see the class.
        """
        return source if isinstance(source, Trials) else cls(source)

    @property
    def column_names(self) -> list[str]:
        """Columns of the source, then those added to it."""
        return [*self.schema.names, *(c for c in self.added if c not in self.schema.names)]

    def pieces(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Rows in their order, some thousands at a time.

        Args:
            columns: names; those the table lacks are left out.
        Returns:
            Batches of these columns; text comes as dictionaries, each batch with its own.
        Raises:
            DataError: the file is damaged.
        """
        have = [c for c in columns if c in self.column_names]
        new = [c for c in have if c not in self.schema.names]
        needed = [c for c in self.schema.names if c in have or any(c in self.added[m][0] for m in new)]
        for batch in self._batches(needed):
            cast = {c: self._cast(batch.column(k), self.types.get(c)) for k, c in enumerate(needed)}
            batch = pa.record_batch(cast) if cast else batch
            yield pa.record_batch({c: cast[c] if c in cast else _encoded(self.added[c][1](batch)) for c in have})

    def _batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        if not isinstance(self.source, (str, Path)):
            yield from self.source.select(columns).to_batches(ROWS)
            return
        try:
            with self._file(self.source, [c for c in columns if _is_text(self.schema.field(c).type)]) as file:
                yield from file.iter_batches(ROWS, columns=columns, use_threads=False)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None

    def _file(self, path: str | Path, as_dictionary: list[str] | None = None) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(path, read_dictionary=as_dictionary)
        except (pa.ArrowException, OSError) as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: Exception) -> DataError:
        return DataError(f"{self.source}: not a parquet table: {reason(error, 120)}")

    def _cast(self, column: pa.Array, kind: pa.DataType | None) -> pa.Array:
        if kind is not None and column.type != kind and not (kind == pa.string() and _is_text(column.type)):
            column = column.cast(kind)
        return _encoded(column)


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string()) or (pa.types.is_dictionary(kind) and _is_text(kind.value_type))


def _encoded(column: pa.Array) -> pa.Array:
    return column.dictionary_encode() if _is_text(column.type) and not pa.types.is_dictionary(column.type) else column


class Codes:
    """Numbers of a column's distinct values, continued from piece to piece; a missing value is one of them, None."""

    def __init__(self) -> None:
        self.number: dict[Any, int] = {}

    def of(self, column: pa.Array) -> np.ndarray:
        """Numbers of a column's values.

        Args:
            column: one piece of the column [rows].
        Returns:
            Whole numbers from 0 [rows].
        """
        coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        values = [*coded.dictionary.to_pylist(), *([None] if coded.null_count else [])]
        numbers = np.array([self.number.setdefault(v, len(self.number)) for v in values], dtype=np.int64)
        return numbers[coded.indices.fill_null(len(coded.dictionary)).to_numpy(zero_copy_only=False)]


class Groups:
    """Numbers of the distinct rows of some columns, in the order in which they appear, continued from piece to piece."""

    def __init__(self, columns: Sequence[str]):
        self.codes = {c: Codes() for c in columns}
        self._number: dict[tuple[int, ...], int] = {}

    def __len__(self) -> int:
        return len(self._number)

    def of(self, piece: pa.RecordBatch) -> np.ndarray:
        """Numbers of a piece's rows.

        Args:
            piece: has the columns [rows].
        Returns:
            Whole numbers from 0 [rows].
        """
        coded = [codes.of(piece[c]) for c, codes in self.codes.items()]
        one, size = np.zeros(piece.num_rows, dtype=np.int64), 1
        for column in coded:
            width = int(column.max(initial=0)) + 1
            if size * width > 2**62:  # renumbered, so that the product stays within 64 bits
                _, one = np.unique(one, return_inverse=True)
                size = piece.num_rows
            one, size = one * width + column, size * width
        _, first, inverse = np.unique(one, return_index=True, return_inverse=True)
        number = np.empty(len(first), dtype=np.int64)
        for k in np.argsort(first):
            number[k] = self._number.setdefault(tuple(int(c[first[k]]) for c in coded), len(self._number))
        return number[inverse]

    def keys(self) -> list[tuple[Any, ...]]:
        """The values behind the numbers.

        Returns: one tuple of the columns' values per number, in order.
        """
        values = [list(codes.number) for codes in self.codes.values()]
        return [tuple(v[k] for v, k in zip(values, place, strict=True)) for place in self._number]


def distinct(trials: Trials, columns: Sequence[str]) -> list[tuple[Any, ...]]:
    """Every combination of values of some columns, in the order in which they appear.

    Args:
        trials: the table.
        columns: names of its columns.
    Returns:
        Tuples of the columns' values.
    """
    groups = Groups(columns)
    for piece in trials.pieces(columns):
        groups.of(piece)
    return groups.keys()
