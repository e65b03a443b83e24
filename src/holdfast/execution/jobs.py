"""The jobs of a study, one a base or adapter, carried out by the executor the study names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.config import Study
from holdfast.redact import redacted

Progress = Callable[[int, str], None]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What to make and ask in one process: the base (`domain` None), or an adapter at all its doses."""

    domain: str | None
    seed: int
    work: int

    @property
    def name(self) -> str:
        return "base" if self.domain is None else f"{self.domain}/seed{self.seed}"


@dataclass(frozen=True, slots=True)
class Done:
    """What one job took. `seconds`: process time per stage; `worker`, `peak_bytes`: its process, and that process's peak memory so far;
    `flops`: nominal operations (engine.local).
    """

    seconds: dict[str, float]
    worker: str
    peak_bytes: int
    flops: int


@dataclass(slots=True)
class Work:
    """What the jobs left besides their cells. `peak_bytes`: by process; `threads`: of each."""

    failures: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    flops: int = 0
    threads: int = 1

    def add(self, done: Done) -> None:
        self.peak_bytes[done.worker] = done.peak_bytes
        self.flops += done.flops
        for stage, took in done.seconds.items():
            self.seconds[stage] = self.seconds.get(stage, 0.0) + took

    def fail(self, job: Job, error: BaseException) -> None:
        self.failures.append(f"{job.name}: {type(error).__name__}: {redacted(' '.join(str(error).split()))[:300]}")


def longest_first(jobs: Sequence[Job]) -> list[Job]:
    return sorted(jobs, key=lambda j: -j.work)


def num_threads(study: Study) -> int:
    """Threads of one worker process."""
    from holdfast.execution import local

    return study.execution.cpus_per_worker if study.execution.kind == "ray" else local.num_threads(study)


def run_jobs(study: Study, cells_folder: Path, jobs: Sequence[Job], progress: Progress, say: Say = lambda _: None) -> Work:
    """Make every job's cells; `failures` holds one line per job that failed. Finished cells survive whatever happens.

    `progress` is called with (prompts and training examples done, model name), `say` with what a worker remarks.
    """
    if not jobs:
        return Work()
    from holdfast.execution import local, on_ray

    run = on_ray.run_jobs if study.execution.kind == "ray" else local.run_jobs
    return run(study, cells_folder, jobs, progress, say)
