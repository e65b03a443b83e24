"""A whole run: cells -> trials table -> audit and findings -> report. Everything after the cells is made anew from them, or reused whole."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from holdfast import locks
from holdfast.backends.endpoint import ServedCells, open_cells
from holdfast.backends.local import Cells, environment
from holdfast.config import Study, resolved
from holdfast.errors import DataError, IncompleteError
from holdfast.execution import account, joined
from holdfast.execution.dispatch import num_threads, run_jobs
from holdfast.execution.jobs import Job
from holdfast.execution.keys import ModelKey, adapter_keys, study_keys
from holdfast.execution.shards import Shard
from holdfast.facts import study_facts
from holdfast.models.checkpoint import pick_device
from holdfast.processes import peak_memory
from holdfast.redact import redacted_tree
from holdfast.store import Store, canonical, copy_atomic, digest, write_atomic

# Raised when a change of code changes what is written from the same cells.
ANALYSIS_CODE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    findings: dict[str, Any]
    audit: list[dict[str, Any]]
    report: Path
    reused: int
    made: int
    failures: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Cells of a study: which exist, which have to be made, and how much work that is (prompts and training examples)."""

    jobs: tuple[Job, ...]
    num_cells: int
    num_reused: int
    work: int
    prompts: dict[str, int]
    steps: dict[str, int]


def make_plan(cells: Cells, shard: Shard | None = None) -> Plan:
    """`shard`: its share of the jobs alone; counts of cells stay those of the whole study."""
    study = cells.study
    prompts = {i.kind: sum(map(len, cells.materials.asked(i.kind).prompts)) for i in study.instruments}
    steps = {d.name: 0 if d.identity else cells.max_steps(d.name) for d in study.domains}
    jobs, total, reused = [], 0, 0
    per_step = study.train.per_device_train_batch_size * study.train.gradient_accumulation_steps
    adapters: list[tuple[str | None, int]] = [(None, -1)] + [(d.name, s) for d in study.domains for s in range(study.seeds)]
    for domain, seed in adapters:
        keys = adapter_keys(study, domain, seed) if domain else [ModelKey(None)]
        made = domain is not None and cells.trains
        adapter = cells.find_adapter(domain, seed) if domain and made else None
        total += len(study.instruments) * len(keys) + made
        if made and adapter is None:
            mine = sum(prompts.values()) * len(keys) + steps[str(domain)] * per_step
        else:
            missing = [k for key in keys for k in cells.missing_trials(key, adapter)]
            reused += len(study.instruments) * len(keys) - len(missing) + made
            mine = sum(prompts[k] for k in missing)
            if not missing:
                continue
        jobs.append(Job(domain, seed, mine))
    if shard is not None:
        whole = [
            Job(d, s, sum(prompts.values()) * len(adapter_keys(study, d, s) if d else [None]) + (steps[d] * per_step if d else 0))
            for d, s in adapters
        ]
        mine_of = {(j.domain, j.seed) for j in shard.share(whole)}
        jobs = [j for j in jobs if (j.domain, j.seed) in mine_of]
    work = sum(j.work for j in jobs)
    return Plan(jobs=tuple(jobs), num_cells=total, num_reused=reused, work=work, prompts=prompts, steps=steps)


def check(cells: Cells) -> None:
    """Refuse, before the hour of training, what could not be measured."""
    cells.check()
    if cells.study.overlap == "refuse":
        for domain, instrument, count, text in cells.materials.check_overlap():
            raise DataError(
                f"domains.{domain}: {count} training rows are also items of {instrument} (one of them: {text[:60]!r}); "
                "use other rows, or set overlap=drop (those rows are not trained on) or overlap=allow"
            )


def _store(out: Path, say: Callable[[str], None]) -> Store:
    """The run's cells, once whatever dead processes left anywhere in its folder is gone."""
    store = Store(out / "cells", say)
    store.sweep()
    for folder in (out, *out.glob("*/"), *out.glob("adapters/*/")):
        if folder.is_dir() and folder != store.folder:
            locks.sweep(folder)
    return store


def _prepare(study: Study, out: Path, say: Callable[[str], None], shard: Shard | None = None) -> tuple[Cells, Plan]:
    store = _store(out, say)
    cells = open_cells(study, store)
    check(cells)
    cells.prepare()
    plan = make_plan(cells, shard)
    write_atomic(out / "study.yaml", resolved(study).encode())
    write_atomic(out / "plan.json", (canonical({"cells": plan.num_cells, "prompts": plan.prompts, "steps": plan.steps}) + "\n").encode())
    say(f"{plan.num_cells} cells, {plan.num_reused} reused, {plan.num_cells - plan.num_reused} to make")
    if plan.jobs:
        cells.settle_kernels(num_threads(study))
    return cells, plan


