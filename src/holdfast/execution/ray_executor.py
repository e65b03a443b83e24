"""Jobs of a study on a Ray cluster: one actor a worker, its base resident, the run folder shared by all machines.

Nothing but jobs and counts goes through Ray; cells go through the folder. An actor that is lost gives its job back to the others.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.config import Study
from holdfast.errors import ConfigError, HoldfastError, Interrupted, ResourceError
from holdfast.execution.jobs import Done, Job, Progress, Say, Work, longest_first
from holdfast.locks import HOST
from holdfast.store import Store

# Settings of the hub, handed to every worker. Not HF_TOKEN: Ray writes a runtime environment to its logs.
PASSED_ON = (
    "HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
)  # fmt: skip
_OBJECT_STORE = 80 * 2**20  # bytes; Ray's least, as nothing is kept in it
_POLL = 1.0  # seconds
_ANSWER = 30.0  # seconds for a cluster to say that it is there
_PATIENCE = 600.0  # seconds without any worker
_VISIBLE = 120.0  # seconds until a folder's new entries are seen by every machine (NFS attribute caches: 60)


class Actor:
    """What runs in a worker process. `start` and `do` take turns; `told` answers beside them."""

    def __init__(self) -> None:
        self._told: list[tuple[Any, ...]] = []

    def start(self, study_json: str, cells_folder: str, threads: int, beacon: str) -> tuple[str, int, dict[str, str]]:
        """(host, process id, versions of what a cell's numbers hang on). Raises ConfigError if the run folder is not seen here."""
        from holdfast.execution.worker import Worker

        folder, deadline = Path(cells_folder), time.monotonic() + _VISIBLE / 4
        while not (folder / beacon).is_file():
            if time.monotonic() > deadline:
                raise ConfigError(f"-o/--out: {folder} on {HOST} is not the driver's folder; name one that all machines share")
            time.sleep(0.2)
        Store(folder).sweep()  # what a lost worker left on this machine
        self._worker = Worker(Study.model_validate_json(study_json), folder, threads, lambda text: self._told.append((text,)))
        return HOST, os.getpid(), _versions()

    def do(self, job: Job) -> tuple[Done, list[str]]:
        """What the job took, and the names of its cells."""
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # a setting of the thread, which need not be that of `start`
        return self._worker.do(job, lambda count, name: self._told.append((count, name)))

    def told(self) -> list[tuple[Any, ...]]:
        """(work done, model name) or (a remark,), since the last call."""
        told, self._told = self._told, []
        return told


@dataclass(slots=True)
class _Running:
    """An actor, what it is busy with (`job` None: starting), and where it is once it has said so."""

    actor: Any
    ref: Any
    job: Job | None = None
    host: str = ""
    pid: int = 0
    told: Any = None


def run_jobs(study: Study, cells_folder: Path, jobs: Sequence[Job], progress: Progress, say: Say) -> Work:
    """Raises ConfigError if there is no Ray or no cluster, or if a machine has other versions or another folder;
    ResourceError if no worker can be had.
    """
    with _notices() as heed, _connected(study, heed) as ray:
        return _Run(ray, study, cells_folder.resolve(), progress, say).carry_out(jobs, heed)


class _Run:
    def __init__(self, ray: Any, study: Study, folder: Path, progress: Progress, say: Say):
        self.ray, self.study, self.folder, self.progress, self.say = ray, study, folder, progress, say
        self.asked = study.execution
        self.gpus = _gpus(ray, study)
        self.workers: list[_Running] = []
        self.lost: dict[Job, int] = {}
        self.failed_starts = 0
        self.pids: set[int] = set()
        self.made = Work(threads=self.asked.cpus_per_worker)
        self.beacon = f".beacon-{HOST}-{os.getpid()}"
        options = {"num_cpus": self.asked.cpus_per_worker, "num_gpus": self.gpus, "max_restarts": 0, "concurrency_groups": {"told": 1}}
        self.kind = ray.remote(**options)(Actor)

    def carry_out(self, jobs: Sequence[Job], heed: Callable[[], None]) -> Work:
        waiting, last = longest_first(jobs), time.monotonic()
        (self.folder / self.beacon).touch()
        try:
            while waiting or any(w.job for w in self.workers):
                heed()
                self._hire(waiting)
                refs = {w.ref: w for w in self.workers if w.ref is not None}
                for ref in self.ray.wait(list(refs), timeout=_POLL)[0] if refs else []:
                    self._settle(refs[ref], waiting)
                for worker in [w for w in self.workers if w.ref is None and waiting]:
                    worker.job = waiting.pop(0)
                    worker.ref = worker.actor.do.remote(worker.job)
                self._hear()
                if any(w.pid for w in self.workers):
                    last = time.monotonic()
                elif time.monotonic() - last > _PATIENCE:
                    raise ResourceError(f"execution.address: the cluster gave no worker in {_PATIENCE:.0f} s; {self._wanted()}")
            self._hear(True)
        finally:
            self._dismiss()
        return self.made

    # --- workers --------------------------------------------------------------------------------------------------------

    def _hire(self, waiting: list[Job]) -> None:
        """An actor more for every waiting job that none is free for, as far as there is room."""
        free = sum(w.job is None for w in self.workers)
        more = len(waiting) - free
        if more <= 0:
            return
        most = self.asked.processes or _room(self.ray, self.asked.cpus_per_worker, self.gpus)
        if not most and not self.workers:
            raise ResourceError(f"execution.address: no machine of the cluster has room for a worker; {self._wanted()}")
        for _ in range(min(more, most - len(self.workers))):
            actor = self.kind.remote()
            given = (self.study.model_dump_json(), str(self.folder), self.made.threads, self.beacon)
            self.workers.append(_Running(actor, actor.start.remote(*given)))

    def _wanted(self) -> str:
        return (
            f"a worker takes execution.cpus_per_worker={self.asked.cpus_per_worker} and execution.gpus_per_worker={self.gpus:g}; "
            "lower them, or add machines (ray status shows them)"
        )

    def _settle(self, worker: _Running, waiting: list[Job]) -> None:
        """Take what an actor came to: started, done, failed, or lost."""
        from ray.exceptions import RayError, RayTaskError

        job, worker.job = worker.job, None
        ref, worker.ref = worker.ref, None
        try:
            found = self.ray.get(ref)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            if isinstance(cause, HoldfastError) or job is None:
                raise cause from None
            self.made.fail(job, cause)
        except RayError as error:
            self._drop(worker)
            if job is None:
                self.failed_starts += 1
                if self.failed_starts > self.asked.retries:
                    raise ResourceError(
                        f"execution.address: {self.failed_starts} workers could not be started: {_first_line(error)}"
                    ) from None
                return
            self.lost[job] = self.lost.get(job, 0) + 1
            if self.lost[job] > self.asked.retries:
                self.made.fail(
                    job, ResourceError(f"its worker was lost {self.lost[job]} times, most likely for memory: {_first_line(error)}")
                )
            else:
                waiting.insert(0, job)
        else:
            if job is None:
                worker.host, worker.pid, versions = found
                self.failed_starts = 0
                self._same(worker, versions)
            else:
                done, names = found
                self.made.add(done)
                self._see(job, names)

    def _same(self, worker: _Running, versions: dict[str, str]) -> None:
        mine = _versions()
        for name, version in versions.items():
            if version != mine[name]:
                raise ConfigError(
                    f"execution.address: {worker.host} has {name} {version}, the driver {mine[name]}; install the same everywhere"
                )
        if worker.host == HOST:
            self.pids.add(worker.pid)

    def _see(self, job: Job, names: list[str]) -> None:
        """Wait until this machine sees what another has put into the folder."""
        deadline = time.monotonic() + _VISIBLE
        while missing := [n for n in names if not (self.folder / n).is_dir()]:
            os.listdir(self.folder)  # asks a network file system again
            if time.monotonic() > deadline:
                self.made.fail(job, ResourceError(f"{self.folder / missing[0]} was made on another machine and is not seen here"))
                return
            time.sleep(0.2)

    def _hear(self, to_the_end: bool = False) -> None:
        """Pass on what workers have told, without waiting for a silent one."""
        for worker in [w for w in self.workers if w.pid]:
            if worker.told is None:
                worker.told = worker.actor.told.options(concurrency_group="told").remote()
            if self.ray.wait([worker.told], timeout=_POLL if to_the_end else 0)[0]:
                ref, worker.told = worker.told, None
                try:
                    told = self.ray.get(ref)
                except self.ray.exceptions.RayError:
                    continue
                for event in told:
                    self.say(*event) if len(event) == 1 else self.progress(*event)

    def _drop(self, worker: _Running) -> None:
        self.workers.remove(worker)
        self.ray.kill(worker.actor)

    def _dismiss(self) -> None:
        """No actor outlives this: those of this machine are seen to be gone before their drafts are swept."""
        for worker in list(self.workers):
            self._drop(worker)
        deadline = time.monotonic() + 10
        while any(map(_running, self.pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        (self.folder / self.beacon).unlink(missing_ok=True)
        store = Store(self.folder)
        store.sweep()
        # A killed process may hold its files a moment after the system calls it dead: its other threads end later.
        while any(store.drafts(pid) for pid in self.pids) and time.monotonic() < deadline:
            time.sleep(0.05)
            store.sweep()


# --- the cluster --------------------------------------------------------------------------------------------------------


@contextmanager
def _notices() -> Iterator[Callable[[], None]]:
    """SIGTERM and SIGINT are kept until the value is called, which raises Interrupted if one came: no call of Ray's is left half done.

    Calling it also takes them back from Ray, whose own handlers leave actors behind.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = {notice: signal.getsignal(notice) for notice in (signal.SIGTERM, signal.SIGINT)}
    came: list[int] = []

    def keep(notice: int, _: Any) -> None:
        came.append(notice)

    def heed() -> None:
        for notice in before:
            signal.signal(notice, keep)
        if came:
            raise Interrupted

    heed()
    try:
        yield heed
        heed()
    finally:
        for notice, handler in before.items():
            signal.signal(notice, handler)


@contextmanager
def _connected(study: Study, heed: Callable[[], None]) -> Iterator[Any]:
    """Ray, connected for this run alone. With address `local` the cluster is this machine, started and ended here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError("execution.kind: ray is not installed; pip install 'holdfast[ray]', or set execution.kind=local") from None
    heed()
    address = study.execution.address
    given: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    given["runtime_env"] = {"env_vars": {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}}
    if address == "local":
        given |= {"num_cpus": len(os.sched_getaffinity(0)), "object_store_memory": _OBJECT_STORE, "include_dashboard": False}
    else:
        _answers(address)
        heed()
    try:
        ray.init(**given)
        heed()
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _silent(address, _first_line(error)) from None
    except BaseException:
        ray.shutdown()
        raise
    try:
        yield ray
    finally:
        ray.shutdown()


def _answers(address: str) -> None:
    """Raises ConfigError unless a cluster is there. Asked in a process that can be left: ray.init waits minutes for a dead one's address."""
    where = [] if address == "auto" else ["--address", address]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", "health-check", *where], capture_output=True, text=True, timeout=_ANSWER
        )
    except subprocess.TimeoutExpired:
        raise _silent(address, f"nothing within {_ANSWER:.0f} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise _silent(address, said[-1][:200] if said else f"exit code {done.returncode}")


def _silent(address: str, why: str) -> ConfigError:
    return ConfigError(
        f"execution.address: {address}: no Ray cluster answers ({why}); start one with ray start --head, "
        "or set execution.address=local for one on this machine"
    )


def _gpus(ray: Any, study: Study) -> float:
    """Accelerators of one worker: what the study says, else one (or as many as train together) where the cluster has any."""
    stated = study.execution.gpus_per_worker
    if stated is not None:
        return stated
    has = study.execution.device != "cpu" and ray.cluster_resources().get("GPU", 0) >= 1
    return float(study.execution.fsdp or 1) if has else 0.0


def _room(ray: Any, cpus: int, gpus: float) -> int:
    """Workers that the machines of the cluster can hold at once."""
    rooms = 0
    for node in ray.nodes():
        if node["Alive"]:
            has = node["Resources"]
            most = int(has.get("CPU", 0) // cpus)
            if gpus >= 1:
                most = min(most, int(has.get("GPU", 0) // gpus))
            elif gpus > 0:
                most = min(most, int(has.get("GPU", 0)) * int(1 / gpus + 1e-9))  # a worker's share lies on one accelerator
            rooms += most
    return rooms


def _running(pid: int) -> bool:
    """Whether this machine has a process of that number that has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return True


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    from holdfast.backends.local import TRAINING_CODE, TRIALS_CODE, library_versions

    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {**library_versions(), "holdfast": version("holdfast"), "python": python, "cells": f"{TRAINING_CODE}.{TRIALS_CODE}"}


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
