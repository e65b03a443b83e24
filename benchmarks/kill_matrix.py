"""Every stage of a run x {SIGTERM, SIGKILL, full disk, folder not to be written}: no corrupt cell, and the resumed run ends in the same bytes.

    python -m benchmarks.kill_matrix [--chains 14] [--at-once 2] [--seed 0] [--out FILE.json]

A chain is one run folder: the study is started, struck in its first stage, started again, struck there in another way, started again, struck in the
next stage, and so on through all eight; then it is finished and its findings are compared with those of a run nobody touched. Two chains cover
every stage with every blow.
After each blow: exit code and last line as documented, no traceback, no process left, every cell whole. At the end: no draft, no checkpoint.

The moment is random within the stage, as far as it shows from outside (what the run says, what appears in its folder). SIGTERM goes to
the process or its whole group; SIGKILL to the process, its group, or a worker; a disk is full when a small tmpfs has been filled up (as root) or no
file of the run may grow (prlimit); a folder is read-only for a run that permission bits bind (root gives up what lifts them).
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from holdfast.store import is_whole

STUDY = """name: small
seeds: 1
train: {r: 2, lora_alpha: 4, num_train_epochs: 1, per_device_train_batch_size: 2, lora_dropout: 0.1}
dose: {checkpoints: [0.25]}
domains: [{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 24}]}]
instruments: [{kind: gsm8k, limit: 4, style: world}, {kind: imitation, limit: 4, style: world}]
execution: {processes: 1, device: cpu, linear: torch, checkpoint_minutes: 0}
"""
TRIALS = 6  # cells of trials: the base, the adapter and its first quarter, asked two instruments each
STAGES = ("loading", "training", "writing a cell", "measuring", "joining trials", "analysis", "report", "collect")
BLOWS = ("SIGTERM", "SIGKILL", "full disk", "not writable")
PATIENCE = 500.0  # seconds after which a run is taken to hang
TRIES = 4  # times that a blow is aimed at its stage, until it comes before the run is through
# On one core, and as root for whom permission bits hold: capabilities 1 and 2 (DAC_OVERRIDE, DAC_READ_SEARCH) leave the bounding set (prctl 24).
LAUNCH = """import ctypes, os, sys
os.sched_setaffinity(0, {int(sys.argv[1])})
if os.geteuid() == 0:
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[2], sys.argv[2:])"""


@dataclass
class Trial:
    """One blow. `code`: exit code; `wrong`: what was not as documented; `late`: in every try, the run was through before the blow could matter."""

    chain: int
    stage: str
    blow: str
    code: int | None = None
    last: str = ""
    late: bool = False
    wrong: list[str] = field(default_factory=list)


class Run:
    """One `holdfast` process, in a session of its own."""

    def __init__(self, place: Place, command: str):
        self.place, self.lines, self.started = place, [], time.monotonic()
        cores = sorted(os.sched_getaffinity(0))
        launch = [sys.executable, "-ISc", LAUNCH, str(cores[place.number % len(cores)])]
        arguments = [*launch, sys.executable, "-m", "holdfast", command, str(place.root / "study.yaml"), "-o", str(place.out), "--offline"]
        env = {**os.environ, "OMP_NUM_THREADS": "1", "HOME": str(place.root), "PYTHONDONTWRITEBYTECODE": "1", "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen(
            arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True, env=env
        )
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        for line in self.process.stderr:
            self.lines.append(line.rstrip("\n"))

    def said(self, words: str) -> bool:
        return any(words in line for line in self.lines)

    def ready(self) -> bool:
        """Whether the program has begun: it catches SIGTERM."""
        try:
            caught = Path(f"/proc/{self.process.pid}/status").read_text().split("SigCgt:")[1].split()[0]
        except (OSError, IndexError):
            return False
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def workers(self) -> list[int]:
        """Process ids of the workers: children of this process, or of the server that forks them for it."""
        started = _children(self.process.pid)
        spawned = [pid for pid in started if b"spawn_main" in _command(pid)]
        return spawned + [pid for server in started if b"multiprocessing.forkserver" in _command(server) for pid in _children(server)]

    def until(self, condition: Callable[[], bool]) -> bool:
        """Whether `condition` came true before the process ended."""
        while not condition():
            if self.process.poll() is not None or time.monotonic() - self.started > PATIENCE:
                return condition()
            time.sleep(0.002)
        return True

    def pause(self, seconds: float) -> bool:
        """Whether the process still ran after so long."""
        until = time.monotonic() + seconds
        return not self.until(lambda: time.monotonic() >= until) or self.process.poll() is None

    def end(self) -> int | None:
        try:
            code = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = None
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        until = time.monotonic() + 20
        while _lives(self.process.pid) and time.monotonic() < until:
            time.sleep(0.02)
        self.left = _lives(self.process.pid)
        if self.left:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.reader.join(10)
        self.process.stderr.close()
        return code


def _children(pid: int) -> list[int]:
    """Process ids of what any thread of a process has started; none if the process is gone."""
    found: list[int] = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += map(int, listed.read_text().split())
        except OSError:
            pass
    return found


def _command(pid: int) -> bytes:
    """The command line of a process; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


