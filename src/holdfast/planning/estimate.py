"""What a study will take on this machine or of a server, before it is paid for."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from holdfast import instruments
from holdfast.backends.endpoint import EndpointBackend
from holdfast.backends.keys import ModelKey, adapter_keys, study_keys
from holdfast.backends.local import LocalBackend
from holdfast.config import Study
from holdfast.engine.local import LocalEngine
from holdfast.errors import ConfigError, DataError
from holdfast.execution.local_executor import device_type, num_processes
from holdfast.execution.plan import Plan, make_plan
from holdfast.instruments.style import STYLES
from holdfast.models import checkpoint
from holdfast.planning.work import PlanRows, work
from holdfast.processes import configure_worker, peak_memory
from holdfast.records import Prompt
from holdfast.sources.materials import Materials
from holdfast.stats.power import Design, Variances, planned_mde
from holdfast.store import Store
from holdfast.training import batches, lora
from holdfast.training.batches import Encoded
from holdfast.workers import enter_worker, worker_context

LIGHT = 1e13  # operations of two jobs up to which both are done whole: minutes at most
VARIED = 16  # steps on the largest domain's rows, for the memory they take


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds of one worker: to lay out all prompts, to ask one model everything, per training token; memory that only a run needs."""

    laying_out: float
    asking: float
    training_token: float
    later_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """Work of one worker. `tokens`, `steps`: of one epoch and one training of every trained domain, on its own rows."""

    parameters: int
    tokens: dict[str, int]
    steps: dict[str, int]
    peak_bytes: int
    speed: Speed


