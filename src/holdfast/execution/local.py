"""Jobs of a study on this machine's cores: one job a model, each process with its own share of the threads."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

from holdfast.config import Study
from holdfast.errors import HoldfastError, Interrupted, ResourceError
from holdfast.execution.jobs import Done, Job, Progress, Work, longest_first
from holdfast.store import Store

_worker: dict[str, Any] = {}


def num_processes(study: Study) -> int:
    if study.execution.processes:
        return study.execution.processes
    from holdfast.models.checkpoint import pick_device

    return 1 if pick_device(study.execution.device).type != "cpu" else max(1, len(os.sched_getaffinity(0)))


def num_threads(study: Study, num_jobs: int | None = None) -> int:
    """This process's cores, shared among the worker processes; no more of those than jobs, where that is known."""
    processes = num_processes(study)
    return max(1, len(os.sched_getaffinity(0)) // (processes if num_jobs is None else min(processes, num_jobs)))


def run_jobs(study: Study, cells_folder: Path, jobs: Sequence[Job], progress: Progress) -> Work:
    """Raises ResourceError if the system ends a worker."""
    context = multiprocessing.get_context("spawn")
    events: Any = context.Queue()
    made = Work(threads=num_threads(study, len(jobs)))
    stop = threading.Event()
    drain = threading.Thread(target=_drain, args=(events, progress, stop), daemon=True)
    drain.start()
    given = (study.model_dump_json(), str(cells_folder), made.threads, events, os.getpid())
    try:
        with ProcessPoolExecutor(min(num_processes(study), len(jobs)), context, _start, given) as pool:
            pending = {pool.submit(_job, job): job for job in longest_first(jobs)}
            try:
                while pending:
                    done, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        job = pending.pop(future)
                        try:
                            made.add(future.result())
                        except HoldfastError:
                            pool.shutdown(wait=False, cancel_futures=True)
                            raise
                        except BrokenProcessPool:
                            raise ResourceError(
                                "execution.processes: a worker process was ended by the system, most likely for memory; "
                                "set execution.processes=1 or lower execution.tokens_per_batch, and run again "
                                "(finished cells are kept)"
                            ) from None
                        except Exception as error:
                            made.fail(job, error)
            except (Interrupted, KeyboardInterrupt):
                processes_left = list((pool._processes or {}).values())
                pool.shutdown(wait=False, cancel_futures=True)
                for process in processes_left:
                    process.kill()  # they ignore what an interrupt sends to the whole group, so that this process alone decides
                    process.join()
                Store(cells_folder).sweep()
                raise
    finally:
        stop.set()
        drain.join(timeout=2)
    return made


def _drain(events: Any, progress: Progress, stop: threading.Event) -> None:
    while not (stop.is_set() and events.empty()):
        try:
            progress(*events.get(timeout=0.2))
        except (queue.Empty, EOFError, OSError):
            continue


def _start(study_json: str, folder: str, threads: int, events: Any, parent: int) -> None:
    for notice in (signal.SIGINT, signal.SIGTERM):
        signal.signal(notice, signal.SIG_IGN)
    from holdfast.execution.worker import Worker, leave_with

    leave_with(parent)
    _worker.update(worker=Worker(Study.model_validate_json(study_json), Path(folder), threads), events=events)


def _job(job: Job) -> Done:
    return _worker["worker"].do(job, lambda count, name: _worker["events"].put((count, name)))[0]
