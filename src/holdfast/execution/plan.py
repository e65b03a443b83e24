"""Which cells of a study exist, the jobs that make the others, and how independent processes on one folder share them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError
from holdfast.execution.jobs import Job

if TYPE_CHECKING:
    from holdfast.backends.protocol import Backend


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` (from 0) of `count` of a study: an array job of a scheduler, or one of several machines."""

    index: int
    count: int

    def share(self, jobs: Sequence[Job]) -> list[Job]:
        """This part of all jobs of a study, done or not: every process computes the same disjoint parts.

        The largest job goes first, to the part with the least work (Graham 1969, longest processing time).
        """
        loads = [0] * self.count
        mine = []
        for job in sorted(jobs, key=lambda j: (-j.work, j.domain or "", j.seed)):
            part = loads.index(min(loads))
            loads[part] += max(1, job.work)
            if part == self.index:
                mine.append(job)
        return mine


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Cells of a study: which exist, which have to be made, and how much work that is. `steps`: of one training of every domain."""

    jobs: tuple[Job, ...]
    num_cells: int
    num_reused: int
    prompts: dict[str, int]
    steps: dict[str, int]

    @property
    def work(self) -> int:
        return sum(j.work for j in self.jobs)


def make_plan(backend: Backend, shard: Shard | None = None) -> Plan:
    """Plan a study. `shard`: only the jobs of this part; counts of cells stay those of the whole study."""
    study = backend.study
    prompts = {i.kind: sum(map(len, backend.materials.asked(i.kind).prompts)) for i in study.instruments}
    steps = {d.name: backend.max_steps(d.name) for d in study.domains}
    per_step = study.train.per_device_train_batch_size * study.train.gradient_accumulation_steps
    jobs, everything, num_cells, num_reused = [], [], 0, 0
    for job in [Job(None, -1, 0), *(Job(d.name, s, 0) for d in study.domains for s in range(study.seeds))]:
        keys = job.keys(study)
        training = steps[job.domain] * per_step if job.domain is not None else 0
        everything.append(Job(job.domain, job.seed, sum(prompts.values()) * len(keys) + training))
        trained = backend.trains and job.domain is not None
        to_train = backend.trains and job.domain is not None and backend.find_adapter(job.domain, job.seed) is None
        missing = [kind for key in keys for kind in backend.cells.missing(key)]
        num_cells += len(prompts) * len(keys) + trained
        num_reused += len(prompts) * len(keys) - len(missing) + (trained and not to_train)
        if missing or to_train:
            jobs.append(Job(job.domain, job.seed, sum(prompts[kind] for kind in missing) + (training if to_train else 0)))
    if shard is not None:
        mine = {(j.domain, j.seed) for j in shard.share(everything)}
        jobs = [j for j in jobs if (j.domain, j.seed) in mine]
    return Plan(jobs=tuple(jobs), num_cells=num_cells, num_reused=num_reused, prompts=prompts, steps=steps)


def parse_shard(text: str) -> Shard:
    """Read "i/n" with i from 0 to n - 1, or "slurm" for this task of the array job. Raises ConfigError."""
    if text == "slurm":
        text = _slurm_task()
    match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
    if not match or not 0 <= int(match[1]) < int(match[2]):
        raise ConfigError(f"--cells {text!r}: must be i/n with i from 0 to n - 1, for example 0/8, or slurm inside an array job")
    return Shard(int(match[1]), int(match[2]))


def _slurm_task() -> str:
    task, count, first, step = (os.environ.get(f"SLURM_ARRAY_TASK_{name}", "") for name in ("ID", "COUNT", "MIN", "STEP"))
    if not task.isdigit() or not count.isdigit():
        raise ConfigError("--cells slurm: SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT are not set; submit with sbatch --array=0-7")
    start, stride = (int(first) if first.isdigit() else 0), (int(step) if step.isdigit() else 1)
    return f"{(int(task) - start) // max(1, stride)}/{count}"
