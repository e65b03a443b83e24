"""A whole run: cells -> trials table -> audit and findings -> report. What follows the cells is made anew from them, or reused whole."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from holdfast import locks
from holdfast.backends import open_backend
from holdfast.backends.identity import environment
from holdfast.backends.keys import study_keys
from holdfast.backends.protocol import Backend, ModelCells
from holdfast.config import Study, resolved
from holdfast.config.same import difference
from holdfast.errors import ConfigError, DataError, IncompleteError
from holdfast.execution import joined, local_executor, ray_executor
from holdfast.execution.jobs import Job, Progress, Say, Work
from holdfast.execution.plan import Plan, Shard, make_plan
from holdfast.facts import study_facts
from holdfast.processes import peak_memory
from holdfast.redact import redacted_tree
from holdfast.results import AuditEntry, StudyFindings
from holdfast.run_files import RunManifest, is_signed, is_unchanged, manifest_of, replacing, seal, sign, with_digest, without_digest
from holdfast.store import MANIFEST, Store, canonical, copy_atomic, digest, file_digest, read_json, write_atomic

# Raised when a change of code changes what is written from the same cells.
ANALYSIS_CODE = 10
ShowProgress = Callable[[Plan], AbstractContextManager[Progress]]
RESULTS = ("trials.parquet", "transcripts.jsonl.gz", "findings.json", "audit.json")
OTHERS = ("study.yaml", "plan.json", "environment.json", "timing.json", "report.html", "report.md")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Results of a run. `reused`, `made`: cells; `failures`: one line per job that failed or cell with missing answers."""

    findings: StudyFindings
    audit: list[AuditEntry]
    report: Path
    reused: int
    made: int
    failures: list[str]


def check_folder(study: Study, out: Path, say: Say = lambda _: None) -> None:
    """Raises ConfigError if `out` belongs to another study, or contains other files with the names of a run's files."""
    file = out / "study.yaml"
    text = file.read_bytes().decode("utf-8", "replace") if file.is_file() else ""
    if is_signed(text) is None and not (out / "cells").exists():
        if foreign := [name for name in (*RESULTS, *OTHERS) if (out / name).exists()]:
            raise ConfigError(f"-o/--out: {out}: contains {foreign[0]}, which no run wrote; name another folder (nothing was changed)")
    elif is_signed(text) is False:
        say(f"{file}: was changed after the run wrote it; it is written again")
        return
    try:
        there = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError):
        return
    if found := difference(there, yaml.safe_load(resolved(study))):
        raise ConfigError(f"-o/--out: {out}: belongs to another study, {there.get('name')!r} ({found}); name another folder for this one")


def _claim(study: Study, out: Path, say: Say) -> None:
    """The folder belongs to the study that first writes its settings there; those of a finished run stay until another has finished."""
    file = out / "study.yaml"
    with locks.alone(out):
        check_folder(study, out, say)
        if not ((out / MANIFEST).is_file() and file.is_file() and is_signed(file.read_bytes().decode("utf-8", "replace"))):
            write_atomic(file, sign(resolved(study)).encode())


def _store(study: Study, out: Path, say: Say) -> Store:
    """The run's cells, after removing what dead processes left anywhere in its folder."""
    check_folder(study, out)
    store = Store(out / "cells", say)
    store.sweep()
    for folder in (out, *out.glob("*/"), *out.glob("adapters/*/")):
        if folder.is_dir() and folder != store.folder:
            locks.sweep(folder)
    return store


def _prepare(study: Study, out: Path, say: Say, shard: Shard | None = None) -> tuple[Backend, Plan]:
    """What could not be measured is refused here, before an hour of training."""
    backend = open_backend(study, _store(study, out, say))
    backend.check()
    for remark in backend.materials.remarks():
        say(remark)
    if study.overlap == "refuse":
        for domain, instrument, count, text in backend.materials.check_overlap():
            raise DataError(
                f"domains.{domain}: {count} training rows are also items of {instrument} (one of them: {text[:60]!r}); "
                "use other rows, or set overlap=drop (those rows are not trained on) or overlap=allow"
            )
    backend.prepare()
    plan = make_plan(backend, shard)
    _claim(study, out, say)
    if not (out / MANIFEST).is_file():
        write_atomic(out / "plan.json", _counts(plan))
    say(f"{plan.num_cells} cells, {plan.num_reused} reused, {plan.num_cells - plan.num_reused} to make")
    if plan.jobs:
        on_cluster = study.execution.kind == "ray"
        backend.before_jobs(study.execution.cpus_per_worker if on_cluster else local_executor.num_threads(study))
    return backend, plan


def _counts(plan: Plan) -> bytes:
    return (canonical({"cells": plan.num_cells, "prompts": plan.prompts, "steps": plan.steps}) + "\n").encode()


def run_jobs(study: Study, cells_folder: Path, jobs: Sequence[Job], progress: Progress, say: Say = lambda _: None) -> Work:
    """Make every job's cells with the executor that the study names. Finished cells survive any failure. `say`: a worker's remarks."""
    if not jobs:
        return Work()
    executor = ray_executor if study.execution.kind == "ray" else local_executor
    return executor.run_jobs(study, cells_folder, jobs, progress, say)


