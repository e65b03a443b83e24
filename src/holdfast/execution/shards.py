"""One study's jobs over several processes that share nothing but a folder: an array job of a scheduler, several machines."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.errors import ConfigError
from holdfast.execution.jobs import Job


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` (from 0) of `count`."""

    index: int
    count: int

    def share(self, jobs: Sequence[Job]) -> list[Job]:
        """This part of all jobs of a study, whether done or not: parts are the same in every process, disjoint and whole.

        Largest job first to the part with least work (Graham 1969, longest processing time).
        """
        loads = [0] * self.count
        mine = []
        for job in sorted(jobs, key=lambda j: (-j.work, j.domain or "", j.seed)):
            part = loads.index(min(loads))
            loads[part] += max(1, job.work)
            if part == self.index:
                mine.append(job)
        return mine


def parse(text: str) -> Shard:
    """ "i/n" with i from 0 to n - 1, or "slurm": this task of the array job. Raises ConfigError."""
    if text == "slurm":
        return _slurm()
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text.strip(), re.ASCII)
    if not found or not 0 <= int(found[1]) < int(found[2]):
        raise ConfigError(f"--cells {text!r}: must be i/n with i from 0 to n - 1, for example 0/8, or slurm inside an array job")
    return Shard(int(found[1]), int(found[2]))


def _slurm() -> Shard:
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP")
    values = [os.environ.get(n) for n in names]
    if not (values[0] or "").isdigit() or not (values[1] or "").isdigit():
        raise ConfigError("--cells slurm: SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT are not set; submit with sbatch --array=0-7")
    first, step = (int(v) if (v or "").isdigit() else d for v, d in ((values[2], 0), (values[3], 1)))
    return parse(f"{(int(values[0] or 0) - first) // max(1, step)}/{values[1]}")
