"""Transcripts from any source -> one reading per row, in the same order. Untrusted input: every field is checked before use."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from string import ascii_uppercase as LETTERS
from typing import Any

from holdfast.errors import ConfigError, DataError
from holdfast.parsing.letters import read_choice
from holdfast.parsing.numbers import read_number
from holdfast.parsing.numerals import gold_number
from holdfast.parsing.outcome import KINDS, Reading, unparsed
from holdfast.parsing.short_answers import read_short
from holdfast.parsing.text import normal
from holdfast.store import replace_file, unique_fields
from holdfast.unzip import lines, unzipped

OWN_FIELDS = ("id", "outcome", "answer", "reason")
_UNPRINTABLE = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff\ufff9-\ufffb]")

Row = dict[str, Any]


def json_line(value: Any) -> str:
    """One line of JSON, safe for a terminal: control, direction and other invisible characters are escaped."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return _UNPRINTABLE.sub(lambda m: f"\\u{ord(m.group()):04x}", text)


def numbered_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """(line number, row) of a JSON lines file, plain or gzipped, one at a time. Raises DataError naming file and line."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; name a .jsonl or .jsonl.gz file")
    line = 0
    with path.open("rb") as raw:
        zipped = raw.peek(2)[:2] == b"\x1f\x8b"
        source = unzipped(raw, path.stat().st_size, path.name) if zipped else raw
        try:
            for line, content in enumerate(lines(source, path.name), 1):  # noqa: B007  (named in the error below)
                if content.strip():
                    yield line, _parse_line(content, f"{path.name}:{line}")
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise DataError(f"{path.name}:{line + 1}: truncated or damaged gzip ({type(error).__name__}); copy the file again") from None


def _parse_line(content: bytes, where: str) -> Row:
    try:
        row = json.loads(content.decode("utf-8-sig"), parse_constant=_no_constant, object_pairs_hook=unique_fields)
    except UnicodeDecodeError:
        raise DataError(f"{where}: not UTF-8 text; convert the file to UTF-8") from None
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON ({error.msg}); correct or remove the row") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not usable JSON ({_short(error)}); correct or remove the row") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: a row is {type(row).__name__}, must be an object with kind, response and gold")
    return row


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _short(value: Any) -> str:
    shown = ascii(value if isinstance(value, str) else str(value))
    return shown if len(shown) <= 60 else f"{shown[:57]}...'"


def rescore_rows(rows: Iterable[tuple[int, Row]], name: str, keep: Sequence[str] = ()) -> Iterator[Row]:
    """{id, outcome, answer, reason, and the kept fields} of each (line, row), in order. id: the row's own, else its line.

    Raises DataError naming file, line, field and rule at the first invalid row.
    """
    for line, row in rows:
        where = f"{name}:{line}"
        reading = read_row(row, where)
        out = {"id": _scalar(row, "id", where) if row.get("id") is not None else line}
        out |= {"outcome": reading.outcome, "answer": reading.answer, "reason": reading.reason}
        yield out | {field: _scalar(row, field, where) for field in keep}


def read_row(row: Mapping[str, Any], where: str) -> Reading:
    """One row `{kind, response, gold, suggested?, options?, aliases?, question?, previous?}`; a response of null is a missing reply."""
    kind = row.get("kind")
    if kind not in KINDS:
        raise DataError(f"{where}: kind: {_short(kind)}: must be one of {', '.join(KINDS)}")
    if "response" not in row:
        raise DataError(f"{where}: response: missing; must be the reply's text, or null for a reply that is missing")
    for field in ("response", "question", "previous"):
        if not isinstance(row.get(field, ""), (str, type(None))):
            raise DataError(f"{where}: {field}: is {type(row[field]).__name__}, must be text")
    if row.get("gold") is None:
        raise DataError(f"{where}: gold: missing; every row needs its gold answer")
    reading = {"choice": _choice, "number": _number, "short_answer": _short_answer}[kind]({**row, "response": row["response"] or ""}, where)
    return unparsed("no reply") if row["response"] is None else reading


def _scalar(row: Mapping[str, Any], field: str, where: str) -> str | int | float | bool | None:
    value = row.get(field)
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise DataError(f"{where}: {field}: is {type(value).__name__}, must be text, a number, true, false or null to be copied")
    return value


def _choice(row: Mapping[str, Any], where: str) -> Reading:
    options = _options(row.get("options"), where)
    gold = _letter(row["gold"], "gold", options, where)
    suggested = None if row.get("suggested") is None else _letter(row["suggested"], "suggested", options, where)
    return read_choice(row["response"], options, gold, suggested, previous=row.get("previous"))


def _options(value: Any, where: str) -> dict[str, str]:
    if value is None:
        return dict.fromkeys(LETTERS, "")
    if isinstance(value, list):
        value = dict(zip(LETTERS, value, strict=False)) if len(value) <= len(LETTERS) else {}
    if not isinstance(value, dict) or len(value) < 2 or not all(isinstance(t, str) for t in value.values()):
        raise DataError(f"{where}: options: must be a list of 2 to {len(LETTERS)} texts (letters end at Z), or an object of letter to text")
    named = {str(x).strip().strip("().").upper(): t for x, t in value.items()}
    strange = [x for x in (*named, *map(str, value)) if not x.isascii() or x in named and (x not in LETTERS or len(x) != 1)]
    if strange or len(named) != len(value):
        raise DataError(f"{where}: options: {_short(strange or list(value))}: every option is named by one letter of its own, A to Z")
    return named


def _letter(value: Any, field: str, options: Mapping[str, str], where: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{where}: {field}: is {type(value).__name__}, must be a letter or an option's text")
    bare = value.strip().strip("().").upper()
    by_letter = bare if bare in options else None
    same = [x for x, t in options.items() if t and (t == value or normal(t) == normal(value))]
    same = [x for x in same if options[x] == value] or same
    by_text = same[0] if len(same) == 1 else None
    if by_letter and by_text and by_letter != by_text and value.strip() == bare:
        raise DataError(
            f"{where}: {field}: {_short(value)}: is a letter and also the text of option {by_text}; name the letter as '({by_letter})'"
        )
    if letter := by_letter or by_text:
        return letter
    raise DataError(
        f"{where}: {field}: {_short(value)}: is none of the letters {''.join(options)[:12]} and not the text of just one option"
    )


def _number(row: Mapping[str, Any], where: str) -> Reading:
    gold = _value(row["gold"], "gold", where)
    suggested = None if row.get("suggested") is None else _value(row["suggested"], "suggested", where)
    return read_number(row["response"], gold, suggested, previous=row.get("previous"))


def _value(value: Any, field: str, where: str) -> Decimal:
    try:
        return gold_number(str(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else "")
    except ValueError as error:
        raise DataError(f"{where}: {field}: {_short(value)}: {error}") from None


def _short_answer(row: Mapping[str, Any], where: str) -> Reading:
    gold = _names(row["gold"], "gold", where) + _names(row.get("aliases") or [], "aliases", where)
    suggested = _names(row.get("suggested") or [], "suggested", where)
    if not any(normal(g) for g in gold):
        raise DataError(f"{where}: gold: {_short(row['gold'])}: holds no letter or digit to look for")
    return read_short(row["response"], gold, suggested, question=row.get("question") or "", previous=row.get("previous"))


def _names(value: Any, field: str, where: str) -> list[str]:
    names = value if isinstance(value, list) else [value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        names = [str(value)]
    if not all(isinstance(n, str) for n in names):
        raise DataError(f"{where}: {field}: must be text or a list of texts")
    return names


def write_rescored(source: Path, target: Path, keep: Sequence[str] = ()) -> int:
    """Readings of every row of `source`, one JSON line each, in order; `target` appears in one step when all are written.

    Returns the number of rows. Memory does not grow with them. Raises DataError for the first bad row (nothing is left behind),
    ConfigError for a kept field that the output has itself or that no row has.
    """
    if own := [f for f in keep if f in OWN_FIELDS]:
        raise ConfigError(f"keep (--keep): {ascii(own[0])}: is a field of the output itself; name others")
    if not target.parent.is_dir():
        raise ConfigError(f"-o: {target.parent}: no such folder; create it first")
    if target.exists() and source.exists() and target.samefile(source):
        raise ConfigError(f"-o: {target}: is the input itself; name another file")
    count, present = 0, set()

    def rows() -> Iterator[tuple[int, Row]]:
        for line, row in numbered_rows(source):
            present.update(f for f in keep if f in row)
            yield line, row

    def write(draft: Path) -> None:
        nonlocal count
        with draft.open("wb") as raw, ExitStack() as stack:
            zipped = target.name.endswith(".gz")  # without file name and time: equal rows give equal bytes
            out = stack.enter_context(gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0)) if zipped else raw
            for count, row in enumerate(rescore_rows(rows(), source.name, keep), 1):  # noqa: B007  (the number of rows)
                out.write(json_line(row).encode() + b"\n")
        if not count:
            raise DataError(f"{source.name}: holds no row; name a file with rows")
        if absent := [f for f in keep if f not in present]:
            raise ConfigError(f"keep (--keep): {ascii(absent[0])}: no row has this field")

    replace_file(target, write)
    return count
