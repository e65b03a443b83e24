"""Jobs of a study on this machine's cores, each worker process with its own share of the threads."""

from __future__ import annotations

import os
import queue
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import Any

from holdfast import locks
from holdfast.config import Study
from holdfast.errors import HoldfastError, Interrupted, ResourceError
from holdfast.execution.jobs import Job, JobCost, Progress, Say, Work, Worker
from holdfast.workers import enter_worker, worker_context

GRACE = 25.0  # seconds in which a worker that trains may keep its state; Slurm and Kubernetes wait 30 before they kill
_worker: Worker | None = None  # of this process
_start_error: HoldfastError | None = None
_events: Any = None


def num_processes(study: Study) -> int:
    if study.model.endpoint is not None:
        return 1  # requests wait next to each other in threads: execution.endpoint.concurrency
    if study.execution.processes:
        return study.execution.processes
    return 1 if device_type(study) != "cpu" else max(1, len(os.sched_getaffinity(0)))


def device_type(study: Study) -> str | None:
    """Device of a study's workers: "cpu", "cuda", ...; None: a server computes."""
    if study.model.endpoint is not None:
        return None
    from holdfast.models.checkpoint import pick_device

    return pick_device(study.execution.device).type


def num_threads(study: Study) -> int:
    """This process's cores, shared among the worker processes: no more of them than the whole study has jobs."""
    # Not only those that are left: the last bits of an adapter depend on the threads, and a resumed study has to end in the same bytes.
    jobs = 1 + len(study.domains) * study.seeds
    return max(1, len(os.sched_getaffinity(0)) // min(num_processes(study), jobs))


def run_jobs(study: Study, cells_folder: Path, jobs: Sequence[Job], progress: Progress, say: Say) -> Work:
    """When this process is interrupted, workers keep the state of an adapter in training, and end. Raises ResourceError if the system ends a worker."""
    context = worker_context(device_type(study))
    events: Any = context.Queue()
    work = Work(threads=num_threads(study))
    stop = threading.Event()
    drain = threading.Thread(target=_drain, args=(events, progress, say, stop), daemon=True)
    drain.start()
    settings = (study.model_dump_json(), str(cells_folder), work.threads, events, dict(os.environ))
    try:
        with ProcessPoolExecutor(min(num_processes(study), len(jobs)), context, _start, settings) as pool:
            try:
                pending = {pool.submit(_job, job): job for job in sorted(jobs, key=lambda j: -j.work)}  # longest first
                while pending:
                    done, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        job = pending.pop(future)
                        try:
                            work.add(future.result())
                        except HoldfastError:
                            raise
                        except BrokenProcessPool:
                            raise ResourceError(
                                "execution.processes: a worker process was ended by the system, most likely for memory; set "
                                "execution.processes=1 or lower execution.tokens_per_batch, and run again (finished cells are kept)"
                            ) from None
                        except Exception as error:
                            work.fail(job, error)
            except BaseException:  # whatever ends the run: no worker outlives it
                workers = list((pool._processes or {}).values())
                pool.shutdown(wait=False, cancel_futures=True)
                try:
                    _dismiss(workers)
                finally:
                    locks.sweep(cells_folder)
                raise
    finally:
        stop.set()
        drain.join(timeout=2)
    return work


def _dismiss(workers: Sequence[Any]) -> None:
    """End every worker: asked first, then killed. They ignore what an interrupt sends to the whole group: only this process decides."""
    try:
        for worker in workers:
            with suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGUSR1)
        until = time.monotonic() + GRACE
        for worker in workers:
            worker.join(max(0.0, until - time.monotonic()))
    finally:
        for worker in workers:
            worker.kill()
            worker.join()


def _drain(events: Any, progress: Progress, say: Say, stop: threading.Event) -> None:
    """Pass on the workers' events: (work done, model), or (a remark,)."""
    while not (stop.is_set() and events.empty()):
        try:
            event = events.get(timeout=0.2)
            say(*event) if len(event) == 1 else progress(*event)
        except (queue.Empty, EOFError, OSError):
            continue


# --- in a worker process ------------------------------------------------------------------------------------------------


def _start(study_json: str, folder: str, threads: int, events: Any, environment: Mapping[str, str]) -> None:
    global _worker, _start_error, _events
    for notice in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(notice, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, _leave)
    enter_worker(environment)
    _events = events
    try:
        _worker = Worker(Study.model_validate_json(study_json), Path(folder), threads, lambda text: events.put((text,)))
    except HoldfastError as error:  # a pool does not say why a process of it did not start: its first job does
        _start_error = error


def _leave(*_: object) -> None:
    """What `_dismiss` asks for: end now, or, while training, before the next pass."""
    if _worker is None or not _worker.backend.request_stop():
        os._exit(130)


def _job(job: Job) -> JobCost:
    if _worker is None:
        raise _start_error or RuntimeError("the worker was not started")
    try:
        return _worker.do(job, lambda count, name: _events.put((count, name)))[0]
    except Interrupted:
        os._exit(130)
