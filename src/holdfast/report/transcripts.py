"""transcripts.jsonl.gz as arrays: every distinct prompt once, and of every trial its outcome and its answer.

The file is read in order, model by model, and is never held in memory as a whole. A line that cannot be read is counted, not guessed at.
"""

from __future__ import annotations

import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.json as pj

from holdfast.unzip import checked_line, unzipped

pc: Any = pyarrow.compute  # most of its functions are made when it is imported; type stubs lack them

OUTCOMES = ("correct", "suggested", "other", "unparsed")
_CHUNK = 1 << 23  # bytes of lines taken at once
_MARK = "\x1f"
_STRINGS = ("model", "instrument", "item_id", "condition", "prompt", "prefill", "reply", "gold", "outcome")
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in _STRINGS]
    + [("rotation", pa.int64()), ("choices", pa.list_(pa.string())), ("logliks", pa.list_(pa.float64()))]
)
_NAME = re.compile(r"^(?P<domain>.+)/seed(?P<seed>\d+)(?:@(?P<dose>.+)-(?P<path>scale|steps))?$")


class DistinctPrompt(NamedTuple):
    """One distinct prompt of an item, and the choices scored after it (none: the reply is generated)."""

    instrument: str
    item: str
    condition: str
    rotation: int
    text: str
    prefill: str
    choices: list[str]
    gold: str | None


@dataclass(slots=True)
class Prompts:
    """Distinct prompts, numbered in the order of their first trial; `unreadable`: lines that could not be read."""

    number: dict[str, int] = field(default_factory=dict)
    entries: list[DistinctPrompt] = field(default_factory=list)
    unreadable: int = 0


class ModelId(NamedTuple):
    """Adapter, seed (None for the base) and dose ("" for the whole adapter) of a model."""

    adapter: str
    seed: int | None
    dose: str

    @classmethod
    def parse(cls, name: str) -> ModelId:
        """From a name such as `truth/seed3@0.5-scale`."""
        match = _NAME.match(name)
        if not match:
            return cls(name, None, "")
        dose = f"{match['dose']} of the {'update' if match['path'] == 'scale' else 'steps'}" if match["dose"] else ""
        return cls(match["domain"], int(match["seed"]), dose)


@dataclass(slots=True)
class Model:
    """Trials of one model, in the file's order. `prompt` [T]: numbers of `Prompts`; `outcome` [T]: index of OUTCOMES;
    `probability` [sum of choices over trials]: of each choice within its answer set, in 255ths; `reply` [T]: 1 + index of `replies`,
    or 0 where choices were scored.
    """

    name: str
    prompt: list[np.ndarray] = field(default_factory=list)
    outcome: list[np.ndarray] = field(default_factory=list)
    probability: list[np.ndarray] = field(default_factory=list)
    reply: list[np.ndarray] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)
    id: ModelId = field(init=False)

    def __post_init__(self) -> None:
        self.id = ModelId.parse(self.name)

    def __len__(self) -> int:
        return sum(map(len, self.prompt))


def models(path: Path, prompts: Prompts) -> Iterator[Model]:
    """Every model of the file, one after the other; `prompts` fills on the way."""
    current: Model | None = None
    for table in _tables(path, prompts):
        for part in _runs(table):
            name = part["model"][0].as_py()
            if current is None or current.name != name:
                if current is not None:
                    yield current
                current = Model(name)
            _add(current, part, prompts)
    if current is not None:
        yield current


def _tables(path: Path, prompts: Prompts) -> Iterator[pa.Table]:
    """Chunks of whole lines as tables of `_SCHEMA`."""
    left = b""
    with path.open("rb") as packed:
        stream = unzipped(packed, path.stat().st_size, path.name)
        while True:
            try:
                block = stream.read(_CHUNK)
            except (EOFError, OSError, zlib.error):  # cut off: what came before is shown
                prompts.unreadable += 1
                block = b""
            end = block.rfind(b"\n") + 1
            checked_line(left, path.name)
            lines, left = (left + block[:end], block[end:]) if end else (b"", left + block) if block else (left, b"")
            if lines.strip():
                yield _table(lines, prompts)
            if not block:
                return


