"""What a study will take, before it is paid for."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.config import Study

SMALL = 50_000_000  # parameters under which a longer measurement costs nothing


def estimate(study: Study, out: Path) -> dict[str, Any]:
    """Cells, prompts, tokens, seconds and memory, from a worker that loads the model, lays out all prompts, and asks and trains on a few."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from holdfast import pipeline
    from holdfast.execution.cells import Cells
    from holdfast.execution.keys import study_keys
    from holdfast.execution.local import num_processes, peak_memory
    from holdfast.store import Store

    cells = Cells(study, _reading(Store, out))
    plan = pipeline.make_plan(cells)
    jobs = sum(len(keys) for keys in ([None], [(d.name, s) for d in study.domains for s in range(study.seeds)]))
    processes = min(num_processes(study), jobs)
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
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
        "processes": processes,
        "estimated minutes": round(seconds / 60, 1),
        "estimated peak memory, GiB": round((processes * found["peak_bytes"] + own) / 2**30, 2),
        "detectable, points": detectable(study, cells.materials),
        "optimiser steps": plan.steps,
        "prompts": plan.prompts,
    }


def _measured(study_json: str, out: str, threads: int) -> dict[str, Any]:
    """What one worker of a run would take, measured in a process that does a little of its work on all of its data."""
    import warnings

    import torch
    import transformers

    from holdfast.execution.cells import Cells
    from holdfast.execution.keys import ModelKey
    from holdfast.execution.local import peak_memory
    from holdfast.store import Store
    from holdfast.training import batches

    warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    study = Study.model_validate_json(study_json)
    cells = Cells(study, _reading(Store, Path(out)))
    parameters = sum(p.numel() for p in cells.base.model.parameters())
    small = parameters < SMALL
    engine = cells.engine(cells.base.model, {})
    start = time.perf_counter()
    for instrument in study.instruments:
        asked = cells.materials.asked(instrument.kind)
        engine.lay_out([p for mine in asked.prompts for p in mine], key=instrument.kind)
    laying_out = time.perf_counter() - start
    if small:  # one model's whole work costs little here, and shows what its answers and tables take
        with tempfile.TemporaryDirectory() as folder:
            whole = Cells(study, Store(Path(folder)))
            whole.base, whole.fit = cells.base, cells.fit
            whole.trials(ModelKey(None))
            del whole
    asking = sum(_asking(engine, cells.materials.asked(i.kind).prompts, 48 if small else 2) for i in study.instruments)
    encoded = {
        d.name: batches.encode(cells.materials.examples(d.name), cells.base.chat, study.train, cells._encoded).examples
        for d in study.domains
        if not d.identity
    }
    size = cells.base.model.config.get_text_config().vocab_size
    axes = sum(len(cells.materials.asked(i.kind).items) for i in study.instruments if cells.materials.asked(i.kind).instrument.kind == "axis")
    return {
        "parameters": parameters,
        "tokens": {name: sum(len(e.ids) for e in rows) for name, rows in encoded.items()},
        "own_steps": {name: batches.num_steps(len(rows), study.train) for name, rows in encoded.items()},
        "training_token_s": _training(cells, max(encoded.values(), key=_mean_length), 3 if small else 1) if encoded else 0.0,
        "laying_out_s": laying_out,
        "asking_s": asking,
        "peak_bytes": peak_memory() + 4 * axes * size,  # the base's next-token log-probabilities are kept for the drift
    }


def _mean_length(rows: Sequence[Any]) -> float:
    return sum(len(e.ids) for e in rows) / len(rows)


def detectable(study: Study, materials: Any) -> dict[str, float | None]:
    """Smallest gain or shift found with power .8 at its family's first Holm step, in points; None for fewer than two seeds or clusters.

    Rests on `stats.planned_gain_sd` and `stats.planned_shift_sd` (METRICS section 4, rule 8): not known before the run, so assumed.
    """
    from holdfast.stats.power import Design, Variances, planned_mde

    domains = sum(d.role == "domain" for d in study.domains)
    kinds = {i.kind: materials.asked(i.kind).instrument.kind for i in study.instruments}
    out: dict[str, float | None] = {}
    for name, kind in kinds.items():
        clusters = len({item.cluster_id for item in materials.asked(name).items})
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


def _training(cells: Any, rows: Sequence[Any], steps: int) -> float:
    """Seconds of one training token, from `steps` steps on these rows after one that warms up."""
    from holdfast.training import lora

    took = {}
    for count in (1, 1 + steps):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            record = lora.train(
                cells.base.model,
                rows,
                cells.study.train,
                seed=0,
                max_steps=count,
                out=Path(folder) / "adapter",
                allow_unchanged=True,
                memory_bytes=cells.memory_bytes,
                fit=cells.fit,
            )
            took[count] = time.perf_counter() - start, record.num_tokens
    (first, few), (second, many) = took[1], took[1 + steps]
    return max(1e-9, (second - first) / max(1, many - few))


def _reading(store: Any, out: Path) -> Any:
    """A store that is not created by being looked at."""
    found = store.__new__(store)
    found.folder, found.warn, found._checked = out / "cells", (lambda _: None), set()
    return found
