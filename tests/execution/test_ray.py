"""A real Ray cluster of two machines on this one: a worker killed, a machine lost, the driver interrupted or killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from benchmarks.ray_cluster import Cluster
from benchmarks.ray_kill import STUDY, busy

from holdfast.config import load_study
from holdfast.errors import ConfigError
from holdfast.execution.ray_executor import _room

installed = pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: pip install 'holdfast[ray]'")
TOKEN = "hf_" + "secret" * 5
ENV = {**os.environ, "OMP_NUM_THREADS": "1", "HOLDFAST_TEST_LOOPBACK": "1"}


def two_cores():
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])


def start(out, *arguments, env=ENV):
    return subprocess.Popen([sys.executable, "-m", "holdfast", "run", *STUDY, "-o", str(out), *arguments], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=two_cores, env=env)  # fmt: skip


@pytest.fixture(scope="module")
def cluster():
    made = Cluster(gpus=1, env=ENV)
    yield made
    made.close()


def on(cluster, out, *arguments):
    env = {**cluster.env, "HF_HOME": str(out.parent / "hub"), "HF_TOKEN": TOKEN}
    return start(out, "execution.kind=ray", f"execution.address={cluster.address}", *arguments, env=env)


def until(found, process, patience=120):
    deadline = time.monotonic() + patience
    while not (value := found()):
        assert (process is None or process.poll() is None) and time.monotonic() < deadline, process and process.communicate()
        time.sleep(0.02)
    return value


@installed
def test_a_killed_worker_and_a_lost_machine_change_no_byte_of_the_findings(cluster, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "out"
    local = start(whole, "execution.processes=2")
    _, told = local.communicate()
    assert local.returncode == 0, told
    run = on(cluster, out, "execution.device=cpu", "execution.gpus_per_worker=0.5")
    killed = until(lambda: busy(cluster, out, machine=0), run)[0]  # the other machine then has work left for sure
    os.kill(killed, signal.SIGKILL)
    until(lambda: busy(cluster, out, machine=1), run)
    cluster.kill(1)
    said, told = run.communicate(timeout=240)
    assert run.returncode == 0 and "failed" not in told, told
    assert (out / "findings.json").read_bytes() == (whole / "findings.json").read_bytes()
    assert not list(out.glob("cells/.[db]*")) and not cluster.workers()
    secret = TOKEN.encode()
    assert not any(secret in p.read_bytes() for f in (out, cluster.folder) for p in f.rglob("*") if p.is_file())


@installed
@pytest.mark.parametrize("notice", [signal.SIGTERM, signal.SIGKILL])
def test_a_driver_that_goes_frees_its_workers(cluster, tmp_path, notice):
    out = tmp_path / "out"
    run = on(cluster, out, "execution.device=cpu")
    pid = until(lambda: busy(cluster, out), run)[0]
    given = dict(v.split(b"=", 1) for v in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") if b"=" in v)
    assert given[b"HF_HOME"] == str(tmp_path / "hub").encode() and b"HF_TOKEN" not in given
    run.send_signal(notice)
    _, told = run.communicate(timeout=60)
    until(lambda: not cluster.workers(), None, 60)
    if notice != signal.SIGKILL:
        assert run.returncode == 130 and "run it again to resume" in told and "Traceback" not in told
        assert not list(out.glob("cells/.[db]*"))


@installed
def test_a_worker_that_no_machine_has_room_for_is_refused(cluster, tmp_path):
    run = on(cluster, tmp_path / "out", "execution.device=cpu", "execution.cpus_per_worker=64")
    _, told = run.communicate(timeout=120)
    assert run.returncode == 2 and "no machine of the cluster has room" in told and "Traceback" not in told


def test_without_ray_one_line_says_what_to_install(monkeypatch, tmp_path):
    from holdfast.execution.jobs import Job
    from holdfast.pipeline import run_jobs

    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'holdfast\[ray\]'"):
        run_jobs(load_study("embedded", ["execution.kind=ray"]), tmp_path, [Job(None, -1, 1)], lambda count, name: None)


@pytest.mark.parametrize(
    "setting", ["gpus_per_worker=1.5", "gpus_per_worker=-1", "address=ray://x:1", "address='--x'", "kind=dask", "retries=-1"]
)
def test_settings_that_cannot_be_meant_are_refused(setting):
    with pytest.raises(ConfigError, match=setting.partition("=")[0]):
        load_study("embedded", [f"execution.{setting}"])


class Machines:
    """What Ray says of a cluster with these machines."""

    def __init__(self, *machines):
        self.machines = machines

    def nodes(self):
        return [{"Alive": alive, "Resources": {"CPU": cpus, "GPU": gpus}} for cpus, gpus, alive in self.machines]


@pytest.mark.parametrize(
    ("cpus", "gpus", "room"), [(1, 0.0, 20), (1, 1.0, 5), (1, 0.5, 10), (4, 0.25, 5), (1, 0.3, 15), (1, 2.0, 2), (8, 0.0, 2), (64, 0.0, 0)]
)  # fmt: skip
def test_room_is_what_lies_whole_on_one_machine_and_one_accelerator(cpus, gpus, room):
    assert _room(Machines((16, 4, True), (4, 1, True), (96, 8, False)), cpus, gpus) == room