def run_shard(study: Study, out: Path, shard: Shard, *, say: Say, progress: ShowProgress) -> tuple[int, list[str]]:
    """Make this part's cells, in parallel with any number of other parts on the same folder, and conclude nothing.

    Returns how many jobs of the study are left, and one line per job of this part that failed.
    """
    backend, plan = _prepare(study, out, say, shard)
    say(f"part {shard.index + 1} of {shard.count} ({shard.index}/{shard.count}): {len(plan.jobs)} jobs")
    with progress(plan) as advance:
        failures = run_jobs(study, backend.store.folder, plan.jobs, advance, say).failures
    return len(make_plan(open_backend(study, Store(out / "cells", say))).jobs), failures


def collect(study: Study, out: Path, *, say: Say) -> Outcome:
    """Conclude from cells that parts of the study have made, as `run` would have. Raises IncompleteError, naming the models, if some are missing."""
    backend = open_backend(study, _store(study, out, say))
    plan = make_plan(backend)
    if plan.jobs:
        names = ", ".join(j.name for j in plan.jobs)
        raise IncompleteError(f"{out}: cells of {names} are missing; run their parts again, or the study without --cells")
    _claim(study, out, say)
    return conclude(backend, out, plan, [], say)


def run(study: Study, out: Path, *, say: Say, progress: ShowProgress) -> Outcome:
    """Make what is missing of a study under `out`, then write table, findings, audit and report.

    `progress(plan)` returns a context manager whose value is called with (amount of work done, model name).
    """
    clock = [time.monotonic()]
    backend, plan = _prepare(study, out, say)
    clock.append(time.monotonic())
    with progress(plan) as advance:
        work = run_jobs(study, backend.store.folder, plan.jobs, advance, say)
    clock.append(time.monotonic())
    timing: dict[str, Any] = {}
    if work.seconds:
        timing = {"process_seconds": work.seconds, "nominal_flops": work.flops}
        timing |= backend.utilization(sum(work.seconds.values()), work.flops, work.threads)
        _write_json(out / "timing.json", with_digest(timing))
    # Workers have ended when the results are concluded: the peak is that of the cells (a sum, an upper bound) or of the conclusion.
    in_cells = sum(work.peak_bytes.values()) + peak_memory()
    outcome = conclude(backend, out, plan, work.failures, say)
    clock.append(time.monotonic())
    stages = dict(zip(("prepare", "cells", "conclude"), (b - a for a, b in pairwise(clock)), strict=True))
    peak = max(in_cells, peak_memory())
    say("; ".join(f"{name} {took:.0f} s" for name, took in stages.items()) + f"; at most {peak / 2**30:.1f} GiB of memory")
    if work.seconds:
        say("process seconds in cells: " + ", ".join(f"{name} {took:.0f}" for name, took in sorted(work.seconds.items())))
        if "fraction_of_peak" in timing:
            say(f"{timing['fraction_of_peak']:.0%} of this machine's matrix-multiply peak ({timing['peak_gflops']:.0f} GF/s per process)")
        _write_json(out / "timing.json", with_digest({**timing, "stages_s": stages, "peak_memory_bytes": peak}))
    return outcome


def conclude(backend: Backend, out: Path, plan: Plan, failures: list[str], say: Say) -> Outcome:
    """From cells to results; an unchanged set of cells gives the results that were concluded before."""
    models = finished_models(backend)
    results = _results(backend, models, len(failures), say)
    about = redacted_tree({**environment(), **backend.summary(models, _read_timing(out / "timing.json", say))})
    for why in about.get("engine", {}).get("ordinary_calls", ()):
        say(f"asked by ordinary calls, not packed rows: {why}")
    findings = StudyFindings.model_validate_json((results / "findings.json").read_bytes())
    audit = [AuditEntry.model_validate(entry) for entry in read_json(results / "audit.json")]
    try:
        before = manifest_of(out) or RunManifest()
    except ConfigError:
        before = RunManifest()
    with locks.alone(out), replacing(out) as new:
        files = backend.store.files(results)
        for file in files:
            copy_atomic(results / file, new / file)
        files |= _copy_adapters(backend, out, new)
        files["environment.json"] = _write_json(new / "environment.json", about, sort_keys=False)
        for name, data in (("study.yaml", sign(resolved(backend.study)).encode()), ("plan.json", _counts(plan))):
            (new / name).write_bytes(data)
            files[name] = digest(data)
        _draw(out, before, new, findings, audit, about, files, digest({"results": results.name, "code": ANALYSIS_CODE}), say)
    now = manifest_of(out)
    for name in before.files.keys() - (now.files.keys() if now else ()):
        if name.startswith("transcripts/"):
            (out / name).unlink(missing_ok=True)
    return Outcome(
        findings=findings,
        audit=audit,
        report=out / "report.html",
        reused=plan.num_reused,
        made=plan.num_cells - plan.num_reused - len(failures),
        failures=[*failures, *backend.missing_answers(models).values()],
    )