def run_shard(
    study: Study, out: Path, shard: Shard, *, say: Callable[[str], None], progress: Callable[[Plan], Any]
) -> tuple[int, list[str]]:
    """Make this shard's cells, beside any number of others on the same folder, and conclude nothing.

    Returns how many jobs of the study are left to whoever, and one line per job of this shard that failed.
    """
    cells, plan = _prepare(study, out, say, shard)
    say(f"shard {shard.index} of {shard.count}: {len(plan.jobs)} jobs")
    with progress(plan) as advance:
        failures = run_jobs(study, cells.store.folder, plan.jobs, advance, say).failures
    return len(make_plan(open_cells(study, Store(out / "cells", say))).jobs), failures


def collect(study: Study, out: Path, *, say: Callable[[str], None]) -> Outcome:
    """Conclude from cells that shards have made, as `run` would have. Raises IncompleteError, naming the models, if some are missing."""
    cells = open_cells(study, _store(out, say))
    plan = make_plan(cells)
    if plan.jobs:
        names = [f"{j.domain}/seed{j.seed}" if j.domain else "base" for j in plan.jobs]
        raise IncompleteError(f"{out}: cells of {', '.join(names)} are missing; run their shards again, or the study without --cells")
    write_atomic(out / "study.yaml", resolved(study).encode())
    return conclude(cells, out, plan, [], say)


def run(study: Study, out: Path, *, say: Callable[[str], None], progress: Callable[[Plan], Any]) -> Outcome:
    """Make what is missing of a study under `out`, then write table, findings, audit and report.

    `progress(plan)` returns a context manager whose value is called with (amount of work done, model name).
    """
    clock = [time.monotonic()]
    cells, plan = _prepare(study, out, say)
    store = cells.store
    clock.append(time.monotonic())
    with progress(plan) as advance:
        work = run_jobs(study, store.folder, plan.jobs, advance, say)
    clock.append(time.monotonic())
    timing: dict[str, Any] = {}
    if work.seconds:
        timing = {"process_seconds": work.seconds, "nominal_flops": work.flops}
        if cells.trains and study.execution.kind == "local" and pick_device(study.execution.device).type == "cpu":
            timing |= account.of_peak(work.flops, sum(work.seconds.values()), work.threads)
        write_atomic(out / "timing.json", (json.dumps(timing, indent=1, sort_keys=True) + "\n").encode())
    # Workers are gone when the results are concluded: the peak is that of the cells (a sum, an upper bound) or of the conclusion.
    in_cells = sum(work.peak_bytes.values()) + peak_memory()
    outcome = conclude(cells, out, plan, work.failures, say)
    clock.append(time.monotonic())
    stages = dict(zip(("prepare", "cells", "conclude"), (b - a for a, b in pairwise(clock)), strict=True))
    peak = max(in_cells, peak_memory())
    say("; ".join(f"{name} {took:.0f} s" for name, took in stages.items()) + f"; at most {peak / 2**30:.1f} GiB of memory")
    if work.seconds:
        say("process seconds in cells: " + ", ".join(f"{name} {took:.0f}" for name, took in sorted(work.seconds.items())))
        if "fraction_of_peak" in timing:
            say(f"{timing['fraction_of_peak']:.0%} of this machine's matrix-multiply peak ({timing['peak_gflops']:.0f} GF/s a process)")
        spent = {**timing, "stages_s": stages, "peak_memory_bytes": peak}
        write_atomic(out / "timing.json", (json.dumps(spent, indent=1, sort_keys=True) + "\n").encode())
    return outcome


