"""Workers are forked from a process that has imported the libraries, see the parent's environment as it is now, and end with the parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from holdfast.workers import enter_worker, worker_context


def state() -> tuple[int, bool, tuple[str | None, bool], object]:
    told = os.environ.get("TOLD"), "DROPPED" in os.environ
    return os.getppid(), "peft" in sys.modules, told, signal.getsignal(signal.SIGTERM)


def seen_by_workers() -> list[tuple[int, bool, tuple[str | None, bool], object]]:
    with ProcessPoolExecutor(2, worker_context("cpu"), enter_worker, (dict(os.environ),)) as pool:
        return [job.result() for job in [pool.submit(state) for _ in range(2)]]


def test_workers_of_two_pools_come_from_one_process_and_see_the_environment_of_now(monkeypatch):
    monkeypatch.setenv("TOLD", "one")
    monkeypatch.setenv("DROPPED", "yes")
    first = seen_by_workers()
    monkeypatch.setenv("TOLD", "two")
    monkeypatch.delenv("DROPPED")
    second = seen_by_workers()
    assert {parent for parent, *_ in first + second} == {first[0][0]} != {os.getpid()}
    assert all(imported and handler == signal.SIG_DFL for _, imported, _, handler in first + second)
    assert [told for *_, told, _ in first + second] == [("one", True)] * 2 + [("two", False)] * 2


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "mps", None])
def test_where_a_process_may_not_be_forked_each_worker_is_a_new_interpreter(device):
    assert worker_context(device) is multiprocessing.get_context("spawn")


PARENT = """
import os, signal, sys, time
from concurrent.futures import ProcessPoolExecutor
from holdfast.workers import enter_worker, worker_context
if __name__ == "__main__":
    with ProcessPoolExecutor(1, worker_context(sys.argv[1] if sys.argv[1:] else None), enter_worker, (dict(os.environ),)) as pool:
        print(pool.submit(os.getpid).result(), pool.submit(os.getppid).result(), flush=True)
        pool.submit(time.sleep, 600)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("device", ["cpu", None], ids=["forked", "a new interpreter"])
def test_a_killed_parent_leaves_neither_worker_nor_server_behind(tmp_path, device):
    (tmp_path / "parent.py").write_text(PARENT)
    done = subprocess.run([sys.executable, "parent.py", *filter(None, [device])], cwd=tmp_path, stdout=subprocess.PIPE, timeout=300)
    assert done.returncode == -signal.SIGKILL
    left = {int(pid) for pid in done.stdout.split()}
    until = time.monotonic() + 60
    while (left := {pid for pid in left if running(pid)}) and time.monotonic() < until:
        time.sleep(0.1)
    assert not left


def running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"  # a zombie waits for its new parent to notice
    except FileNotFoundError:
        return False
