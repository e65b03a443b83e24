"""Worker processes: how they start, and that none outlives the process that started it."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext


def worker_context(device: str | None) -> BaseContext:
    """How workers that compute on `device` ("cpu", "cuda", ...; None: a server computes) start.

    For a CPU under Linux they are forked from one process that has imported the libraries, so that seconds of imports are paid once.
    Elsewhere each is a new interpreter: CUDA and the libraries of macOS do not work in a forked process.
    """
    if sys.platform != "linux" or device != "cpu":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["holdfast.preloaded"])
    return context


def enter_worker(environment: Mapping[str, str]) -> None:
    """To be called first in a worker: take the parent's environment as it is now, and exit as soon as the parent is gone."""
    if dict(os.environ) != environment:  # of a forked worker it is that of its server, which may be older
        os.environ.clear()
        os.environ.update(environment)
    parent = multiprocessing.parent_process()
    assert parent is not None, "not a worker process"
    threading.Thread(target=_exit_with, args=(parent.sentinel,), daemon=True).start()


def _exit_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
