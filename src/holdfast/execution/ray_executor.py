"""Jobs of a study on a Ray cluster: one actor per worker, its base resident, the run folder shared by all machines.

Only jobs and counts go through Ray; cells go through the folder. The job of a lost actor is given to another one.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.backends.identity import worker_versions
from holdfast.config import Study
from holdfast.errors import ConfigError, HoldfastError, Interrupted, ResourceError
from holdfast.execution.jobs import Job, JobCost, Progress, Say, Work, Worker
from holdfast.locks import HOST
from holdfast.store import Store

# Settings of the hub, passed to every worker. Not HF_TOKEN: Ray writes a runtime environment to its logs.
PASSED_ON = (
    "HF_HOME", "HF_HUB_CACHE", "HF_DATASETS_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE",
    "HF_HUB_DISABLE_TELEMETRY",
)  # fmt: skip
_OBJECT_STORE = 80 * 2**20  # bytes; Ray's minimum, as nothing is kept in it
_POLL = 1.0  # seconds
_ANSWER = 30.0  # seconds within which a cluster has to answer
_PATIENCE = 600.0  # seconds without any worker
_VISIBLE = 120.0  # seconds until every machine sees a folder's new entries (NFS attribute caches: 60)
Event = tuple[int, str] | tuple[str]  # (work done, model), or (a remark,)


class Actor:
    """What runs in a worker process. `start` and `do` take turns; `messages` answers while they run."""

    def __init__(self) -> None:
        self._messages: list[Event] = []

    def start(self, study_json: str, cells_folder: str, threads: int, beacon: str) -> tuple[str, int, dict[str, str]]:
        """(host, process id, versions that a cell's numbers depend on). Raises ConfigError if this machine does not see the run folder."""
        folder, deadline = Path(cells_folder), time.monotonic() + _VISIBLE / 4
        while not (folder / beacon).is_file():
            if time.monotonic() > deadline:
                raise ConfigError(f"-o/--out: {folder} on {platform.node()} is not the driver's folder; name one that all machines share")
            time.sleep(0.2)
        Store(folder).sweep()  # what a lost worker left on this machine
        self._worker = Worker(Study.model_validate_json(study_json), folder, threads, lambda text: self._messages.append((text,)))
        return HOST, os.getpid(), worker_versions()

    def do(self, job: Job) -> tuple[JobCost, list[str]]:
        """Run a job; returns what it took and the names of its cells."""
        import torch

        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # a setting of the thread, which need not be that of `start`
        return self._worker.do(job, lambda count, name: self._messages.append((count, name)))

    def messages(self) -> list[Event]:
        """Return the events since the last call."""
        messages, self._messages = self._messages, []
        return messages


@dataclass(slots=True)
class _ActorState:
    """An actor, its call in progress (`job` None: starting), and its place once it has started."""

    actor: Any
    ref: Any
    job: Job | None = None
    host: str = ""
    pid: int = 0
    messages: Any = None


def run_jobs(study: Study, cells_folder: Path, jobs: Sequence[Job], progress: Progress, say: Say) -> Work:
    """Raises ConfigError for no Ray, no cluster, or a machine with other versions or another folder; ResourceError if no worker is given."""
    with _deferred_signals() as check_signals, _connected(study, check_signals) as ray:
        return _Run(ray, study, cells_folder.resolve(), progress, say).carry_out(jobs, check_signals)


class _Run:
    def __init__(self, ray: Any, study: Study, folder: Path, progress: Progress, say: Say):
        self.ray, self.study, self.folder, self.progress, self.say = ray, study, folder, progress, say
        self.settings = study.execution
        self.gpus = _gpus(ray, study)
        self.workers: list[_ActorState] = []
        self.lost: Counter[Job] = Counter()
        self.failed_starts = 0
        self.pids: set[int] = set()
        self.work = Work(threads=self.settings.cpus_per_worker)
        self.beacon = f".beacon-{HOST}-{os.getpid()}"
        self.actor_class = ray.remote(
            num_cpus=self.settings.cpus_per_worker, num_gpus=self.gpus, max_restarts=0, concurrency_groups={"messages": 1}
        )(Actor)

    def carry_out(self, jobs: Sequence[Job], check_signals: Callable[[], None]) -> Work:
        waiting, last = sorted(jobs, key=lambda j: -j.work), time.monotonic()  # longest first
        (self.folder / self.beacon).touch()
        try:
            while waiting or any(w.job for w in self.workers):
                check_signals()
                self._start_workers(waiting)
                refs = {w.ref: w for w in self.workers if w.ref is not None}
                for ref in self.ray.wait(list(refs), timeout=_POLL)[0] if refs else []:
                    self._settle(refs[ref], waiting)
                for worker in [w for w in self.workers if w.ref is None and waiting]:
                    worker.job = waiting.pop(0)
                    worker.ref = worker.actor.do.remote(worker.job)
                self._drain_messages()
                if any(w.pid for w in self.workers):
                    last = time.monotonic()
                elif time.monotonic() - last > _PATIENCE:
                    raise ResourceError(f"execution.address: the cluster gave no worker in {_PATIENCE:.0f} s; {self._requirements()}")
            self._drain_messages(wait=True)
        finally:
            self._dismiss()
        return self.work

    # --- workers --------------------------------------------------------------------------------------------------------

    def _start_workers(self, waiting: list[Job]) -> None:
        """One more actor for every waiting job that none is free for, as far as there is room."""
        more = len(waiting) - sum(w.job is None for w in self.workers)
        if more <= 0:
            return
        most = self.settings.processes or _room(self.ray, self.settings.cpus_per_worker, self.gpus)
        if not most and not self.workers:
            raise ResourceError(f"execution.address: no machine of the cluster has room for a worker; {self._requirements()}")
        for _ in range(min(more, most - len(self.workers))):
            actor = self.actor_class.remote()
            settings = (self.study.model_dump_json(), str(self.folder), self.work.threads, self.beacon)
            self.workers.append(_ActorState(actor, actor.start.remote(*settings)))

    def _requirements(self) -> str:
        return (
            f"a worker takes execution.cpus_per_worker={self.settings.cpus_per_worker} and execution.gpus_per_worker={self.gpus:g}; "
            "lower them, or add machines (ray status shows them)"
        )

    def _settle(self, worker: _ActorState, waiting: list[Job]) -> None:
        """Take the result of an actor's call: started, done, failed, or lost."""
        from ray.exceptions import RayError, RayTaskError

        job, worker.job = worker.job, None
        ref, worker.ref = worker.ref, None
        try:
            result = self.ray.get(ref)
        except RayTaskError as error:
            cause = error.cause if isinstance(error.cause, Exception) else error
            if isinstance(cause, HoldfastError) or job is None:
                raise cause from None
            self.work.fail(job, cause)
        except RayError as error:
            self.workers.remove(worker)
            self.ray.kill(worker.actor)
            if job is None:
                self.failed_starts += 1
                if self.failed_starts > self.settings.retries:
                    raise ResourceError(
                        f"execution.address: {self.failed_starts} workers could not be started: {_first_line(error)}"
                    ) from None
                return
            self.lost[job] += 1
            if self.lost[job] > self.settings.retries:
                self.work.fail(
                    job, ResourceError(f"its worker was lost {self.lost[job]} times, most likely for memory: {_first_line(error)}")
                )
            else:
                waiting.insert(0, job)
        else:
            if job is None:
                worker.host, worker.pid, versions = result
                self.failed_starts = 0
                self._check_versions(worker, versions)
            else:
                cost, names = result
                self.work.add(cost)
                self._wait_visible(job, names)

    def _check_versions(self, worker: _ActorState, versions: dict[str, str]) -> None:
        mine = worker_versions()
        for name, version in versions.items():
            if version != mine[name]:
                raise ConfigError(
                    f"execution.address: {worker.host} has {name} {version}, the driver {mine[name]}; install the same everywhere"
                )
        if worker.host == HOST:
            self.pids.add(worker.pid)

    def _wait_visible(self, job: Job, names: list[str]) -> None:
        """Wait until this machine sees what another has put into the folder."""
        deadline = time.monotonic() + _VISIBLE
        while missing := [n for n in names if not (self.folder / n).is_dir()]:
            os.listdir(self.folder)  # makes a network file system look again
            if time.monotonic() > deadline:
                self.work.fail(job, ResourceError(f"{self.folder / missing[0]} was made on another machine and is not visible here"))
                return
            time.sleep(0.2)

    def _drain_messages(self, wait: bool = False) -> None:
        """Pass on the workers' messages; a silent one is waited for only with `wait`."""
        for worker in [w for w in self.workers if w.pid]:
            if worker.messages is None:
                worker.messages = worker.actor.messages.options(concurrency_group="messages").remote()
            if self.ray.wait([worker.messages], timeout=_POLL if wait else 0)[0]:
                ref, worker.messages = worker.messages, None
                try:
                    events = self.ray.get(ref)
                except self.ray.exceptions.RayError:
                    continue
                for event in events:
                    self.say(*event) if len(event) == 1 else self.progress(*event)

    def _dismiss(self) -> None:
        """No actor outlives this: those of this machine have ended before their drafts are swept."""
        for worker in self.workers:
            self.ray.kill(worker.actor)
        self.workers.clear()
        deadline = time.monotonic() + 10
        while any(map(_running, self.pids)) and time.monotonic() < deadline:
            time.sleep(0.05)
        (self.folder / self.beacon).unlink(missing_ok=True)
        store = Store(self.folder)
        store.sweep()
        # A killed process may hold its files for a moment after it is reported dead: its other threads end later.
        while any(store.drafts(pid) for pid in self.pids) and time.monotonic() < deadline:
            time.sleep(0.05)
            store.sweep()


# --- the cluster --------------------------------------------------------------------------------------------------------


@contextmanager
def _deferred_signals() -> Iterator[Callable[[], None]]:
    """Record SIGTERM, SIGINT and SIGHUP until the value is called, which raises Interrupted if one arrived: no Ray call is left half done.

    Each call also takes the signals back from Ray, whose own handlers leave actors behind.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    handlers = {notice: signal.getsignal(notice) for notice in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    before = {notice: handler for notice, handler in handlers.items() if handler is not signal.SIG_IGN}
    arrived: list[int] = []

    def check_signals() -> None:
        for notice in before:
            signal.signal(notice, lambda number, _: arrived.append(number))
        if arrived:
            raise Interrupted

    check_signals()
    try:
        yield check_signals
        check_signals()
    finally:
        for notice, handler in before.items():
            signal.signal(notice, handler)


@contextmanager
def _connected(study: Study, check_signals: Callable[[], None]) -> Iterator[Any]:
    """Ray, connected for this run only. With address `local` the cluster is this machine, started and stopped here."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError("execution.kind: ray is not installed; pip install 'holdfast[ray]', or set execution.kind=local") from None
    check_signals()
    address = study.execution.address
    options: dict[str, Any] = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    options["runtime_env"] = {"env_vars": {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}}
    if address == "local":
        options |= {"num_cpus": len(os.sched_getaffinity(0)), "object_store_memory": _OBJECT_STORE, "include_dashboard": False}
    else:
        _check_answers(address)
        check_signals()
    try:
        ray.init(**options)
        check_signals()
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _no_answer(address, _first_line(error)) from None
    except BaseException:
        ray.shutdown()
        raise
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raises ConfigError unless a cluster answers. A subprocess asks, as ray.init waits minutes at a dead address."""
    where = [] if address == "auto" else ["--address", address]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ray.scripts.scripts", "health-check", *where], capture_output=True, text=True, timeout=_ANSWER
        )
    except subprocess.TimeoutExpired:
        raise _no_answer(address, f"nothing within {_ANSWER:.0f} s") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise _no_answer(address, lines[-1][:200] if lines else f"exit code {done.returncode}")


def _no_answer(address: str, why: str) -> ConfigError:
    return ConfigError(
        f"execution.address: {address}: no Ray cluster answers ({why}); start one with ray start --head, "
        "or set execution.address=local for one on this machine"
    )


def _gpus(ray: Any, study: Study) -> float:
    """Accelerators of one worker: as the study says, else one (or as many as train together) if the cluster has any."""
    stated = study.execution.gpus_per_worker
    if stated is not None:
        return stated
    return float(study.execution.fsdp or 1) if study.execution.device != "cpu" and ray.cluster_resources().get("GPU", 0) >= 1 else 0.0


def _room(ray: Any, cpus: int, gpus: float) -> int:
    """How many workers the cluster's machines can hold at once."""
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
    """Whether a process with this id is alive on this machine, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[:200]
