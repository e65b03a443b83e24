"""The jobs of a study, carried out by the executor it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from holdfast.config import Study
from holdfast.execution import local_executor as local
from holdfast.execution import ray_executor as on_ray
from holdfast.execution.jobs import Job, Progress, Say, Work


def num_threads(study: Study) -> int:
    """Threads of one worker process."""
    return study.execution.cpus_per_worker if study.execution.kind == "ray" else local.num_threads(study)


def run_jobs(study: Study, cells_folder: Path, jobs: Sequence[Job], progress: Progress, say: Say = lambda _: None) -> Work:
    """Make every job's cells; `failures` holds one line per job that failed. Finished cells survive whatever happens.

    `progress` is called with (prompts and training examples done, model name), `say` with what a worker remarks.
    """
    if not jobs:
        return Work()
    run = on_ray.run_jobs if study.execution.kind == "ray" else local.run_jobs
    return run(study, cells_folder, jobs, progress, say)
