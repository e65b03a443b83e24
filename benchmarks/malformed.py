"""Malformed input of every kind through the command line, in this process: refused in one line, with no traceback and no hang.

    python -m benchmarks.malformed [--mutations 400] [--seed 0] [--only study,rows,...] [--show]

A corpus of known offences, each of which must be refused (exit code 2, or 3 where results are incomplete; exactly one line on stderr that
starts with `holdfast:`) or, where it has one right reading, must give its right value; then seeded mutations of good input, which may also turn
out to be usable (exit code 0, no traceback).
Prints counts by kind of input; exits with 1 if any case ends otherwise. Needs nothing but this package.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.malformed_cases.adapters import adapter_folders
from benchmarks.malformed_cases.common import SMALL, Case
from benchmarks.malformed_cases.folders import folders
from benchmarks.malformed_cases.models import adapters, checkpoint, checkpoints
from benchmarks.malformed_cases.replies import long_replies, replies
from benchmarks.malformed_cases.rows import row_mutations, rows
from benchmarks.malformed_cases.sealed import sealed
from benchmarks.malformed_cases.servers import servers
from benchmarks.malformed_cases.studies import studies, study_mutations
from benchmarks.malformed_cases.templates import templates
from benchmarks.malformed_cases.transcripts import transcript_mutations, transcripts
from benchmarks.malformed_cases.values import values

SECONDS = 60  # a case that takes longer hangs


@dataclass(frozen=True)
class Result:
    code: Any
    lines: list[str]
    seconds: float
    trace: str = ""
    number: str | None = None  # what is wrong with an accepted input's numbers

    def wrong(self, case: Case) -> str | None:
        """What is not as it should be, or None."""
        if self.trace:
            return f"raised {self.trace.strip().splitlines()[-1][:300]}"
        if self.code == 0 and not case.must:
            return self.number or (None if "Traceback" not in "".join(self.lines) else "traceback")
        if self.code not in (2, 3):
            return f"exit code {self.code}"
        lines = [line for line in self.lines if not (case.remark and case.remark in line)]
        if len(lines) != 1 or not lines[0].startswith("holdfast: "):
            return f"{len(self.lines)} lines on stderr: {self.lines[:3]}"
        return None


class _Hang(BaseException):
    pass


class Runner:
    """Runs cases in this process; what is written to file descriptor 2 counts as well as what is written to sys.stderr."""

    def __init__(self, scratch: Path, seconds: int = SECONDS):
        self.scratch, self.seconds, self.number, self.err = scratch, seconds, 0, io.StringIO()

    def __call__(self, case: Case) -> Result:
        from holdfast import cli

        folder = self.scratch / f"{self.number:05d}"
        folder.mkdir()
        self.number += 1
        arguments = case.make(folder)
        code, trace, start, here, out = None, "", time.monotonic(), Path.cwd(), io.StringIO()
        old = {s: signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)}

        def hang(*_: object) -> None:
            raise _Hang(f"took more than {self.seconds} s")

        signal.signal(signal.SIGALRM, hang)
        signal.alarm(self.seconds)
        began, argv, saved = self.err.tell(), sys.argv, os.dup(2)
        try:
            with tempfile.TemporaryFile() as raw:
                os.dup2(raw.fileno(), 2)
                os.chdir(folder)
                sys.argv = ["holdfast", *arguments]
                try:
                    with contextlib.redirect_stderr(self.err), contextlib.redirect_stdout(out):
                        cli.main()
                    code = 0
                except SystemExit as end:
                    code = end.code or 0
                except (Exception, _Hang):
                    trace = traceback.format_exc()
                finally:
                    signal.alarm(0)
                    os.dup2(saved, 2)
                raw.seek(0)
                below = raw.read().decode(errors="replace")
        finally:
            os.close(saved)
            os.chdir(here)
            sys.argv = argv
            for s, handler in old.items():
                signal.signal(s, handler)
        self.err.seek(began)
        said = self.err.read() + below
        seconds = time.monotonic() - start
        number = case.right(folder, out.getvalue()) if case.right and code == 0 else None
        shutil.rmtree(folder, ignore_errors=True)
        return Result(code, said.splitlines(), seconds, trace, number)


def finished_run(folder: Path) -> Path:
    """A small study run to its end, for the cases that damage one."""
    (folder / "small.yaml").write_text(SMALL)
    result = Runner(folder, 600)(
        Case("run", "good", lambda _: ["run", str(folder / "small.yaml"), "-o", str(folder / "run"), "--offline"], must=False)
    )
    assert result.code == 0, (result.lines, result.trace)
    return folder / "run"


def corpus(base: Path, run: Path) -> Iterator[Case]:
    yield from studies()
    yield from rows()
    yield from values()
    yield from transcripts()
    yield from replies()
    yield from long_replies()
    yield from checkpoints(base)
    yield from templates(base)
    yield from adapters(run)
    yield from adapter_folders(base)
    yield from folders(run)
    yield from sealed(run)
    yield from servers()


def mutations(seed: int, count: int) -> Iterator[Case]:
    """`count` seeded ones, taking turns."""
    draw = random.Random(seed)
    makers = [row_mutations(draw), transcript_mutations(draw), study_mutations(draw)]
    for i in range(count):
        yield next(makers[i % len(makers)])


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--mutations", type=int, default=400)
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--only", default="", help="kinds, with commas between")
    parse.add_argument("--show", action="store_true", help="print what each case was told")
    asked = parse.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    counts: Counter[tuple[str, str]] = Counter()
    slowest, start = (0.0, ""), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="malformed-") as name:
        scratch = Path(name)
        base, run = checkpoint(scratch), finished_run(scratch)
        (scratch / "cases").mkdir()
        ask = Runner(scratch / "cases")
        for case in (*corpus(base, run), *mutations(asked.seed, asked.mutations)):
            if asked.only and case.kind not in asked.only.split(","):
                continue
            result = ask(case)
            wrong = result.wrong(case)
            counts[case.kind, "wrong" if wrong else "used" if result.code == 0 else "refused"] += 1
            slowest = max(slowest, (result.seconds, f"{case.kind}: {case.name}"))
            if wrong or asked.show:
                print(
                    f"{'WRONG' if wrong else result.code} {case.kind}: {case.name}: {wrong or ' | '.join(result.lines)[:300]}", flush=True
                )
                if wrong and result.trace:
                    print("".join(result.trace.splitlines(keepends=True)[-5:]), flush=True)
    for kind in dict.fromkeys(k for k, _ in counts):
        print(f"{kind:12s} " + ", ".join(f"{counts[kind, what]} {what}" for what in ("refused", "used", "wrong")))
    total, bad = sum(counts.values()), sum(n for (_, what), n in counts.items() if what == "wrong")
    print(
        f"{total} inputs, {bad} ended otherwise than they should; {time.monotonic() - start:.0f} s, the slowest {slowest[0]:.1f} s ({slowest[1]})"
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
