"""The trials table and the transcripts: how one model's answers to one instrument are written down."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import operator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from holdfast.instruments.written import trials
from holdfast.records import Item, Prompt, Response, Trial
from holdfast.sources.materials import Asked

TRIAL_FIELDS = [f.name for f in dataclasses.fields(Trial)]
_values = operator.attrgetter(*TRIAL_FIELDS)
_encode = json.JSONEncoder(ensure_ascii=False).encode


def write_trials(draft: Path, model: str, kind: str, asked: Asked, answered: list[list[tuple[Prompt, Response]]], kl: list[float]) -> None:
    """trials.parquet and transcripts.jsonl.gz of one model on one instrument."""
    rows: list[tuple[Any, ...]] = []
    kl_at = TRIAL_FIELDS.index("kl")
    lines = io.BytesIO()
    with gzip.GzipFile(fileobj=lines, mode="wb", compresslevel=1, mtime=0) as stream:
        for n, (item, pairs) in enumerate(zip(asked.items, answered, strict=True)):
            by_place = {(p.condition, p.rotation): (p, r) for p, r in pairs}
            for trial in trials(asked.instrument, item, pairs):
                transcript = f"{model}/{kind}/{item.item_id}/{trial.condition}/{trial.rotation}"
                row = (*_values(trial), transcript)
                if kl and trial.condition == asked.instrument.conditions[0]:
                    row = (*row[:kl_at], kl[n], *row[kl_at + 1 :])
                rows.append(row)
                place = by_place.get((trial.condition, trial.rotation))
                if place:
                    stream.write(_transcript(transcript, model, kind, item, *place, trial).encode() + b"\n")
    names = [*TRIAL_FIELDS, "transcript_id"]
    columns: dict[str, list[Any]] = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {n: [] for n in names}
    columns["ended"] = [None if e is None else bool(e) for e in columns["ended"]]
    table = pa.table({name: pa.array(values, SCHEMA.field(name).type) for name, values in columns.items()})
    pq.write_table(table, draft / "trials.parquet", compression="zstd")
    (draft / "transcripts.jsonl.gz").write_bytes(lines.getvalue())


def _transcript(name: str, model: str, kind: str, item: Item, prompt: Prompt, response: Response, trial: Trial) -> str:
    said = " ".join(f"[{m.role}] {m.content}" for m in prompt.messages) if not prompt.plain else prompt.messages[0].content
    reply: dict[str, Any] = (
        {"reply": f"[no answer: {response.failed}]"}
        if response.failed is not None
        else {"reply": response.text}
        if not prompt.choices or response.text is not None
        else {"choices": prompt.choices, "logliks": [round(x, 6) for x in response.logliks]}
    )
    named = (item.fields.get("aliases") or {}).get("correct") or [None]
    gold = prompt.choices[prompt.gold] if prompt.choices and prompt.gold is not None else item.fields.get("answer", named[0])
    return _encode(
        {
            "transcript_id": name,
            "model": model,
            "instrument": kind,
            "item_id": item.item_id,
            "condition": prompt.condition,
            "rotation": prompt.rotation,
            "prompt": said,
            "prefill": prompt.prefill,
            **reply,
            "gold": gold,
            "outcome": trial.outcome,
        }
    )


_STRINGS = {"item_id", "cluster_id", "condition", "form", "outcome", "transcript_id"}
_INTS = {"rotation", "label", "num_prompt_tokens", "num_new_tokens"}
_BOOLS = {"tie", "refused", "apologised", "ended"}
SCHEMA = pa.schema(
    [
        (name, pa.string() if name in _STRINGS else pa.int32() if name in _INTS else pa.bool_() if name in _BOOLS else pa.float64())
        for name in [*TRIAL_FIELDS, "transcript_id"]
    ]
)
