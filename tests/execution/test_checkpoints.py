"""A run told to end in the middle of a training keeps it, says so, and goes on to the same cell, byte for byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import torch

from holdfast.backends.local import LocalBackend
from holdfast.config import load_study
from holdfast.store import Store

STUDY = """name: kept
seeds: 1
train: {r: 2, lora_alpha: 4, num_train_epochs: 2, per_device_train_batch_size: 2, lora_dropout: 0.1}
dose: {checkpoints: [0.1]}
domains: [{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 40}]}]
instruments: [{kind: gsm8k, limit: 4, style: world}]
execution: {processes: 1, device: cpu, linear: torch, checkpoint_minutes: null}
"""


def start(folder):
    """On one core: threads that wait for each other crawl where others are at work."""
    one = "import os, sys; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); os.execv(sys.argv[1], sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-ISc", one, sys.executable, "-m", "holdfast", "run", str(folder / "study.yaml"), "-o", str(folder / "out"), "--offline"],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip


def cells(out):
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.glob("cells/adapter-*/**/*")) if p.is_file()}


def test_a_training_that_was_ended_goes_on_where_it_was(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    run = start(tmp_path)
    for line in run.stderr:
        if "maths/seed0" in line:  # the first step is done
            break
    os.killpg(run.pid, signal.SIGTERM)
    _, told = run.communicate(timeout=120)
    assert run.returncode == 130 and told.strip().split("\n")[-1].startswith("holdfast: interrupted;") and "Traceback" not in told
    (kept,) = (tmp_path / "out").glob("cells/.partial-adapter-*.safetensors")
    assert not list((tmp_path / "out").glob("cells/.draft-*")) and not list((tmp_path / "out").glob("cells/adapter-*"))
    again = start(tmp_path)
    _, told = again.communicate(timeout=240)
    assert again.returncode == 0 and "maths/seed0: training resumes after step" in told, told
    assert not kept.exists()
    # what a process nobody interrupted makes of the same study
    study = load_study(str(tmp_path / "study.yaml"))
    made = LocalBackend(study, Store(tmp_path / "whole" / "cells"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made.adapters.make("maths", 0)
    torch.set_num_threads(threads)
    assert cells(tmp_path / "whole") == cells(tmp_path / "out") != {}


LOST = """import signal, sys, weakref
from holdfast import cli

class Kept:
    pass

def lost(_):
    signal.raise_signal(signal.SIGTERM)
    for _ in range(9):
        pass  # where the interrupt is raised, and lost

def run():
    kept = Kept()
    held = weakref.ref(kept, lost)
    del kept
    for _ in range(10**9):
        pass
    print("went on")

cli._run = run
cli.main()"""


def test_an_interrupt_that_falls_into_a_callback_is_not_lost():
    done = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, timeout=120)
    assert done.returncode == 130 and done.stdout == "" and done.stderr.startswith("holdfast: interrupted") and done.stderr.count("\n") == 1


def test_when_a_training_is_kept_is_no_part_of_what_it_is(tmp_path):
    (tmp_path / "study.yaml").write_text(STUDY)
    names = set()
    for minutes in ("null", "0", "2.5"):
        made = LocalBackend(
            load_study(str(tmp_path / "study.yaml"), [f"execution.checkpoint_minutes={minutes}"]), Store(tmp_path / "cells")
        )
        names.add(made.store.name("adapter", made.adapters.identity("maths", 0)))
    assert len(names) == 1


def test_a_worker_that_does_not_leave_is_ended(monkeypatch):
    from multiprocessing import get_context

    from holdfast.execution import local_executor as local

    monkeypatch.setattr(local, "GRACE", 0.5)
    process = get_context("spawn").Process(target=_deaf)
    process.start()
    time.sleep(0.5)
    local._dismiss([process])
    assert process.exitcode in (-signal.SIGKILL, -signal.SIGUSR1)


def _deaf():
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    time.sleep(600)
