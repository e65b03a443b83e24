"""The cells of a study: what each is made from, and the making of it in this process."""

from __future__ import annotations

import dataclasses
import gzip
import io
import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from holdfast.config import Study
from holdfast.execution.materials import Asked, Materials
from holdfast.models import checkpoint
from holdfast.records import Example, Item, Prompt, Response, Trial
from holdfast.store import Store, canonical, digest, file_digest
from holdfast.training import batches

# Raised when a change of code changes the numbers of a cell of that kind.
TRAINING_CODE = 1
TRIALS_CODE = 2
Tick = Callable[[int], None]


def library_versions() -> dict[str, str]:
    return {name: version(name) for name in ("torch", "transformers", "peft", "tokenizers")}


def model_name(domain: str | None, seed: int) -> str:
    return "base" if domain is None else f"{domain}/seed{seed}"


class Cells:
    """Identities and makers of a study's cells. Heavy things (base, tokens) are loaded when first needed, then kept."""

    def __init__(self, study: Study, store: Store):
        self.study, self.store, self.materials = study, store, Materials(study)
        self._token_cache: dict[Any, Any] = {}
        self._base_next: dict[str, Any] = {}
        self.seconds: dict[str, float] = {}

    @cached_property
    def base_digest(self) -> str:
        return checkpoint.digest(self.study.model)

    @cached_property
    def base(self) -> checkpoint.Base:
        return checkpoint.load_base(self.study.model, checkpoint.pick_device(self.study.execution.device))

    @cached_property
    def _example_digests(self) -> dict[str, str]:
        return {}

    def examples_digest(self, domain: str) -> str:
        if domain not in self._example_digests:
            self._example_digests[domain] = digest([dataclasses.asdict(e) for e in self.materials.examples(domain)])
        return self._example_digests[domain]

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - start

    # --- adapters -------------------------------------------------------------------------------------------------------

    def max_steps(self, domain: str) -> int:
        config = self.study.domain(domain)
        examples: Sequence[Example] = self.materials.examples(config.match_steps_of or domain)
        return batches.num_steps(len(examples), self.study.train)

    def adapter_identity(self, domain: str, seed: int) -> dict[str, Any]:
        config = self.study.domain(domain)
        shared = {
            "base": self.base_digest,
            "dtype": self.study.model.dtype,
            "seed": seed,
            "versions": library_versions(),
            "code": TRAINING_CODE,
            "train": self.study.train.model_dump(mode="json", exclude={"tokens_per_pass"}),
        }
        if config.identity:
            return {**shared, "identity_adapter": True}
        return {**shared, "examples": self.examples_digest(domain), "max_steps": self.max_steps(domain)}

    def adapter(self, domain: str, seed: int, tick: Tick = lambda _: None) -> Path:
        """The adapter's cell, trained if it is not there."""
        identity = self.adapter_identity(domain, seed)
        name = self.store.name("adapter", identity)
        found = self.store.find(name)
        if found is None:
            with self.store.making(name, identity) as draft, self._timed("training"):
                self._train(domain, seed, draft, tick)
            found = self.store.find(name)
            assert found is not None
        return found

    def _train(self, domain: str, seed: int, draft: Path, tick: Tick) -> None:
        from holdfast.training import lora

        config, train = self.study.domain(domain), self.study.train
        if config.identity:
            lora.identity(self.base.model, train, seed, draft / "adapter")
            (draft / "training.json").write_text(canonical({"num_steps": 0, "identity": True}) + "\n", encoding="utf-8")
            return
        encoding = batches.encode(self.materials.examples(domain), self.base.chat, train)
        trainer = lora.train
        if train.trainer == "trl":
            from holdfast.training import reference

            trainer = reference.train
        record = trainer(
            self.base.model,
            encoding.examples,
            train,
            seed=seed,
            max_steps=self.max_steps(domain),
            out=draft / "adapter",
            progress=lambda k: tick(k * batches.examples_per_step(train)),
        )
        summary = {
            **dataclasses.asdict(record),
            "num_examples": len(encoding.examples),
            "num_dropped": encoding.num_dropped,
            "num_truncated": encoding.num_truncated,
        }
        (draft / "training.json").write_text(canonical(summary) + "\n", encoding="utf-8")

    # --- trials ---------------------------------------------------------------------------------------------------------

    def trials_identity(self, model: str, adapter: Path | None, kind: str) -> dict[str, Any]:
        asked = self.materials.asked(kind)
        weights = {p.name: file_digest(p) for p in sorted((adapter / "adapter").iterdir())} if adapter else None
        return {
            "model": model,
            "base": self.base_digest,
            "dtype": self.study.model.dtype,
            "adapter": weights,
            "kind": kind,
            "style": asked.config.style,
            "options": asked.config.options,
            "items": asked.digest,
            "code": TRIALS_CODE,
            "versions": library_versions(),
        }

    def missing_trials(self, model: str, adapter: Path | None) -> list[str]:
        kinds = [i.kind for i in self.study.instruments]
        return [k for k in kinds if self.store.find(self.store.name("trials", self.trials_identity(model, adapter, k))) is None]

    def trials(self, domain: str | None, seed: int, tick: Tick = lambda _: None) -> list[Path]:
        """The cells of every instrument for the base (`domain` None) or one adapter, asked if they are not there."""
        from holdfast.engine.local import LocalEngine
        from holdfast.models.adapters import adapted

        model = model_name(domain, seed)
        adapter = self.adapter(domain, seed, tick) if domain is not None else None
        missing = self.missing_trials(model, adapter)
        if missing:

            def ask(network: Any) -> None:
                engine = LocalEngine(network, self.base.chat, self.study.execution.tokens_per_batch, cache=self._token_cache)
                for kind in missing:
                    with self._timed(kind):
                        self._ask(engine, model, adapter, kind, tick)

            if adapter is None:
                ask(self.base.model)
            else:
                for kind in missing:
                    self._next_of_base(kind)
                with adapted(self.base.model, adapter / "adapter") as network:
                    ask(network)
        names = [self.store.name("trials", self.trials_identity(model, adapter, i.kind)) for i in self.study.instruments]
        return [self.store.folder / name for name in names]

    def _first_condition(self, kind: str) -> list[Prompt]:
        """The prompts at whose answer slot an axis's drift is read, one an item; none for a benchmark."""
        asked = self.materials.asked(kind)
        if asked.instrument.kind != "axis":
            return []
        return [next(p for p in prompts if p.condition == asked.instrument.conditions[0]) for prompts in asked.prompts]

    def _next_of_base(self, kind: str) -> Any:
        from holdfast.engine.local import LocalEngine

        prompts = self._first_condition(kind)
        if prompts and kind not in self._base_next:
            engine = LocalEngine(self.base.model, self.base.chat, self.study.execution.tokens_per_batch)
            self._base_next[kind] = engine.next_logprobs(prompts)
        return self._base_next.get(kind)

    def _kl(self, engine: Any, kind: str) -> list[float]:
        """KL(base || adapted) per item, nats."""
        prompts, base = self._first_condition(kind), self._base_next.get(kind)
        if not prompts or base is None:
            return []
        adapted = engine.next_logprobs(prompts)
        return (base.exp() * (base - adapted)).sum(-1).clamp_min(0).tolist()

    def _ask(self, engine: Any, model: str, adapter: Path | None, kind: str, tick: Tick) -> None:
        asked = self.materials.asked(kind)
        first = asked.prompts
        responses = iter(engine.answer([p for prompts in first for p in prompts], key=(kind, asked.digest), progress=tick))
        answered = [[(p, next(responses)) for p in prompts] for prompts in first]
        follow = [asked.instrument.follow_ups(item, pairs) for item, pairs in zip(asked.items, answered, strict=True)]
        later = iter(engine.answer([p for prompts in follow for p in prompts]) if any(follow) else [])
        for pairs, prompts in zip(answered, follow, strict=True):
            pairs += [(p, next(later)) for p in prompts]
        identity = self.trials_identity(model, adapter, kind)
        with self.store.making(self.store.name("trials", identity), identity) as draft:
            _write_trials(draft, model, kind, asked, answered, self._kl(engine, kind) if adapter else [])


