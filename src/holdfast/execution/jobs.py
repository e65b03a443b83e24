"""The jobs of a study, one a base or adapter, and what they leave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

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
