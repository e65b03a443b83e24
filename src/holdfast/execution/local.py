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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.config import Study
from holdfast.errors import HoldfastError, Interrupted, ResourceError
from holdfast.store import Store

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
        return study.execution.processes if study.model.endpoint is None else 1
    if study.model.endpoint is not None:
        return 1  # requests wait side by side in threads: execution.endpoint.concurrency
    from holdfast.models.checkpoint import pick_device

    return 1 if pick_device(study.execution.device).type != "cpu" else max(1, len(os.sched_getaffinity(0)))


def run_jobs(study: Study, cells_folder: Path, jobs: Sequence[Job], progress: Callable[[int, str], None]) -> Work:
    """Make every job's cells; `failures` holds one line per job that failed. Finished cells survive whatever happens."""
    made = Work()
    if not jobs:
        return made
    context = multiprocessing.get_context("spawn")
    events: Any = context.Queue()
    processes = min(num_processes(study), len(jobs))
    threads = made.threads = max(1, len(os.sched_getaffinity(0)) // processes)
    stop = threading.Event()
    drain = threading.Thread(target=_drain, args=(events, progress, stop), daemon=True)
    drain.start()
    try:
        with ProcessPoolExecutor(
            processes, context, _start, (study.model_dump_json(), str(cells_folder), threads, events, os.getpid())
        ) as pool:
            pending = {pool.submit(_job, job): job for job in sorted(jobs, key=lambda j: -j.work)}
            try:
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
                            pool.shutdown(wait=False, cancel_futures=True)
                            raise
                        except BrokenProcessPool:
                            raise ResourceError(
                                "execution.processes: a worker process was ended by the system, most likely for memory; "
                                "set execution.processes=1 or lower execution.tokens_per_batch, and run again "
                                "(finished cells are kept)"
                            ) from None
                        except Exception as error:
                            made.failures.append(
                                f"{job.domain or 'base'}/seed{job.seed}: {type(error).__name__}: {' '.join(str(error).split())[:300]}"
                            )
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


def _drain(events: Any, progress: Callable[[int, str], None], stop: threading.Event) -> None:
    while not (stop.is_set() and events.empty()):
        try:
            progress(*events.get(timeout=0.2))
        except (queue.Empty, EOFError, OSError):
            continue


def _start(study_json: str, folder: str, threads: int, events: Any, parent: int) -> None:
    for notice in (signal.SIGINT, signal.SIGTERM):
        signal.signal(notice, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()
    import torch
    import transformers
    from tqdm import tqdm

    from holdfast.execution.served import open_cells

    tqdm.set_lock(threading.RLock())  # its own kind of lock outlives a killed process
    warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    _worker.update(cells=open_cells(Study.model_validate_json(study_json), Store(Path(folder))), events=events)


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
    for key in keys:
        cells.trials(key, tick)
    events.put((waiting[0], name))
    seconds = {stage: took - before.get(stage, 0.0) for stage, took in cells.seconds.items()}
    return seconds, os.getpid(), peak_memory(), cells.flops - flops


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