def _draw(
    out: Path,
    before: RunManifest,
    new: Path,
    findings: StudyFindings,
    audit: list[AuditEntry],
    about: dict[str, Any],
    files: dict[str, str],
    drawn: str,
    say: Say,
) -> None:
    """The report and the manifest, in `new`; the report that is in `out` stays if it was drawn from the same results and is whole."""
    from holdfast.report import is_drawn, write_report

    known = {name: want for name, want in before.files.items() if is_drawn(name)}
    if before.drawn == drawn and "report.html" in known:
        damaged = [name for name, want in known.items() if not is_unchanged(out, name, want)]
        if not damaged:
            seal(new, {**files, **known}, drawn)
            return
        say(f"{out / damaged[0]}: missing or damaged; it is made again")
    say("drawing the report")
    write_report(new, findings, audit, about, new / "transcripts.jsonl.gz", files, drawn)


def _read_timing(timing: Path, say: Say) -> dict[str, Any]:
    """Times of the last session that made cells; empty if their record is damaged."""
    try:
        return without_digest(timing.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        say(f"{timing}: was changed after the run wrote it; its times are left out")
        return {}


def finished_models(backend: Backend) -> list[ModelCells]:
    """Every model all of whose cells exist, in the order of the study."""
    return [(key, places) for key in study_keys(backend.study) if (places := backend.cells.of(key)) is not None]


def _results(backend: Backend, models: Sequence[ModelCells], num_failures: int, say: Say) -> Path:
    """The cell of results: the joined table and transcripts, findings and audit."""
    study, store = backend.study, backend.store
    parts = [(key, kind, place) for key, places in models for kind, place in zip(backend.cells.kinds, places, strict=True)]
    incomplete = [file_digest(place / "trials.parquet") for place in backend.missing_answers(models)]
    identity = {
        "cells": [place.name for _, _, place in parts],
        "stats": study.stats.model_dump(),
        "name": study.name,
        "code": ANALYSIS_CODE,
        "domains": [d.model_dump(mode="json") for d in study.domains],
        "failures": num_failures,
        **({"incomplete": incomplete} if incomplete else {}),
    }
    name = store.name("results", identity)
    if store.find(name) is None:
        say("joining the trials")
        with store.making(name, identity) as draft:
            joined.join_trials(parts, draft / "trials.parquet")
            joined.join_transcripts(parts, draft / "transcripts.jsonl.gz")
            _analyze(backend, draft)
    return store.folder / name


def _analyze(backend: Backend, draft: Path) -> None:
    """findings.json and audit.json of the joined table in `draft`."""
    from holdfast.analysis import analyze
    from holdfast.analysis.trials import Trials
    from holdfast.auditing import AuditContext, gather, prose, run_audit

    study, trials = backend.study, Trials(draft / "trials.parquet")
    adapters = [(d.name, seed) for d in study.domains for seed in range(study.seeds) if not d.identity]
    trained = [
        {**read_json(place / "training.json"), "domain": domain, "seed": seed}
        for domain, seed in adapters
        if (place := backend.find_adapter(domain, seed))
    ]
    context = gather.from_materials(
        study, backend.materials, trials=trials, chat=backend.chat(), recorded=backend.recorded(), trainings=trained
    )
    audit = _redacted(run_audit(context))
    findings = analyze(trials, study_facts(study), audit)
    # Numbers of the recommendation that no cited cell holds: known only once the findings are.
    audit += _redacted(prose.check(AuditContext(study=study_facts(study), trials=trials, findings=findings)))
    (draft / "findings.json").write_bytes(findings.to_json())
    (draft / "audit.json").write_text(canonical([e.model_dump(mode="json", exclude_unset=True) for e in audit]) + "\n", encoding="utf-8")


def _redacted(entries: Sequence[AuditEntry]) -> list[AuditEntry]:
    return [AuditEntry.model_validate(redacted_tree(e.model_dump(mode="json", exclude_unset=True))) for e in entries]


def _copy_adapters(backend: Backend, out: Path, new: Path) -> dict[str, str]:
    """adapters/<name>/: PEFT folders with their training record, in `new` unless `out` has them. Returns their digests."""
    copied = {}
    for domain in backend.study.domains:
        for seed in range(backend.study.seeds):
            if place := backend.find_adapter(domain.name, seed):
                target = Path("adapters") / f"{domain.name}-seed{seed}"
                (new / target).mkdir(parents=True, exist_ok=True)
                for file, want in backend.store.files(place).items():
                    if file.startswith("adapter/") or file == "training.json":
                        name = (target / Path(file).name).as_posix()
                        if file == "training.json" or not is_unchanged(out, name, want):
                            copy_atomic(place / file, new / name)
                        copied[name] = want
    return copied


def _write_json(path: Path, value: Any, sort_keys: bool = True) -> str:
    """Returns the digest of what was written."""
    data = (json.dumps(value, indent=1, sort_keys=sort_keys) + "\n").encode()
    write_atomic(path, data)
    return digest(data)
