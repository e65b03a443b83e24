"""Parts of a study beside each other on one folder, one of them killed; interrupts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import ConfigError
from holdfast.execution.jobs import Job
from holdfast.execution.plan import Shard, parse_shard
from warm import HOLDFAST

STUDY = ["embedded", "seeds=2", "dose={}", "execution.processes=1", "domains=[{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 48}]}, "
         "{name: truth, own_benchmark: truthfulqa, sources: [{kind: world, domain: truth, limit: 48}]}]", "train.per_device_train_batch_size=16",
         "instruments=[{kind: gsm8k, style: world}, {kind: truthfulqa, style: world}, {kind: doubt, style: world}]"]  # fmt: skip


def start(*arguments):
    return subprocess.Popen([sys.executable, "-m", "holdfast", "run", *STUDY, "--limit", "8", *map(str, arguments)], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip


def holdfast(*arguments):
    return subprocess.run([*HOLDFAST, *map(str, arguments)], capture_output=True, text=True)


def alive(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def until(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    run = start("-o", out)
    _, told = run.communicate()
    assert run.returncode == 0, told
    return out


def test_three_parts_beside_each_other_one_killed_give_the_same_findings(whole, tmp_path):
    out = tmp_path / "out"
    parts = [start("-o", out, "--cells", f"{i}/3") for i in range(3)]
    until(lambda: list(out.glob("cells/.draft-*")), parts[1])
    os.killpg(parts[1].pid, signal.SIGKILL)
    for part in parts:
        part.communicate()
    assert [p.returncode for p in parts] == [0, -signal.SIGKILL, 0] and not (out / "findings.json").exists()
    early = holdfast("collect", *STUDY, "--limit", "8", "-o", out)
    assert early.returncode == 3 and "are missing" in early.stderr and "Traceback" not in early.stderr
    again = start("-o", out, "--cells", "1/3")
    said, told = again.communicate()
    assert again.returncode == 0 and "all cells are finished" in said, told
    done = holdfast("collect", out / "study.yaml", "-o", out)
    assert done.returncode == 0, done.stderr
    assert (out / "findings.json").read_bytes() == (whole / "findings.json").read_bytes()
    assert not list(out.glob("cells/.draft-*"))


@pytest.mark.parametrize("notice", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("group", [True, False])
def test_an_interrupt_keeps_finished_cells_and_leaves_nothing_behind(tmp_path, notice, group):
    out = tmp_path / "out"
    run = start("-o", out)
    until(lambda: list(out.glob("cells/trials-*")), run)
    os.killpg(run.pid, notice) if group else run.send_signal(notice)
    _, told = run.communicate(timeout=60)
    assert run.returncode == 130 and "run it again to resume" in told and "Traceback" not in told
    deadline = time.monotonic() + 20
    while alive(run.pid) and time.monotonic() < deadline:  # what multiprocessing keeps beside a process ends after it
        time.sleep(0.05)
    assert not alive(run.pid)
    assert list(out.glob("cells/trials-*")) and not list(out.glob("cells/.draft-*"))


jobs = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 5)), unique=True, max_size=20).flatmap(
    lambda names: st.tuples(*(st.builds(Job, st.just(d), st.just(s), st.integers(0, 1000)) for d, s in names))
)


@given(jobs, st.integers(1, 9))
def test_parts_are_disjoint_whole_and_do_not_hang_on_the_order(drawn, count):
    parts = [Shard(i, count).share(drawn) for i in range(count)]
    assert sorted((j.domain, j.seed) for part in parts for j in part) == sorted((j.domain, j.seed) for j in drawn)
    assert [Shard(i, count).share(drawn[::-1]) for i in range(count)] == parts
    if drawn:  # longest processing time first: at most 4/3 of the best makespan, which is at least the mean and the largest job
        loads = [sum(max(1, j.work) for j in part) for part in parts]
        best = max(sum(loads) / count, max(max(1, j.work) for j in drawn))
        assert max(loads) <= 2 * best


@pytest.mark.parametrize("text", ["", "3", "3/3", "-1/2", "1/0", "a/b", "1/2/3", "1.5/2", "9999999/99999999"])
def test_a_part_that_cannot_be_meant_is_refused(text):
    with pytest.raises(ConfigError, match="must be i/n"):
        parse_shard(text)


def test_a_task_of_an_array_job_is_a_part(monkeypatch):
    for name in ("ID", "COUNT", "MIN", "STEP"):
        monkeypatch.delenv(f"SLURM_ARRAY_TASK_{name}", raising=False)
    with pytest.raises(ConfigError, match="SLURM_ARRAY_TASK_ID"):
        parse_shard("slurm")
    for name, value in (("ID", "7"), ("COUNT", "4"), ("MIN", "1"), ("STEP", "2")):
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    assert parse_shard("slurm") == Shard(3, 4)