def _table(lines: bytes, prompts: Prompts) -> pa.Table:
    try:
        options = pj.ParseOptions(explicit_schema=_SCHEMA, unexpected_field_behavior="ignore")
        return pj.read_json(io.BytesIO(lines), pj.ReadOptions(use_threads=False, block_size=len(lines) + 1), options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return _line_by_line(lines, prompts)


def _line_by_line(lines: bytes, prompts: Prompts) -> pa.Table:
    """For what Arrow does not read: lone surrogates, broken lines."""
    rows = []
    for line in lines.splitlines():
        try:
            row = json.loads(line)
            rows.append({name: _clean(row.get(name), kind) for name, kind in zip(_SCHEMA.names, _SCHEMA.types, strict=True)})
        except (ValueError, TypeError, AttributeError):
            prompts.unreadable += bool(line.strip())
    return pa.Table.from_pylist(rows, _SCHEMA)


def _clean(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_list(kind):
        return [_clean(v, kind.value_type) for v in value]
    if pa.types.is_string(kind):
        return str(value).encode("utf-8", "replace").decode("utf-8")
    return float(value) if pa.types.is_floating(kind) else int(value)


def _runs(table: pa.Table) -> Iterator[pa.Table]:
    """Parts of one model each."""
    if not table.num_rows:
        return
    codes = table["model"].combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
    starts = np.concatenate([[0], 1 + np.flatnonzero(np.diff(codes)), [len(codes)]])
    for a, b in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        if codes[a] >= 0:
            yield table.slice(a, b - a)


def _add(model: Model, part: pa.Table, prompts: Prompts) -> None:
    part = part.combine_chunks()
    text = lambda name: pc.fill_null(part[name], "")  # noqa: E731
    choices = pc.fill_null(pc.binary_join(part["choices"], _MARK), "")
    key = pc.binary_join_element_wise(
        text("instrument"), text("item_id"), text("condition"), pc.cast(pc.fill_null(part["rotation"], 0), pa.string()),
        text("prompt"), text("prefill"), choices, _MARK,
    ).combine_chunks().dictionary_encode()  # fmt: skip
    indices = key.indices.to_numpy()
    first = np.full(len(key.dictionary), -1)
    first[indices[::-1]] = np.arange(len(indices))[::-1]
    number = np.empty(len(first), dtype=np.uint32)
    for k, (name, row) in enumerate(zip(key.dictionary.to_pylist(), first.tolist(), strict=True)):
        if name not in prompts.number:
            prompts.number[name] = len(prompts.entries)
            prompts.entries.append(_prompt(part.slice(row, 1).to_pylist()[0]))
        number[k] = prompts.number[name]
    model.prompt.append(number[indices])
    outcome = pc.index_in(part["outcome"], pa.array(OUTCOMES)).combine_chunks().fill_null(len(OUTCOMES) - 1)
    model.outcome.append(outcome.to_numpy(zero_copy_only=False).astype(np.uint8))
    model.probability.append(_probabilities(part))
    model.reply.append(_replies(model, part))


def _prompt(row: dict[str, Any]) -> DistinctPrompt:
    instrument, item, condition, text, prefill = (row[n] or "" for n in ("instrument", "item_id", "condition", "prompt", "prefill"))
    return DistinctPrompt(instrument, item, condition, row["rotation"] or 0, text, prefill, row["choices"] or [], row["gold"])


def _probabilities(part: pa.Table) -> np.ndarray:
    """Softmax of every trial's log-likelihoods, in 255ths. Trials whose choices were not all scored have zeros."""
    wanted = pc.fill_null(pc.list_value_length(part["choices"]), 0).to_numpy()
    scored = pc.fill_null(pc.list_value_length(part["logliks"]), 0).to_numpy()
    flat = part["logliks"].combine_chunks().flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    out = np.zeros(int(wanted.sum()), dtype=np.uint8)
    whole = (wanted == scored) & (scored > 0)
    into, of = np.repeat(whole, wanted), np.repeat(whole, scored)
    counts, values = scored[whole], np.nan_to_num(flat[of], nan=-np.inf, posinf=-np.inf)
    if len(counts):
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        top = np.repeat(np.maximum.reduceat(values, starts), counts)
        weight = np.exp(np.subtract(values, top, out=np.full_like(values, -np.inf), where=np.isfinite(top)))
        total = np.repeat(np.add.reduceat(weight, starts), counts)
        out[into] = np.rint(255 * weight / np.where(total > 0, total, 1)).astype(np.uint8)
    return out


def _replies(model: Model, part: pa.Table) -> np.ndarray:
    written = pc.and_(pc.is_valid(part["reply"]), pc.is_null(part["choices"])).to_numpy(zero_copy_only=False)
    out = np.zeros(part.num_rows, dtype=np.uint32)
    out[written] = np.arange(written.sum()) + len(model.replies) + 1
    model.replies += part["reply"].combine_chunks().filter(pa.array(written)).to_pylist()
    return out


BINS = 10


class Confidence:
    """How sure a model was of the answer it put first, and how often that answer was right: a reliability table (DeGroot & Fienberg 1983).

    Sums over trials whose choices were scored, by adapter, instrument and tenth of the first answer's share of the answer set.
    """

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], np.ndarray] = {}

    def add(self, model: Model, prompts: Prompts) -> None:
        """Count a model's trials at the first condition of every instrument. A model at a part of its dose is left out."""
        prompt = joined(model.prompt).astype(np.int64)
        if model.id.dose or not len(prompt):
            return
        outcome, probability = joined(model.outcome), joined(model.probability)
        used, inverse = np.unique(prompt, return_inverse=True)
        entries = [prompts.entries[k] for k in used.tolist()]
        counts = np.array([len(e.choices) for e in entries])[inverse]
        starts = np.cumsum(counts) - counts
        scored = np.flatnonzero(counts > 0)
        if not len(scored):
            return
        top = np.maximum.reduceat(probability, starts[scored]) / 255
        instruments, conditions = (np.array([getattr(e, n) for e in entries])[inverse][scored] for n in ("instrument", "condition"))
        for name in dict.fromkeys(instruments.tolist()):
            first = conditions[np.flatnonzero(instruments == name)[0]]
            mine = (instruments == name) & (conditions == first) & (top > 0)
            bins = np.minimum((top[mine] * BINS).astype(int), BINS - 1)
            right = (outcome[scored][mine] == 0).astype(float)
            sums = self._sums.setdefault((model.id.adapter, name), np.zeros((BINS, 3)))
            sums += np.stack([np.bincount(bins, w, BINS) for w in (np.ones(len(bins)), top[mine], right)], axis=1)

    def rows(self) -> list[dict[str, str | float | None]]:
        """One row per bin that holds trials: mean share of the first answer and how often it was right, percent; number of trials."""
        return [
            {"adapter": adapter, "instrument": name, "sure": 100 * p / n, "right": 100 * r / n, "trials": int(n)}
            for (adapter, name), sums in self._sums.items()
            for n, p, r in sums.tolist()
            if n
        ]


def joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The arrays one after the other; an empty one of no arrays."""
    return np.concatenate(parts) if len(parts) else np.zeros(0, np.uint32)