TRIAL_FIELDS = [f.name for f in dataclasses.fields(Trial)]


def _write_trials(
    draft: Path, model: str, kind: str, asked: Asked, answered: list[list[tuple[Prompt, Response]]], kl: list[float]
) -> None:
    """trials.parquet and transcripts.jsonl.gz of one model on one instrument."""
    rows: list[dict[str, Any]] = []
    lines = io.BytesIO()
    with gzip.GzipFile(fileobj=lines, mode="wb", compresslevel=1, mtime=0) as stream:
        for n, (item, pairs) in enumerate(zip(asked.items, answered, strict=True)):
            by_place = {(p.condition, p.rotation): (p, r) for p, r in pairs}
            for trial in asked.instrument.trials(item, pairs):
                transcript = f"{model}/{kind}/{item.item_id}/{trial.condition}/{trial.rotation}"
                row = {name: getattr(trial, name) for name in TRIAL_FIELDS}
                if kl and trial.condition == asked.instrument.conditions[0]:
                    row["kl"] = kl[n]
                rows.append({**row, "transcript_id": transcript})
                place = by_place.get((trial.condition, trial.rotation))
                if place:
                    stream.write(_transcript(transcript, model, kind, item, *place, trial).encode() + b"\n")
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in [*TRIAL_FIELDS, "transcript_id"]}
    columns["ended"] = [None if e is None else bool(e) for e in columns["ended"]]
    table = pa.table({name: pa.array(values, SCHEMA.field(name).type) for name, values in columns.items()})
    pq.write_table(table, draft / "trials.parquet", compression="zstd")
    (draft / "transcripts.jsonl.gz").write_bytes(lines.getvalue())


def _transcript(name: str, model: str, kind: str, item: Item, prompt: Prompt, response: Response, trial: Trial) -> str:
    said = " ".join(f"[{m.role}] {m.content}" for m in prompt.messages) if not prompt.plain else prompt.messages[0].content
    reply: dict[str, Any] = (
        {"reply": response.text}
        if not prompt.choices
        else {"choices": prompt.choices, "logliks": [round(x, 6) for x in response.logliks]}
    )
    gold = prompt.choices[prompt.gold] if prompt.choices and prompt.gold is not None else item.fields.get("answer")
    return json.dumps(
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
        },
        ensure_ascii=False,
    )


_STRINGS = {"item_id", "cluster_id", "condition", "form", "outcome", "transcript_id"}
_INTS = {"rotation", "label", "num_prompt_tokens", "num_new_tokens"}
_BOOLS = {"tie", "refused", "apologised", "ended"}
SCHEMA = pa.schema(
    [
        (
            name,
            pa.string() if name in _STRINGS else pa.int32() if name in _INTS else pa.bool_() if name in _BOOLS else pa.float64(),
        )
        for name in [*TRIAL_FIELDS, "transcript_id"]
    ]
)


def environment() -> dict[str, Any]:
    """Versions and machine, for environment.json: no path, no variable, no secret."""
    import os

    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "libraries": {**library_versions(), **{n: version(n) for n in ("numpy", "scipy", "pyarrow", "holdfast")}},
    }
