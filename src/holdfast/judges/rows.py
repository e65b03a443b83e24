"""Rows to be judged, and their labels: jsonl (or any format rows may have), checked before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError, DataError
from holdfast.judges.settings import LABELS, Kind
from holdfast.records import Item
from holdfast.sources.rows import Row, read_rows

# What a row must hold. `said`: the user's words around the text, from which the words to mask are taken; may be empty.
TEXTS = {"feedback": ("comment", "baseline", "said"), "short_answer": ("question", "gold", "reply")}
_MAY_BE_EMPTY = {"comment", "baseline", "said", "reply"}


def judged_items(kind: Kind, path: Path) -> list[Item]:
    """Items of a file, in its order. Raises DataError naming file, line, field, value and rule; ConfigError for a missing file."""
    return [_item(kind, row) for row in _rows(path)]


def labelled_items(kind: Kind, path: Path, known: Sequence[Item] = ()) -> tuple[list[Item], dict[str, str]]:
    """Items of a labelled file and their labels by id. A row with no more than `id` and `label` labels the known item of that id."""
    by_id, items, labels = {item.item_id: item for item in known}, [], {}
    for row in _rows(path):
        name, label = str(row["id"]), row.get("label")
        if label not in LABELS[kind]:
            raise DataError(f"{row['_source']}: label: {_shown(label)}: must be one of {', '.join(LABELS[kind])}")
        if set(row) <= {"id", "label", "_source"}:
            if name not in by_id:
                raise DataError(f"{row['_source']}: id: {_shown(row['id'])}: is in no judged row; give its texts too, or correct the id")
            items.append(by_id[name])
        else:
            items.append(_item(kind, row))
        labels[name] = label
    return items, labels


def _rows(path: Path) -> list[Row]:
    """Read the rows of a file, each with an id of its own."""
    try:
        rows = read_rows(str(path), None, None, allow_outside=True)
    except (DataError, ConfigError):
        raise
    except (RecursionError, ValueError) as error:
        raise DataError(
            f"{path.name}: holds JSON that cannot be read ({type(error).__name__}); remove the row that nests so deep"
        ) from None
    seen: dict[str, str] = {}
    for row in rows:
        name = row.get("id")
        if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
            raise DataError(f"{row['_source']}: id: {_shown(name)}: must be text or a whole number; give every row its own")
        if str(name) in seen:
            raise DataError(f"{row['_source']}: id: {_shown(name)}: is the id of {seen[str(name)]} too; give every row its own")
        if isinstance(name, str):
            _writable(name, "id", row)
        seen[str(name)] = row["_source"]
    return rows


def _item(kind: Kind, row: Row) -> Item:
    fields: dict[str, Any] = {"id": row["id"], **{name: _text(row, name) for name in TEXTS[kind]}}
    if kind == "short_answer":
        aliases = row.get("aliases") or []
        if not isinstance(aliases, list) or not all(isinstance(alias, str) for alias in aliases):
            raise DataError(f"{row['_source']}: aliases: {_shown(aliases)}: must be a list of texts; leave it out if there are none")
        fields["aliases"] = [_writable(alias, "aliases", row) for alias in aliases]
    else:
        fields["frame"] = _text(row, "frame") if row.get("frame") is not None else ""
    cluster = row.get("cluster", row["id"])
    if isinstance(cluster, bool) or not isinstance(cluster, str | int):
        raise DataError(f"{row['_source']}: cluster: {_shown(cluster)}: must be text or a whole number; leave it out for rows of their own")
    return Item(item_id=str(row["id"]), cluster_id=str(cluster), fields=fields)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not (value.strip() or name in _MAY_BE_EMPTY):
        rule = "must be text" if name in _MAY_BE_EMPTY else "must be non-empty text"
        raise DataError(f"{row['_source']}: {name}: {_shown(value)}: {rule}; correct or remove the row")
    return _writable(value, name, row)


def _writable(value: str, name: str, row: Mapping[str, Any]) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(f"{row['_source']}: {name}: {_shown(value)}: must be valid Unicode; it holds half of a surrogate pair") from None
    return value


def _shown(value: Any) -> str:
    return "missing" if value is None else ascii(value)[:60]
