"""Jobs of a study on this machine's cores: one job a model, each process with its own share of the threads."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast import locks
from holdfast.config import Study
from holdfast.errors import HoldfastError, Interrupted, ResourceError
from holdfast.redact import redacted
from holdfast.store import Store

GRACE = 25.0  # seconds in which a worker that trains may keep its state; Slurm and Kubernetes wait 30 before they kill
_worker: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Job:
    """What to make and ask in one process: the base (`domain` None), or an adapter at all its doses."""

    domain: str | None
    seed: int
    work: int


@dataclass(slots=True)
class Work:
    """What the jobs left besides their cells. `seconds`: process time spent per stage; `flops`: nominal operations (engine.local);
    `peak_bytes`: by process id.
    """

    failures: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    peak_bytes: dict[int, int] = field(default_factory=dict)
    flops: int = 0
    threads: int = 1


def num_processes(study: Study) -> int:
    if study.execution.processes:
        return study.execution.processes
    from holdfast.models.checkpoint import pick_device

    return 1 if pick_device(study.execution.device).type != "cpu" else max(1, len(os.sched_getaffinity(0)))


def run_jobs(
    study: Study, cells_folder: Path, jobs: Sequence[Job], progress: Callable[[int, str], None], say: Callable[[str], None] = lambda _: None
) -> Work:
    """Make every job's cells; `failures` holds one line per job that failed. Finished cells survive whatever happens.

    When this process is interrupted, workers keep the state of an adapter in training, and end.
    """
    made = Work()
    if not jobs:
        return made
    context = multiprocessing.get_context("spawn")
    events: Any = context.Queue()
    processes = min(num_processes(study), len(jobs))
    threads = made.threads = max(1, len(os.sched_getaffinity(0)) // processes)
    stop = threading.Event()
    drain = threading.Thread(target=_drain, args=(events, progress, say, stop), daemon=True)
    drain.start()
    try:
        with ProcessPoolExecutor(
            processes, context, _start, (study.model_dump_json(), str(cells_folder), threads, events, os.getpid())
        ) as pool:
            try:
                pending = {pool.submit(_job, job): job for job in sorted(jobs, key=lambda j: -j.work)}
                while pending:
                    done, _ = wait(pending, return_when=FIRST_COMPLETED)
                    for future in done:
                        job = pending.pop(future)
                        try:
                            seconds, process, peak, flops = future.result()
                            made.peak_bytes[process] = peak
                            made.flops += flops
                            for stage, took in seconds.items():
                                made.seconds[stage] = made.seconds.get(stage, 0.0) + took
                        except HoldfastError:
                            raise
                        except BrokenProcessPool:
                            raise ResourceError(
                                "execution.processes: a worker process was ended by the system, most likely for memory; "
                                "set execution.processes=1 or lower execution.tokens_per_batch, and run again "
                                "(finished cells are kept)"
                            ) from None
                        except Exception as error:
                            made.failures.append(
                                f"{job.domain or 'base'}/seed{job.seed}: {type(error).__name__}: {redacted(' '.join(str(error).split()))[:300]}"
                            )
            except BaseException:  # whatever ends the run: nobody goes on working for it
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
    return made


def _dismiss(workers: Sequence[Any]) -> None:
    """End every worker: asked, then killed. They ignore what an interrupt sends to the whole group, so that this process alone decides."""
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


def _drain(events: Any, progress: Callable[[int, str], None], say: Callable[[str], None], stop: threading.Event) -> None:
    """Events of workers: (work done, model), or (something to say,)."""
    while not (stop.is_set() and events.empty()):
        try:
            event = events.get(timeout=0.2)
            say(*event) if len(event) == 1 else progress(*event)
        except (queue.Empty, EOFError, OSError):
            continue


def _start(study_json: str, folder: str, threads: int, events: Any, parent: int) -> None:
    for notice in (signal.SIGINT, signal.SIGTERM):
        signal.signal(notice, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, _leave)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()
    import torch
    import transformers
    from tqdm import tqdm

    from holdfast.execution.cells import Cells

    tqdm.set_lock(threading.RLock())  # its own kind of lock outlives a killed process
    warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    cells = Cells(Study.model_validate_json(study_json), Store(Path(folder), lambda text: events.put((text,))))
    cells.leaving = lambda: "leaving" in _worker
    _worker.update(cells=cells, events=events)


def _leave(*_: object) -> None:
    """What this process is asked by `_dismiss`: to end now, or, while it trains, before the next pass."""
    if not ("cells" in _worker and _worker["cells"].training):
        os._exit(130)
    _worker["leaving"] = True


def _leave_with_parent(parent: int) -> None:
    """A killed parent must not leave workers behind."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _job(job: Job) -> tuple[dict[str, float], int, int, int]:
    """(seconds per stage, process id, that process's peak memory in bytes, nominal operations)"""
    from holdfast.execution.keys import ModelKey, adapter_keys

    cells = _worker["cells"]
    before, flops = dict(cells.seconds), cells.flops
    keys = [ModelKey(None)] if job.domain is None else adapter_keys(cells.study, job.domain, job.seed)
    events, name, waiting = _worker["events"], keys[0].name, [0, time.monotonic()]

    def tick(count: int) -> None:
        waiting[0] += count
        if time.monotonic() - waiting[1] > 0.25:
            events.put((waiting[0], name))
            waiting[:] = [0, time.monotonic()]

    if job.domain is None:
        cells.batch_invariance()  # before the base's trials, so that whoever has those has this
    try:
        for key in keys:
            cells.trials(key, tick)
    except Interrupted:
        os._exit(130)
    events.put((waiting[0], name))
    seconds = {stage: took - before.get(stage, 0.0) for stage, took in cells.seconds.items()}
    return seconds, os.getpid(), peak_memory(), cells.flops - flops


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
