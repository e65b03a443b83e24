"""What a study will take, before it is paid for."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from holdfast.config import Study

SMALL = 50_000_000  # parameters under which a longer measurement costs nothing


def estimate(study: Study, out: Path) -> dict[str, Any]:
    """Cells, prompts, tokens, seconds and memory. Seconds come from a short measurement of this model on this machine."""
    import torch

    from holdfast import pipeline
    from holdfast.engine.local import LocalEngine
    from holdfast.execution.cells import Cells
    from holdfast.execution.keys import study_keys
    from holdfast.execution.local import num_processes
    from holdfast.store import Store
    from holdfast.training import batches

    processes = num_processes(study)
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // processes))  # as the workers of a run do
    cells = Cells(study, _reading(Store, out))
    plan = pipeline.make_plan(cells)
    base = cells.base
    engine = LocalEngine(base.model, base.chat, study.execution.tokens_per_batch)
    parameters = sum(p.numel() for p in base.model.parameters())
    small = parameters < SMALL
    asking_one = sum(_asking(engine, cells.materials.asked(i.kind).prompts, 48 if small else 2) for i in study.instruments)
    tokens = {
        d.name: sum(len(e.ids) for e in batches.encode(cells.materials.examples(d.name), base.chat, study.train).examples)
        for d in study.domains
        if not d.identity
    }
    prompts = sum(plan.prompts.values())
    training = sum(
        tokens[d.name] * study.train.num_train_epochs for d in study.domains if not d.identity and not d.match_steps_of
    )
    training += sum(
        tokens[d.name] * plan.steps[d.name] / max(1, batches.num_steps(len(cells.materials.examples(d.name)), study.train))
        for d in study.domains
        if d.match_steps_of and not d.identity
    )
    training *= study.seeds * _training(cells, 3 if small else 1)
    models = len(study_keys(study))
    asking = asking_one * models
    share = 1 - plan.num_reused / plan.num_cells
    width = base.model.config.get_text_config().hidden_size
    memory = processes * (
        parameters * base.model.dtype.itemsize * 2
        + 40 * width * study.train.tokens_per_pass * 4
        + study.execution.tokens_per_batch * width * 60
        + 500e6
    )
    return {
        "cells": plan.num_cells,
        "cells reused": plan.num_reused,
        "models": models,
        "prompts per model": prompts,
        "training tokens": int(sum(tokens.values()) * study.seeds * study.train.num_train_epochs),
        "parameters": parameters,
        "processes": processes,
        "estimated minutes": round((training + asking) * share / processes / 60, 1),
        "estimated memory, GB": round(memory / 1e9, 1),
        "detectable, points": detectable(study, cells.materials),
        "optimiser steps": plan.steps,
        "prompts": plan.prompts,
    }


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


def _training(cells: Any, steps: int) -> float:
    """Seconds of one training token, from `steps` steps on rows of the first trained domain after one that warms up."""
    import tempfile

    from holdfast.training import batches, lora

    study = cells.study
    domain = next((d.name for d in study.domains if not d.identity), None)
    if domain is None:
        return 0.0
    rows = batches.encode(cells.materials.examples(domain), cells.base.chat, study.train).examples
    took = {}
    for count in (1, 1 + steps):
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            record = lora.train(
                cells.base.model, rows, study.train, seed=0, max_steps=count, out=Path(folder) / "adapter", allow_unchanged=True
            )
            took[count] = time.perf_counter() - start, record.num_tokens
    (first, few), (second, many) = took[1], took[1 + steps]
    return max(1e-9, (second - first) / max(1, many - few))


def _reading(store: Any, out: Path) -> Any:
    """A store that is not created by being looked at."""
    found = store.__new__(store)
    found.folder, found.warn, found._checked = out / "cells", (lambda _: None), set()
    return found
