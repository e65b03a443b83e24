"""A Ray cluster of real processes on this machine: a head and any number of further nodes, each with cores of its own, each to be killed."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# A machine that does not answer for 5 s is lost; Ray's own patience is half a minute.
_SOON = {"RAY_health_check_initial_delay_ms": "5000", "RAY_health_check_period_ms": "1000", "RAY_health_check_failure_threshold": "5"}
_STARTED = re.compile(r"ray start --address='([^']+)'")


def of_session(*leaders: int) -> dict[int, str]:
    """{process id: name} of all that runs in the sessions these processes lead, zombies left out."""
    found = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                head, _, tail = (place / "stat").read_text().rpartition(")")
            except OSError:
                continue
            state, session = tail.split()[0], int(tail.split()[3])
            if session in leaders and state not in "ZX":
                found[int(place.name)] = head.partition("(")[2]
    return found


class Cluster:
    """`nodes` machines of `cpus` cores and `gpus` accelerators, which need not be there to be counted; `folder`: logs of all.

    Its token is its own, so that no other cluster of this machine is met.
    """

    def __init__(self, nodes: int = 2, cpus: int = 1, gpus: int = 0, env: dict[str, str] | None = None):
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
        self.env = {**(os.environ if env is None else env), **token, **_SOON}
        self.cpus, self.gpus, self.nodes, self.folder = cpus, gpus, [], Path(tempfile.mkdtemp(prefix="ray"))  # short: sockets lie in it
        try:
            head = self._start("--head", "--port=0", "--include-dashboard=false", f"--temp-dir={self.folder}")
            self.address = self._await(head, _STARTED)
            for _ in range(nodes - 1):
                self.add()
        except BaseException:
            self.close()
            raise

    def add(self) -> int:
        """Another machine; returns its place in `nodes`."""
        self._await(self._start(f"--address={self.address}"), re.compile("(Ray runtime started)"))
        return len(self.nodes) - 1

    def kill(self, index: int) -> None:
        """A machine gone at once, with all that ran on it."""
        leader = self.nodes[index].pid
        for pid in of_session(leader):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.nodes[index].wait()

    def close(self) -> None:
        """Every process of the cluster, killed."""
        deadline = time.monotonic() + 20
        while of_session(*(n.pid for n in self.nodes)) and time.monotonic() < deadline:
            for i in reversed(range(len(self.nodes))):
                self.kill(i)
            time.sleep(0.1)
        shutil.rmtree(self.folder, ignore_errors=True)

    def workers(self) -> dict[int, int]:
        """{process id: machine} of the actors."""
        return {pid: i for i, n in enumerate(self.nodes) for pid, name in of_session(n.pid).items() if name.startswith("ray::Actor")}

    def _start(self, *arguments: str) -> Path:
        log = self.folder / f"node{len(self.nodes)}.log"
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--node-ip-address=127.0.0.1", f"--num-cpus={self.cpus}",
            f"--num-gpus={self.gpus}", f"--object-store-memory={80 * 2**20}", "--disable-usage-stats", *arguments,
        ]  # fmt: skip
        with log.open("wb") as out:
            self.nodes.append(subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True, env=self.env))
        return log

    def _await(self, log: Path, wanted: re.Pattern[str]) -> str:
        deadline = time.monotonic() + 120
        while not (found := wanted.search(log.read_text(errors="replace"))):
            if self.nodes[-1].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"a Ray node did not start: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.1)
        return found[1]
