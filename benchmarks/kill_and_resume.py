"""Kill a run with SIGKILL at random moments, resume it each time, and compare its findings with an uninterrupted run's.

    python benchmarks/kill_and_resume.py [--kills 20] [--seed 0]

The whole process group dies, workers included. Moments are drawn over four fifths of the shortest run seen; one that has
ended before its moment is followed by a fresh folder, until exactly `kills` kills are made.
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

STUDY = [
    "embedded",
    "seeds=2",
    "domains.truth_resists.sources.world.limit=300",
    *(f"domains.{d}.sources.world.limit=300" for d in ("maths", "knowledge", "common_sense", "truth")),
]


def start(out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "holdfast", "run", *STUDY, "--limit", "40", "--offline", "-o", str(out)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng, kills, folders, same = random.Random(options.seed), 0, 0, True
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        if start(Path(folder) / "whole").wait() != 0:
            sys.exit("the uninterrupted run failed")
        length = time.monotonic() - began
        expected = (Path(folder) / "whole" / "findings.json").read_bytes()
        print(f"uninterrupted: {length:.0f} s", flush=True)
        while kills < options.kills:
            folders += 1
            out = Path(folder) / f"killed{folders}"
            while kills < options.kills:
                fresh = not out.exists()
                run = start(out)
                moment = rng.uniform(0.5, 0.8 * length)
                try:
                    began = time.monotonic()
                    code = run.wait(timeout=moment)
                    if fresh:
                        length = min(length, time.monotonic() - began)
                    if code != 0:
                        sys.exit(f"folder {folders}: a resumed run failed")
                    break
                except subprocess.TimeoutExpired:
                    os.killpg(run.pid, signal.SIGKILL)
                    run.wait()
                    kills += 1
                    print(f"kill {kills}: folder {folders}, after {moment:.1f} s", flush=True)
            if start(out).wait() != 0:
                sys.exit(f"folder {folders}: the run after the last kill failed")
            same &= (out / "findings.json").read_bytes() == expected
            print(f"folder {folders}: {'identical' if same else 'DIFFERENT'}", flush=True)
    print(f"{kills} kills over {folders} folders: findings.json {'identical' if same else 'differs'}")
    sys.exit(0 if same else 1)


if __name__ == "__main__":
    main()