def conclude(cells: Cells, out: Path, plan: Plan, failures: list[str], say: Callable[[str], None]) -> Outcome:
    """From cells to results; an unchanged set of cells gives back what was concluded before."""
    from holdfast.report import write_report

    study, store = cells.study, cells.store
    models = _finished(cells)
    kinds = [i.kind for i in study.instruments]
    parts = [(key, kind, place) for key, places in models for kind, place in zip(kinds, places, strict=True)]
    identity = {
        "cells": [place.name for _, _, place in parts],
        "stats": study.stats.model_dump(),
        "name": study.name,
        "code": ANALYSIS_CODE,
        "domains": [d.model_dump(mode="json") for d in study.domains],
        "failures": len(failures),
        **({"incomplete": lacking} if (lacking := cells.incomplete([place for _, _, place in parts])) else {}),
    }
    name = store.name("results", identity)
    place = store.find(name)
    if place is None:
        say("putting the trials together")
        with store.making(name, identity) as draft:
            joined.join_trials(parts, draft / "trials.parquet")
            joined.join_transcripts(parts, draft / "transcripts.jsonl.gz")
            _analyse(cells, draft)
        place = store.find(name)
        assert place is not None
    for file in ("trials.parquet", "transcripts.jsonl.gz", "findings.json", "audit.json"):
        copy_atomic(place / file, out / file)
    _adapters(cells, out)
    about = redacted_tree({**environment(), **_told(cells, models, out)})
    for why in about.get("engine", {}).get("ordinary_calls", ()):
        say(f"asked by ordinary calls, not packed rows: {why}")
    write_atomic(out / "environment.json", (json.dumps(about, indent=1) + "\n").encode())
    findings, audit = json.loads((out / "findings.json").read_bytes()), json.loads((out / "audit.json").read_bytes())
    stamp = out / ".report"
    wanted = digest({"results": name, "code": ANALYSIS_CODE})
    if not ((out / "report.html").is_file() and stamp.is_file() and stamp.read_text() == wanted):
        say("drawing the report")
        write_report(out, findings, audit, about, out / "transcripts.jsonl.gz")
        write_atomic(stamp, wanted.encode())
    return Outcome(
        findings=findings,
        audit=audit,
        report=out / "report.html",
        reused=plan.num_reused,
        made=plan.num_cells - plan.num_reused - len(failures),
        failures=[*failures, *cells.lacking(models)],
    )


def _finished(cells: Cells) -> list[tuple[ModelKey, list[Path]]]:
    """Every model all of whose cells exist, in the order of the study."""
    found = []
    for key in study_keys(cells.study):
        adapter = cells.find_adapter(key.domain, key.seed) if key.domain else None
        if (key.domain and cells.trains and adapter is None) or cells.missing_trials(key, adapter):
            continue
        found.append((key, cells.trials(key)))
    return found


def _told(cells: Cells, models: list[tuple[ModelKey, list[Path]]], out: Path) -> dict[str, Any]:
    """Of the engine that answered: this machine's work, or the server's abilities and what was asked of it."""
    if isinstance(cells, ServedCells):
        return {"endpoint": cells.about(models)}
    return {"engine": _account(cells, models, out)}


def _account(cells: Cells, models: list[tuple[ModelKey, list[Path]]], out: Path) -> dict[str, Any]:
    timing = out / "timing.json"
    kinds = [i.kind for i in cells.study.instruments]
    adapters = [cells.find_adapter(d.name, seed) for d in cells.study.domains for seed in range(cells.study.seeds)]
    return account.account(
        [(kind, place) for _, places in models for kind, place in zip(kinds, places, strict=True)],
        [place for place in adapters if place is not None],
        cells.used_kernels(),
        json.loads(timing.read_text(encoding="utf-8")) if timing.is_file() else {},
    )


def _analyse(cells: Cells, draft: Path) -> None:
    """findings.json and audit.json of the joined table in `draft`."""
    from holdfast.analysis import analyze, findings_json
    from holdfast.analysis.trials import Trials
    from holdfast.auditing import AuditContext, gather, prose, run_audit

    study, trials = cells.study, Trials(draft / "trials.parquet")
    audit = redacted_tree(
        run_audit(gather.from_materials(study, cells.materials, trials=trials, chat=cells.chat(), recorded=cells.recorded()))
    )
    findings = findings_json(analyze(trials, {**study_facts(study), "audit": audit}))
    # Numbers of the recommendation that no cited cell holds: known only once the findings are.
    audit += redacted_tree(prose.check(AuditContext(study=study_facts(study), trials=trials, findings=json.loads(findings))))
    (draft / "findings.json").write_bytes(findings)
    (draft / "audit.json").write_text(canonical(audit) + "\n", encoding="utf-8")


def _adapters(cells: Cells, out: Path) -> None:
    """adapters/<name>/: PEFT folders with their training record."""
    for domain in cells.study.domains:
        for seed in range(cells.study.seeds):
            place = cells.find_adapter(domain.name, seed)
            target = out / "adapters" / f"{domain.name}-seed{seed}"
            if place is None:
                continue
            target.mkdir(parents=True, exist_ok=True)
            for file in cells.store.files(place):
                if file.startswith("adapter/") or file == "training.json":
                    copy_atomic(place / file, target / Path(file).name)


def read_transcripts(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as stream:
        return [json.loads(line) for line in stream]
