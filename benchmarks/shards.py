"""Eight parts of one study side by side in one folder, three of them killed at random, then finished and joined.

    python -m benchmarks.shards [--parts 8] [--killed 3] [--rounds 1]

Prints whether findings.json is that of a plain run, byte for byte. Needs nothing but this package.
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

STUDY = ["embedded", "seeds=2", "dose={}", "execution.processes=1", "--limit", "12"]


def start(*arguments: object, core: int = 0) -> subprocess.Popen[bytes]:
    """On one core, and so with one thread: threads of many processes that wait for each other take the cores from all of them."""
    cores = sorted(os.sched_getaffinity(0))
    return subprocess.Popen(
        [sys.executable, "-m", "holdfast", "run", *STUDY, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, preexec_fn=lambda: os.sched_setaffinity(0, {cores[core % len(cores)]}),
    )  # fmt: skip


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--parts", type=int, default=8)
    parse.add_argument("--killed", type=int, default=3)
    parse.add_argument("--rounds", type=int, default=1)
    asked = parse.parse_args()
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "plain"
        assert start("-o", plain).wait() == 0
        same = 0
        for r in range(asked.rounds):
            out, begun = Path(scratch) / f"round{r}", time.monotonic()
            parts = [start("-o", out, "--cells", f"{i}/{asked.parts}", core=i) for i in range(asked.parts)]
            doomed = draw.sample(range(asked.parts), asked.killed)
            for i in doomed:
                while not list(out.glob("cells/.draft-*")) and parts[i].poll() is None:
                    time.sleep(0.05)
                time.sleep(draw.uniform(0, 4))
                if parts[i].poll() is None:
                    os.killpg(parts[i].pid, signal.SIGKILL)
            codes = [p.wait() for p in parts]
            for i in doomed:
                assert start("-o", out, "--cells", f"{i}/{asked.parts}").wait() == 0
            joined = subprocess.run(
                [sys.executable, "-m", "holdfast", "collect", str(out / "study.yaml"), "-o", str(out)], capture_output=True
            )
            assert joined.returncode == 0, joined.stderr.decode()
            equal = (out / "findings.json").read_bytes() == (plain / "findings.json").read_bytes()
            same += equal
            print(
                f"round {r}: parts ended with {codes}; {'identical' if equal else 'DIFFERENT'} findings; {time.monotonic() - begun:.0f} s",
                flush=True,
            )
        print(f"{same} of {asked.rounds} rounds gave the plain run's findings")
        return 0 if same == asked.rounds else 1


if __name__ == "__main__":
    raise SystemExit(main())