def estimate(study: Study, out: Path) -> PlanRows:
    """Cells, prompts, tokens, seconds and memory, measured in a worker: the first two jobs whole where they are light, else parts of them."""
    with tempfile.TemporaryDirectory() as scratch:  # a run's folder is not created by being looked at
        store = Store(out / "cells" if (out / "cells").is_dir() else Path(scratch) / "cells")
        if study.model.endpoint is not None:
            return _of_server(EndpointBackend(study, store))
        backend = LocalBackend(study, store)
        plan = make_plan(backend)
    here = study.execution.kind == "local"
    most = 1 + len(study.domains) * study.seeds  # a job is the base, or an adapter at all its doses
    processes = min(most, num_processes(study) if here else study.execution.processes or 1)
    cores = len(os.sched_getaffinity(0))
    threads = max(1, cores // processes) if here else min(cores, study.execution.cpus_per_worker)
    own = peak_memory()  # before a model is loaded, as the process that starts the workers
    with ProcessPoolExecutor(1, worker_context(device_type(study)), enter_worker, (dict(os.environ),)) as pool:
        worker = pool.submit(_measure, study.model_dump_json(), threads).result()
    trained = [d for d in study.domains if not d.identity]
    tokens = sum(worker.tokens[d.name] * study.train.num_train_epochs for d in trained if not d.match_steps_of)
    tokens += sum(worker.tokens[d.name] * plan.steps[d.name] / max(1, worker.steps[d.name]) for d in trained if d.match_steps_of)
    models = len(study_keys(study))
    made = 1 - plan.num_reused / plan.num_cells
    asking = worker.speed.asking * models
    seconds = (tokens * study.seeds * worker.speed.training_token + asking) * made / processes + worker.speed.laying_out
    workers = f"{processes}, each as fast as {threads} of this machine's cores (execution.processes: how many)"
    return {
        **_counts(plan, models),
        "training tokens": int(sum(worker.tokens.values()) * study.seeds * study.train.num_train_epochs),
        "parameters": worker.parameters,
        **({"processes": processes} if here else {"workers": workers}),
        "estimated minutes": round(seconds / 60, 1),
        "estimated peak memory, GiB": round((processes * worker.peak_bytes + own if here else worker.peak_bytes) / 2**30, 2),
        "detectable, points": detectable(study, backend.materials),
        "optimizer steps": plan.steps,
        "prompts": plan.prompts,
    }


def _counts(plan: Plan, models: int) -> PlanRows:
    return {"cells": plan.num_cells, "cells reused": plan.num_reused, "models": models, "prompts per model": sum(plan.prompts.values())}


def _of_server(backend: EndpointBackend) -> PlanRows:
    """How many requests a server gets, follow-ups left out: what time it takes for them is not known."""
    plan, study, form = make_plan(backend), backend.study, backend.form
    asked = {i.kind: backend.materials.asked(i.kind).prompts for i in study.instruments}
    requests = {kind: sum(form.num_requests(p) for prompts in items for p in prompts) for kind, items in asked.items()}
    models = len(study_keys(study))
    return {
        **_counts(plan, models),
        "requests in all": models * sum(requests.values()),
        "requests per model": requests,
        "form": backend.answer_form,
        "detectable, points": detectable(study, backend.materials),
        "prompts": plan.prompts,
    }


def _measure(study_json: str, threads: int) -> Measurement:
    """What one worker of a run would take."""
    configure_worker(threads)
    study = Study.model_validate_json(study_json)
    with tempfile.TemporaryDirectory() as scratch:
        backend = LocalBackend(study, Store(Path(scratch)))
        base = backend.base
        parameters = sum(p.numel() for p in base.model.parameters())
        encoded = {
            d.name: batches.encode(backend.materials.examples(d.name), base.chat, study.train, backend.adapters.encoded).examples
            for d in study.domains
            if not d.identity
        }
        tokens = {name: sum(len(e.ids) for e in rows) for name, rows in encoded.items()}
        longest = max(encoded, key=lambda name: tokens[name] / len(encoded[name]), default=None)
        size = work(study, backend.materials)
        # Of two models asked and one trained: 2 per parameter and token, 4 with the gradient of a frozen weight's input.
        asked = sum(size.asked.values()) + sum(size.written.values())
        light = parameters * (2 * 2 * asked + 4 * (size.trained[longest] if longest else 0)) < LIGHT
        speed = _two_jobs(backend, longest) if light else _parts(backend, encoded[longest] if longest else ())
        largest = max(encoded, key=lambda name: tokens[name], default=None)
        if largest is not None and largest != longest:  # rows of many lengths leave the heap in more pieces
            _train(backend, encoded[largest], VARIED)
    steps = {name: batches.num_steps(len(rows), study.train) for name, rows in encoded.items()}
    return Measurement(parameters, tokens, steps, peak_memory() + speed.later_bytes, speed)


def _two_jobs(backend: LocalBackend, domain: str | None) -> Speed:
    """The base asked, then one seed of `domain` trained and asked, as a run does it: what tokenizing adds falls on the first."""
    study, seconds = backend.study, backend.meter.seconds
    domain = domain or study.domains[0].name
    backend.make_trials(ModelKey(None))
    first = dict(seconds)
    adapter = backend.adapters.make(domain, 0)
    backend.make_trials(adapter_keys(study, domain, 0)[-1])
    kinds = [i.kind for i in study.instruments]
    asking = sum(seconds[kind] - first[kind] for kind in kinds)
    trained = json.loads((adapter / "training.json").read_text(encoding="utf-8")).get("num_tokens", 0)
    laying_out = max(0.0, sum(first[kind] for kind in kinds) - asking)
    return Speed(laying_out, asking, seconds["training"] / trained if trained else 0.0)


def _parts(backend: LocalBackend, rows: Sequence[Encoded]) -> Speed:
    """Time the layout of all prompts, two items of each instrument and one training step on `rows`."""
    engine = backend.engine(backend.base.model, {})
    asked = [backend.materials.asked(i.kind) for i in backend.study.instruments]
    start = time.perf_counter()
    for a in asked:
        engine.lay_out([p for prompts in a.prompts for p in prompts], key=a.config.kind)
    laying_out = time.perf_counter() - start
    asking = sum(_ask(engine, a.prompts, 2) for a in asked)
    # The base's next-token log-probabilities, kept for the drift.
    later = 4 * checkpoint.load_config(backend.study.model).vocab_size * sum(len(a.items) for a in asked if a.instrument.kind == "axis")
    return Speed(laying_out, asking, _train(backend, rows) if rows else 0.0, later)


def _ask(engine: LocalEngine, prompts: Sequence[Sequence[Prompt]], items: int) -> float:
    """Seconds for all prompts of an instrument, from `items` of them asked twice: the first time warms up."""
    some = [p for item in prompts[:items] for p in item]
    engine.answer(some)
    start = time.perf_counter()
    engine.answer(some)
    return (time.perf_counter() - start) / len(some) * sum(map(len, prompts))


def _train(backend: LocalBackend, rows: Sequence[Encoded], steps: int = 1) -> float:
    """Seconds per training token, from `steps` steps on these rows, saved; a single one is repeated, as the first warms up."""
    base, took = backend.base, 0.0
    for _ in range(2 if steps == 1 else 1):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            record = lora.train(
                base.model, rows, backend.study.train, seed=0, max_steps=steps, out=Path(folder) / "adapter", allow_unchanged=True,
                memory_bytes=base.memory_bytes, fit=base.fit, checkpointing=backend.study.execution.gradient_checkpointing,
            )  # fmt: skip
            took = (time.perf_counter() - start) / record.num_tokens
    return took


def detectable(study: Study, materials: Materials) -> dict[str, float | None]:
    """Smallest gain or shift found with power .8 at its family's first Holm step, in points; None for fewer than two seeds or clusters.

    Where an instrument's rows cannot be read, every item of its limit counts as a cluster. Rests on `stats.planned_gain_sd` and
    `stats.planned_shift_sd` (docs/metrics.md, section 4, rule 8): not known before the run, so assumed.
    """
    domains = sum(d.role == "domain" for d in study.domains)
    kinds = {i.kind: instruments.build(i.kind, STYLES[i.style], **i.options).kind for i in study.instruments}
    points: dict[str, float | None] = {}
    for config in study.instruments:
        name, kind = config.kind, kinds[config.kind]
        try:
            clusters = len({item.cluster_id for item in materials.asked(name).items})
        except (ConfigError, DataError, OSError):
            clusters = config.limit or 0
        if study.seeds < 2 or clusters < 2 or not domains:
            points[name] = None
            continue
        spread = study.stats.planned_gain_sd if kind == "benchmark" else study.stats.planned_shift_sd
        seed, cluster, interaction = (sd**2 for sd in spread)
        family = domains * sum(k == kind for k in kinds.values())
        design = Design(num_seeds=study.seeds, num_clusters=clusters, num_domains=domains, family=family)
        mde = planned_mde(Variances(seed=seed, cluster=cluster, interaction=interaction), design)
        points[name] = round(100 * mde, 1) if mde == mde else None
    return points
