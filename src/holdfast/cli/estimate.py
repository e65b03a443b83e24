"""What a study will take, before it is paid for."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from holdfast.config import Study, load_study


def estimate(study: Study, out: Path) -> dict[str, Any]:
    """Cells, prompts, tokens, seconds and memory. Seconds come from a short measurement of this model on this machine."""
    from holdfast import pipeline
    from holdfast.engine.local import LocalEngine
    from holdfast.execution.cells import Cells
    from holdfast.execution.local import num_processes
    from holdfast.store import Store
    from holdfast.training import batches

    cells = Cells(study, _reading(Store, out))
    plan = pipeline.make_plan(cells)
    base = cells.base
    engine = LocalEngine(base.model, base.chat, study.execution.tokens_per_batch)
    sample = [p for i in study.instruments for prompts in cells.materials.asked(i.kind).prompts[:8] for p in prompts]
    start = time.perf_counter()
    engine.answer(sample)
    per_prompt = (time.perf_counter() - start) / len(sample)
    tokens = {
        d.name: sum(len(e.ids) for e in batches.encode(cells.materials.examples(d.name), base.chat, study.train).examples)
        for d in study.domains
        if not d.identity
    }
    parameters = sum(p.numel() for p in base.model.parameters())
    per_token = max(1e-9, (time.perf_counter() - start) / max(1, engine.tokens_computed)) * 3.5
    prompts = sum(plan.prompts.values())
    processes = num_processes(study)
    training = (
        sum(tokens[d.name] * study.train.num_train_epochs for d in study.domains if not d.identity) * study.seeds * per_token
    )
    asking = prompts * per_prompt * (1 + len(study.domains) * study.seeds)
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
        "models": 1 + len(study.domains) * study.seeds,
        "prompts per model": prompts,
        "training tokens": int(sum(tokens.values()) * study.seeds * study.train.num_train_epochs),
        "parameters": parameters,
        "processes": processes,
        "estimated minutes": round((training + asking) * share / processes / 60, 1),
        "estimated memory, GB": round(memory / 1e9, 1),
        "optimiser steps": plan.steps,
        "prompts": plan.prompts,
    }


def _reading(store: Any, out: Path) -> Any:
    """A store that is not created by being looked at."""
    found = store.__new__(store)
    found.folder, found.warn, found._checked = out / "cells", (lambda _: None), set()
    return found


def facts_of(path: str) -> dict[str, Any]:
    """Names and contrasts of a study file; no model and no data set is opened."""
    from holdfast import instruments
    from holdfast.execution.materials import STYLES

    study = load_study(path)
    built = [(i.kind, instruments.build(i.kind, STYLES[i.style], **i.options)) for i in study.instruments]
    return {
        "name": study.name,
        "base": study.model.name,
        "seeds": study.seeds,
        "equivalence_band": study.stats.equivalence_band,
        "domains": [{"name": d.name, "role": d.role, "own_benchmark": d.own_benchmark} for d in study.domains],
        "instruments": [
            {"name": k, "kind": x.kind, "form": x.form, "contrasts": [dataclasses.asdict(c) for c in x.contrasts]}
            for k, x in built
        ],
        "estimands": {k: next((c.name for c in x.contrasts if c.headline), "accuracy") for k, x in built},
    }
