"""One model's trials on one instrument: its items asked, its answers written as a table and as transcripts, and the cells that hold them."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import operator
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from holdfast.backends.identity import Identity
from holdfast.backends.keys import ModelKey
from holdfast.config import Study
from holdfast.instruments.base import Answered
from holdfast.instruments.written import drop_missing, trials
from holdfast.records import Item, Prompt, Response, Trial
from holdfast.sources.materials import InstrumentItems
from holdfast.store import Store

TRIAL_FIELDS = [f.name for f in dataclasses.fields(Trial)]
_values = operator.attrgetter(*TRIAL_FIELDS)
_encode = json.JSONEncoder(ensure_ascii=False).encode
Tick = Callable[[int], None]


class TrialCells:
    """The cells of a study's trials, one per model and instrument. `identity`: what one is made from, None while its adapter is missing."""

    def __init__(self, study: Study, store: Store, identity: Callable[[ModelKey, str], Identity | None]):
        self.kinds, self.store, self.identity = [i.kind for i in study.instruments], store, identity

    def find(self, key: ModelKey, kind: str) -> Path | None:
        identity = self.identity(key, kind)
        return self.store.find(self.store.name("trials", identity)) if identity is not None else None

    def missing(self, key: ModelKey) -> list[str]:
        """Instruments whose trials of this model have to be made."""
        return [kind for kind in self.kinds if self.find(key, kind) is None]

    def of(self, key: ModelKey) -> list[Path] | None:
        """One cell per instrument, in the study's order; None if any is missing."""
        places = [place for kind in self.kinds if (place := self.find(key, kind)) is not None]
        return places if len(places) == len(self.kinds) else None

    def making(self, key: ModelKey, kind: str) -> AbstractContextManager[Path]:
        identity = self.identity(key, kind)
        assert identity is not None
        return self.store.making(self.store.name("trials", identity), identity)


def ask_items(asked: InstrumentItems, engine: Any, progress: Tick | None = None, watch: Sequence[int] = ()) -> tuple[list[Answered], Any]:
    """(per item its prompts with their responses, what `engine.watched` holds of the watched first prompts).

    First-stage prompts come first, then those that depend on the answers. An item whose first condition got no answer is asked none of these.
    """
    instrument = asked.instrument
    first = [p for prompts in asked.prompts for p in prompts]
    responses = iter(engine.answer(first, key=(asked.config.kind, asked.digest), progress=progress, watch=watch))
    watched = engine.watched
    answered = [[(p, next(responses)) for p in prompts] for prompts in asked.prompts]
    follow_ups = []
    for item, pairs in zip(asked.items, answered, strict=True):
        readable = drop_missing(pairs)
        has_first = any(p.condition == instrument.conditions[0] for p, _ in readable)
        follow_ups.append(instrument.follow_ups(item, readable) if has_first else [])
    responses = iter(engine.answer([p for prompts in follow_ups for p in prompts]) if any(follow_ups) else [])
    for item, pairs, prompts in zip(asked.items, answered, follow_ups, strict=True):
        pairs += [(p, next(responses)) for p in prompts]
        pairs += [spoken for p, r in pairs if r.branches for spoken in instrument.branch_answers(item, p, r)]
    return answered, watched


def write_trials(draft: Path, model: str, asked: InstrumentItems, answered: Sequence[Answered], kl: Sequence[float] = ()) -> None:
    """trials.parquet and transcripts.jsonl.gz of one model on one instrument. `kl`: per item, nats; empty where it is not known."""
    kind = asked.config.kind
    rows: list[tuple[Any, ...]] = []
    lines = io.BytesIO()
    with gzip.GzipFile(fileobj=lines, mode="wb", compresslevel=1, mtime=0) as stream:
        for n, (item, pairs) in enumerate(zip(asked.items, answered, strict=True)):
            pair_of = {(p.condition, p.rotation): (p, r) for p, r in pairs}
            for trial in trials(asked.instrument, item, pairs):
                transcript = f"{model}/{kind}/{item.item_id}/{trial.condition}/{trial.rotation}"
                if kl and trial.condition == asked.instrument.conditions[0]:
                    trial = dataclasses.replace(trial, kl=kl[n])
                rows.append((*_values(trial), transcript))
                if pair := pair_of.get((trial.condition, trial.rotation)):
                    stream.write(_transcript(transcript, model, kind, item, *pair, trial).encode() + b"\n")
    names = [*TRIAL_FIELDS, "transcript_id"]
    columns: dict[str, list[Any]] = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)) if rows else {n: [] for n in names}
    columns["ended"] = [None if e is None else bool(e) for e in columns["ended"]]
    table = pa.table({name: pa.array(values, SCHEMA.field(name).type) for name, values in columns.items()})
    pq.write_table(table, draft / "trials.parquet", compression="zstd")
    (draft / "transcripts.jsonl.gz").write_bytes(lines.getvalue())


def _transcript(name: str, model: str, kind: str, item: Item, prompt: Prompt, response: Response, trial: Trial) -> str:
    text = " ".join(f"[{m.role}] {m.content}" for m in prompt.messages) if not prompt.plain else prompt.messages[0].content
    if response.failed is not None:
        reply = {"reply": f"[no answer: {response.failed}]"}
    elif not prompt.choices or response.text is not None:
        reply = {"reply": response.text}
    else:
        reply = {"choices": prompt.choices, "logliks": [round(x, 6) for x in response.logliks]}
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
            "prompt": text,
            "prefill": prompt.prefill,
            **reply,
            "gold": gold,
            "outcome": trial.outcome,
        }
    )


_STRINGS = {"item_id", "cluster_id", "condition", "form", "outcome", "transcript_id"}
_INTS = {"rotation", "label", "num_prompt_tokens", "num_new_tokens"}
_BOOLS = {"tie", "refused", "apologised", "ended"}
_LISTS = {"loglik_others"}
SCHEMA = pa.schema(
    [
        (
            name,
            pa.string()
            if name in _STRINGS
            else pa.int32()
            if name in _INTS
            else pa.bool_()
            if name in _BOOLS
            else pa.list_(pa.float64())
            if name in _LISTS
            else pa.float64(),
        )
        for name in [*TRIAL_FIELDS, "transcript_id"]
    ]
)
