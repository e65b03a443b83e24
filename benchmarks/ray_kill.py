"""A study on a Ray cluster of two machines' worth of processes, a worker killed in the midst of a cell each round, against a plain run.

    python -m benchmarks.ray_kill [--rounds 1] [--machines 2] [--lose-a-machine]

Prints whether findings.json is that of the plain run, byte for byte, how many processes are left over, and seconds. Needs the extra `ray`.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.ray_cluster import Cluster, of_session

STUDY = [
    "embedded", "seeds=2", "dose={}", "--limit", "8",
    "instruments=[{kind: gsm8k, style: world}, {kind: truthfulqa, style: world}, {kind: imitation, style: world}]",
    "domains=[{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 80}]}, "
    "{name: truth, own_benchmark: truthfulqa, sources: [{kind: world, domain: truth, limit: 80}]}]",
]  # fmt: skip


def start(out: Path, env: dict[str, str], *arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "holdfast", "run", *STUDY, "-o", str(out), *arguments]
    with out.with_suffix(".log").open("wb") as log:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True, env=env)


def busy(cluster: Cluster, out: Path, machine: int | None = None) -> list[int]:
    """Process ids of the workers that are in the middle of a cell, on one machine or any."""
    at = cluster.workers()
    makers = {int(p.name.split("-")[-2]) for p in out.glob("cells/.draft-*")}
    return sorted(pid for pid in makers & at.keys() if machine in (None, at[pid]))


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--rounds", type=int, default=1)
    parse.add_argument("--machines", type=int, default=2)
    parse.add_argument("--lose-a-machine", action="store_true", help="besides the worker, all processes of the last machine")
    asked = parse.parse_args()
    env, draw, same, left = {**os.environ, "OMP_NUM_THREADS": "1"}, random.Random(0), 0, 0
    with tempfile.TemporaryDirectory() as scratch:
        begun, plain = time.monotonic(), Path(scratch) / "plain"
        assert start(plain, env, f"execution.processes={len(os.sched_getaffinity(0))}").wait() == 0, plain.with_suffix(".log").read_text()
        print(f"plain run: {time.monotonic() - begun:.0f} s", flush=True)
        for r in range(asked.rounds):
            cluster = Cluster(asked.machines, env=env)
            try:
                begun, out = time.monotonic(), Path(scratch) / f"round{r}"
                run = start(out, cluster.env, "execution.kind=ray", f"execution.address={cluster.address}")
                time.sleep(draw.uniform(0, 4))
                while not (at := busy(cluster, out)) and run.poll() is None:
                    time.sleep(0.02)
                killed = draw.choice(at)
                os.kill(killed, signal.SIGKILL)
                if asked.lose_a_machine:
                    while not busy(cluster, out, asked.machines - 1) and run.poll() is None:
                        time.sleep(0.02)
                    cluster.kill(asked.machines - 1)
                code, took = run.wait(), time.monotonic() - begun
                assert code == 0, out.with_suffix(".log").read_text()
                orphans = {**of_session(run.pid), **cluster.workers()}
                drafts = len(list(out.glob("cells/.draft-*")))
            finally:
                cluster.close()
            orphans |= of_session(*(n.pid for n in cluster.nodes))
            equal = (out / "findings.json").read_bytes() == (plain / "findings.json").read_bytes()
            same, left = same + equal, left + len(orphans) + drafts
            lost = " and a machine lost" if asked.lose_a_machine else ""
            print(f"round {r}: a worker killed in the midst of a cell{lost}; {'identical' if equal else 'DIFFERENT'} findings; "
                  f"{len(orphans)} processes and {drafts} drafts left over; {took:.0f} s", flush=True)  # fmt: skip
        print(f"{same} of {asked.rounds} rounds gave the plain run's findings; {left} left over")
        return 0 if same == asked.rounds and not left else 1


if __name__ == "__main__":
    raise SystemExit(main())
