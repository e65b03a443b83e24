"""The jobs of a study, one per base or adapter, what they took, and the process that does one after another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.backends import open_backend
from holdfast.backends.keys import ModelKey, adapter_keys
from holdfast.config import Study
from holdfast.escape import one_line
from holdfast.locks import HOST
from holdfast.processes import configure_worker, peak_memory
from holdfast.redact import redacted
from holdfast.store import Store

Progress = Callable[[int, str], None]  # (prompts and training examples done, model)
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What to make in one process: the base (`domain` None), or an adapter at all its doses. `work`: prompts and training examples."""

    domain: str | None
    seed: int
    work: int

    @property
    def name(self) -> str:
        return "base" if self.domain is None else f"{self.domain}/seed{self.seed}"

    def keys(self, study: Study) -> list[ModelKey]:
        return [ModelKey(None)] if self.domain is None else adapter_keys(study, self.domain, self.seed)


@dataclass(frozen=True, slots=True)
class JobCost:
    """What one job took: process time per stage, its process and that one's peak memory so far, nominal operations (engine.local)."""

    seconds: dict[str, float]
    worker: str
    peak_bytes: int
    flops: int


@dataclass(slots=True)
class Work:
    """Work done by all jobs, and one line per job that failed. `peak_bytes`: by process; `threads`: of each."""

    failures: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    flops: int = 0
    threads: int = 1

    def add(self, cost: JobCost) -> None:
        self.peak_bytes[cost.worker] = cost.peak_bytes
        self.flops += cost.flops
        for stage, took in cost.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + took

    def fail(self, job: Job, error: BaseException) -> None:
        self.failures.append(f"{job.name}: {type(error).__name__}: {one_line(redacted(str(error)), 300)}")


class Worker:
    """Settings of this process, and the backend of one study in it. `threads`: of torch, for one matrix multiply; `say`: remarks."""

    def __init__(self, study: Study, cells_folder: Path, threads: int, say: Callable[[str], None]):
        configure_worker(threads)
        self.backend = open_backend(study, Store(cells_folder, say))

    def do(self, job: Job, report: Callable[[int, str], None]) -> tuple[JobCost, list[str]]:
        """Make a job's cells, and name them. `report` is called with (work done since the last call, model), at most four times a second."""
        backend, meter = self.backend, self.backend.meter
        before, flops = dict(meter.seconds), meter.flops
        keys = job.keys(backend.study)
        pending, last = 0, time.monotonic()

        def tick(count: int) -> None:
            nonlocal pending, last
            pending += count
            if time.monotonic() - last > 0.25:
                report(pending, keys[0].name)
                pending, last = 0, time.monotonic()

        if job.domain is None:
            backend.measure_invariance()  # before the base's trials: a store that has those has this
        names = [place.name for key in keys for place in backend.make_trials(key, tick)]
        report(pending, keys[0].name)
        seconds = {stage: took - before.get(stage, 0.0) for stage, took in meter.seconds.items()}
        return JobCost(seconds, f"{HOST}-{os.getpid()}", peak_memory(), meter.flops - flops), names
