"""What a study will take, before it is paid for."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.config import Study

LIGHT = 1e13  # operations of two jobs up to which both are done whole: minutes at most
VARIED = 16  # steps on the largest domain's rows, for the memory they take


def estimate(study: Study, out: Path) -> dict[str, Any]:
    """Cells, prompts, tokens, seconds and memory, measured in a worker: the first two jobs whole where they are light, else parts of them."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from holdfast import pipeline
    from holdfast.backends.endpoint import ServedCells, open_cells
    from holdfast.execution.keys import study_keys
    from holdfast.execution.local_executor import num_processes
    from holdfast.processes import peak_memory
    from holdfast.store import Store

    cells = open_cells(study, _reading(Store, out))
    plan = pipeline.make_plan(cells)
    if isinstance(cells, ServedCells):
        return _of_requests(cells, plan)
    here = study.execution.kind == "local"
    processes = num_processes(study) if here else study.execution.processes or 1
    processes = min(processes, 1 + len(study.domains) * study.seeds)  # a job is the base, or an adapter at all its doses
    cores = len(os.sched_getaffinity(0))
    threads = max(1, cores // processes) if here else min(cores, study.execution.cpus_per_worker)
    own = peak_memory()  # before a model is loaded, as the process that starts the workers
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(_measured, study.model_dump_json(), str(out), threads).result()
    tokens = found["tokens"]
    trained = [d for d in study.domains if not d.identity]
    training = sum(tokens[d.name] * study.train.num_train_epochs for d in trained if not d.match_steps_of)
    training += sum(tokens[d.name] * plan.steps[d.name] / max(1, found["own_steps"][d.name]) for d in trained if d.match_steps_of)
    training *= study.seeds * found["training_token_s"]
    models = len(study_keys(study))
    share = 1 - plan.num_reused / plan.num_cells
    seconds = (training + found["asking_s"] * models) * share / processes + found["laying_out_s"]
    return {
        "cells": plan.num_cells,
        "cells reused": plan.num_reused,
        "models": models,
        "prompts per model": sum(plan.prompts.values()),
        "training tokens": int(sum(tokens.values()) * study.seeds * study.train.num_train_epochs),
        "parameters": found["parameters"],
        **(
            {"processes": processes}
            if here
            else {"workers": f"{processes}, each as fast as {threads} of this machine's cores (execution.processes: how many)"}
        ),
        "estimated minutes": round(seconds / 60, 1),
        "estimated peak memory, GiB": round((processes * found["peak_bytes"] + own if here else found["peak_bytes"]) / 2**30, 2),
        "detectable, points": detectable(study, cells.materials),
        "optimiser steps": plan.steps,
        "prompts": plan.prompts,
    }


def _of_requests(cells: Any, plan: Any) -> dict[str, Any]:
    """A server's time is its own: what is told is how many requests it gets, follow-ups left out."""
    from holdfast.endpoints.engine import Form
    from holdfast.execution.keys import study_keys

    form = Form(cells.can, cells.chat())
    study, prompts = (
        cells.study,
        {i.kind: [p for mine in cells.materials.asked(i.kind).prompts for p in mine] for i in cells.study.instruments},
    )
    requests = {kind: sum(form.num_requests(p) for p in mine) for kind, mine in prompts.items()}
    models = len(study_keys(study))
    return {
        "cells": plan.num_cells,
        "cells reused": plan.num_reused,
        "models": models,
        "prompts per model": sum(plan.prompts.values()),
        "requests in all": models * sum(requests.values()),
        "requests per model": requests,
        "form": cells.about([])["form"],
        "detectable, points": detectable(study, cells.materials),
        "prompts": plan.prompts,
    }


def _measured(study_json: str, out: str, threads: int) -> dict[str, Any]:
    """What one worker of a run would take: tokens and steps of every domain, and what `_two_jobs` or `_parts` found."""
    from holdfast.backends.local import Cells
    from holdfast.processes import peak_memory, quieten
    from holdfast.store import Store
    from holdfast.training import batches

    quieten(threads)
    study = Study.model_validate_json(study_json)
    with tempfile.TemporaryDirectory() as scratch:
        cells = Cells(study, Store(Path(scratch)))
        parameters = sum(p.numel() for p in cells.base.model.parameters())
        encoded = {
            d.name: batches.encode(cells.materials.examples(d.name), cells.base.chat, study.train, cells.encoded).examples
            for d in study.domains
            if not d.identity
        }
        longest = max(encoded, key=lambda name: sum(len(e.ids) for e in encoded[name]) / len(encoded[name]), default=None)
        light = _operations(cells, parameters, longest) < LIGHT
        took = _two_jobs(cells, longest) if light else _parts(cells, encoded[longest] if longest else ())
        largest = max(encoded, key=lambda name: sum(len(e.ids) for e in encoded[name]), default=None)
        if largest not in (None, longest):  # rows of many lengths leave the heap in more pieces
            _training(cells, encoded[largest], VARIED)
    return {
        "parameters": parameters,
        "tokens": {name: sum(len(e.ids) for e in rows) for name, rows in encoded.items()},
        "own_steps": {name: batches.num_steps(len(rows), study.train) for name, rows in encoded.items()},
        "peak_bytes": peak_memory() + took.pop("later_bytes", 0),
        **took,
    }


def _operations(cells: Any, parameters: int, domain: str | None) -> float:
    """Nominal ones of two models asked and one trained: 2 a parameter and token, 4 with the gradient of a frozen weight's input."""
    from holdfast.planning.work import work

    amount = work(cells.study, cells.materials)
    asked = sum(amount.asked.values()) + sum(amount.written.values())
    return parameters * (2 * 2 * asked + 4 * amount.trained.get(domain, 0))


def _two_jobs(cells: Any, domain: str | None) -> dict[str, Any]:
    """The base asked, then one seed of `domain` trained and asked, as a run does it: what tokenising adds falls on the first."""
    from holdfast.execution.keys import ModelKey, adapter_keys

    study = cells.study
    domain = domain or study.domains[0].name
    cells.trials(ModelKey(None))
    first = dict(cells.seconds)
    adapter = cells.adapter(domain, 0)
    cells.trials(adapter_keys(study, domain, 0)[-1])
    kinds = [i.kind for i in study.instruments]
    asking = sum(cells.seconds[kind] - first[kind] for kind in kinds)
    trained = json.loads((adapter / "training.json").read_text(encoding="utf-8")).get("num_tokens", 0)
    return {
        "asking_s": asking,
        "laying_out_s": max(0.0, sum(first[kind] for kind in kinds) - asking),
        "training_token_s": cells.seconds["training"] / trained if trained else 0.0,
    }


def _parts(cells: Any, rows: Sequence[Any]) -> dict[str, Any]:
    """All prompts laid out; two items of each instrument asked; one training step on `rows`."""
    study, engine = cells.study, cells.engine(cells.base.model, {})
    asked = [cells.materials.asked(i.kind) for i in study.instruments]
    start = time.perf_counter()
    for a in asked:
        engine.lay_out([p for mine in a.prompts for p in mine], key=a.config.kind)
    laying_out = time.perf_counter() - start
    size = cells.base.model.config.get_text_config().vocab_size
    return {
        "laying_out_s": laying_out,
        "asking_s": sum(_asking(engine, a.prompts, 2) for a in asked),
        "training_token_s": _training(cells, rows) if rows else 0.0,
        # The base's next-token log-probabilities, kept for the drift.
        "later_bytes": 4 * size * sum(len(a.items) for a in asked if a.instrument.kind == "axis"),
    }


def detectable(study: Study, materials: Any) -> dict[str, float | None]:
    """Smallest gain or shift found with power .8 at its family's first Holm step, in points; None for fewer than two seeds or clusters.

    Where an instrument's rows cannot be read, every item of its limit is taken for a cluster. Rests on `stats.planned_gain_sd` and
    `stats.planned_shift_sd` (METRICS section 4, rule 8): not known before the run, so assumed.
    """
    from holdfast import instruments
    from holdfast.errors import ConfigError, DataError
    from holdfast.instruments.style import STYLES
    from holdfast.stats.power import Design, Variances, planned_mde

    domains = sum(d.role == "domain" for d in study.domains)
    kinds = {i.kind: instruments.build(i.kind, STYLES[i.style], **i.options).kind for i in study.instruments}
    out: dict[str, float | None] = {}
    for name, kind in kinds.items():
        try:
            clusters = len({item.cluster_id for item in materials.asked(name).items})
        except (ConfigError, DataError, OSError):
            clusters = next(i.limit for i in study.instruments if i.kind == name) or 0
        spread = study.stats.planned_gain_sd if kind == "benchmark" else study.stats.planned_shift_sd
        if study.seeds < 2 or clusters < 2 or not domains:
            out[name] = None
            continue
        seed, cluster, interaction = (sd**2 for sd in spread)
        family = domains * sum(k == kind for k in kinds.values())
        design = Design(num_seeds=study.seeds, num_clusters=clusters, num_domains=domains, family=family)
        mde = planned_mde(Variances(seed=seed, cluster=cluster, interaction=interaction), design)
        out[name] = round(100 * mde, 1) if mde == mde else None
    return out


def _asking(engine: Any, prompts: list[list[Any]], items: int) -> float:
    """Seconds for all prompts of an instrument, from `items` of them asked twice: the first time warms up."""
    some = [p for mine in prompts[:items] for p in mine]
    engine.answer(some)
    start = time.perf_counter()
    engine.answer(some)
    return (time.perf_counter() - start) / len(some) * sum(map(len, prompts))


def _training(cells: Any, rows: Sequence[Any], steps: int = 1) -> float:
    """Seconds of one training token, from `steps` steps on these rows, saved; a single one after one that warms up."""
    from holdfast.training import lora

    for _ in range(2 if steps == 1 else 1):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            record = lora.train(
                cells.base.model,
                rows,
                cells.study.train,
                seed=0,
                max_steps=steps,
                out=Path(folder) / "adapter",
                allow_unchanged=True,
                memory_bytes=cells.memory_bytes,
                fit=cells.fit,
                checkpointing=cells.study.execution.gradient_checkpointing,
            )
            took = time.perf_counter() - start
    return took / record.num_tokens


def _reading(store: Any, out: Path) -> Any:
    """A store that is not created by being looked at."""
    found = store.__new__(store)
    found.folder, found.warn, found._checked = out / "cells", (lambda _: None), set()
    return found