class Place:
    """One chain's folder: on a small file system of its own, where this process may mount one."""

    def __init__(self, root: Path, number: int = 0, size: str = "24m"):
        self.root, self.out, self.number = root, root / "out", number
        root.mkdir()
        self.mounted = (
            os.geteuid() == 0
            and subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", root], capture_output=True).returncode == 0
        )
        (root / "study.yaml").write_text(STUDY)

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", self.root], check=True)
        shutil.rmtree(self.root, ignore_errors=True)

    def fill(self, run: Run) -> None:
        if not self.mounted:
            for pid in (run.process.pid, *run.workers()):
                try:
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
                except (ProcessLookupError, PermissionError):
                    pass
            return
        with (self.root / "filler").open("ab", buffering=0) as filler:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        filler.write(b"\0" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def empty(self) -> None:
        (self.root / "filler").unlink(missing_ok=True)

    def lock(self) -> None:
        self._mode(0o555)

    def unlock(self) -> None:
        self._mode(0o755)

    def _mode(self, mode: int) -> None:
        for folder in (self.root, *(p for p in self.root.rglob("*") if p.is_dir())):
            try:
                folder.chmod(mode)
            except FileNotFoundError:
                pass

    def cells(self, pattern: str) -> list[Path]:
        return [p for p in self.out.glob(f"cells/{pattern}") if not p.name.startswith(".")]

    def lose(self, patterns: tuple[str, ...], draw: random.Random) -> None:
        """A cell of each kind: what a run that was through has done is there to be done again."""
        for found in map(self.cells, patterns):
            if found:
                shutil.rmtree(draw.choice(sorted(found)))

    def left(self) -> list[str]:
        """Drafts, locks, checkpoints: everything a finished run must not leave."""
        return [str(p.relative_to(self.root)) for p in self.root.rglob(".*")]


def reach(stage: str, run: Run, place: Place, draw: random.Random) -> bool:
    """Wait for a random moment of `stage`; False if the run was through before."""

    def drafted() -> bool:
        return any(True for _ in place.out.glob("cells/.draft-*[!k]/*"))  # [!k]: not a .lock

    if not run.until(run.ready):
        return False
    if stage == "loading":
        return run.pause(draw.uniform(0, draw.choice((1, 4, 9))))
    if stage == "training":
        before = {p: p.stat().st_mtime_ns for p in place.out.glob("cells/.partial-*")}
        steps = draw.randint(1, 4)
        seen: set[int] = set()

        def trained() -> bool:
            for p in place.out.glob("cells/.partial-*"):
                try:
                    if (now := p.stat().st_mtime_ns) != before.get(p):
                        seen.add(now)
                except FileNotFoundError:
                    pass
            return len(seen) >= steps

        return run.until(trained)
    if stage == "writing a cell":
        return run.until(drafted)
    if stage == "measuring":
        asking = lambda: bool(run.workers() and place.cells("adapter-*"))  # noqa: E731
        through = lambda: run.said("joining the trials")  # noqa: E731
        before = len(place.cells("trials-*"))
        more = draw.randint(0, max(0, TRIALS - 1 - before))
        made = lambda: len(place.cells("trials-*")) - before >= more or through()  # noqa: E731
        return run.until(asking) and run.until(made) and run.pause(draw.uniform(0, 0.3)) and not through()
    if stage == "joining trials":
        return run.until(lambda: run.said("joining the trials"))
    if stage == "analysis":
        return run.until(lambda: run.said("joining the trials")) and run.pause(draw.uniform(0.02, 0.8))
    if stage == "report":
        return run.until(lambda: run.said("drawing the report")) and run.pause(draw.uniform(0, 0.8))
    return run.pause(draw.uniform(0, draw.choice((2, 5, 9))))


def strike(blow: str, run: Run, place: Place, draw: random.Random) -> str:
    """Do it; returns it with what it was aimed at."""
    pid = run.process.pid
    if blow == "SIGTERM":
        aim = draw.choice(("process", "group"))
        os.kill(pid, signal.SIGTERM) if aim == "process" else os.killpg(pid, signal.SIGTERM)
    elif blow == "SIGKILL":
        workers = run.workers()
        aim = draw.choice(("process", "group", *(["worker"] if workers else [])))
        try:
            os.killpg(pid, signal.SIGKILL) if aim == "group" else os.kill(workers[0] if aim == "worker" else pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    else:
        aim = "disk" if blow == "full disk" else "folder"
        place.fill(run) if blow == "full disk" else place.lock()
    return f"{blow}, {aim}"


def judge(trial: Trial, run: Run, code: int | None, place: Place) -> None:
    """Fill in what is wrong after the blow."""
    trial.code, trial.last = code, run.lines[-1][:300] if run.lines else ""
    blow = trial.blow
    if blow.startswith("SIGTERM"):
        fine = code == 130 and trial.last.startswith("holdfast: interrupted;")
    elif blow == "SIGKILL, worker":
        fine = code == 2 and "a worker process was ended by the system" in trial.last
    elif blow.startswith("SIGKILL"):
        fine = code == -signal.SIGKILL
    else:
        said = ("No space left on device", "File too large") if blow.startswith("full") else ("Permission denied",)
        fine = code == 2 and trial.last.startswith("holdfast: ") and any(words in trial.last for words in said)
    trial.late = code == 0 and not blow.startswith("SIGKILL, p") and not blow.startswith("SIGKILL, g")
    if not (fine or trial.late):
        trial.wrong.append(f"exit code {code}, last line {trial.last!r}")
    if any("Traceback" in line or line.startswith("Exception") for line in run.lines):
        trial.wrong.append("traceback: " + " | ".join(run.lines[-12:]))
    if sum(line.startswith("holdfast: ") for line in run.lines) > 1:
        trial.wrong.append("more than one line of error")
    if run.left:
        trial.wrong.append("a process was left")
    trial.wrong += [f"{cell.name} is corrupt" for cell in place.cells("*-*") if not is_whole(cell)]


def attempt(trial: Trial, place: Place, draw: random.Random) -> None:
    """Start a run and strike it in the trial's stage. Where that is late, the stage's work is lost, so that it can be struck again."""
    run = Run(place, "collect" if trial.stage == "collect" else "run")
    blow = trial.blow.split(",")[0]
    trial.late = not (reach(trial.stage, run, place, draw) and run.process.poll() is None)
    trial.blow = blow if trial.late else strike(blow, run, place, draw)
    code = run.end()
    place.unlock()
    place.empty()
    if not trial.late:
        judge(trial, run, code, place)
    if trial.late:  # a collection measures nothing anew
        place.lose(("results-*",) if trial.stage in ("report", "collect") else ("results-*", "trials-*"), draw)
        (place.out / "report.html").unlink(missing_ok=True)  # results that are the same as before leave a whole report as it is


def chain(number: int, root: Path, expected: bytes, seed: int, stages: tuple[str, ...] = STAGES, strikes: int = 2) -> list[Trial]:
    """All stages, each with its blows, then the end; what the end shows to be wrong stands with the last trial."""
    draw, place, trials = random.Random(f"{seed}/{number}"), Place(root, number), []
    try:
        for i, stage in [(i, stage) for i, stage in enumerate(stages) for _ in range(strikes)]:
            trial = Trial(number, stage, BLOWS[(number + i + 2 * len([t for t in trials if t.stage == stage])) % len(BLOWS)])
            for _ in range(TRIES):
                attempt(trial, place, draw)
                if not trial.late:
                    break
            trials.append(trial)
            print(
                f"{number:3d} {stage:15s} {trial.blow:20s} {'late' if trial.late else trial.code} {'; '.join(trial.wrong) or trial.last[:110]}",
                flush=True,
            )
        run = Run(place, "collect" if "collect" in stages else "run")
        code = run.end()
        trials[-1].wrong += [] if code == 0 else [f"the last run ended with {code}: {run.lines[-3:]}"]
        trials[-1].wrong += [f"left over: {name}" for name in place.left()]
        if code == 0 and (place.out / "findings.json").read_bytes() != expected:
            trials[-1].wrong.append("other findings")
        trials[-1].wrong += [f"{cell.name} is corrupt" for cell in place.cells("*-*") if not is_whole(cell)]
    finally:
        place.close()
    return trials


def undisturbed(root: Path) -> bytes:
    place = Place(root)
    try:
        run = Run(place, "run")
        assert run.end() == 0, run.lines
        return (place.out / "findings.json").read_bytes()
    finally:
        place.close()


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--chains", type=int, default=14)
    parse.add_argument("--at-once", type=int, default=2)
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--out", type=Path)
    asked = parse.parse_args()
    begun, trials = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="kill-matrix-") as scratch:
        expected = undisturbed(Path(scratch) / "whole")
        with ThreadPoolExecutor(asked.at_once) as pool:
            for made in pool.map(lambda n: chain(n, Path(scratch) / f"chain{n}", expected, asked.seed), range(asked.chains)):
                print(f"chain {made[0].chain}: {'; '.join(made[-1].wrong) or 'the same findings, nothing left'}", flush=True)
                trials += made
                if asked.out:
                    asked.out.write_text(json.dumps([asdict(t) for t in trials], indent=1) + "\n")
    counted = Counter((t.stage, t.blow.split(",")[0]) for t in trials if not t.late)
    print(f"{'':15s} " + " ".join(f"{blow:>12s}" for blow in BLOWS))
    for stage in STAGES:
        print(f"{stage:15s} " + " ".join(f"{counted[stage, blow]:12d}" for blow in BLOWS))
    bad = sum(bool(t.wrong) for t in trials)
    late = sum(t.late for t in trials)
    print(
        f"{counted.total()} blows in {asked.chains} chains ({late} more came too late); {bad} ended otherwise than they should; {time.monotonic() - begun:.0f} s"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
