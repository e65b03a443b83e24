"""One bit flipped in each of many places of a finished run: a command names it, heals it, or does not read it; none goes on silently.

    python -m benchmarks.bit_flips [--places 300] [--seed 0] [--run FOLDER] [--show]

Every file of the run takes its turn; the place within it is random. Each of `COMMANDS` is then called on the damaged folder, in this process.
"Not read" is proved, not assumed: output and every other file are equal, byte for byte, to those of the same command on the whole folder.
Cells that have to be made again are made in this process. Exits with 1 if anything was silent.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.malformed import finished_run

COMMANDS = ("run", "analyze", "audit", "report", "compare", "figures", "tables", "Findings")
OFTEN = 5  # the first ones at every place, the others at every fifth
# Differ from session to session where cells are made: times, and what holds them.
TIMES = ("timing.json", "environment.json", "manifest.json")
OUTCOMES = ("named", "healed", "not read", "SILENT")
Bytes = dict[str, bytes]


@dataclass(frozen=True)
class Ended:
    code: Any
    out: str
    said: str
    files: Bytes


def files_of(folder: Path) -> Bytes:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def restore(folder: Path, whole: Bytes) -> None:
    for name in files_of(folder).keys() - whole.keys():
        (folder / name).unlink()
    for name, data in whole.items():
        place = folder / name
        if not place.is_file() or place.read_bytes() != data:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)


def here(study: Any, folder: Path, jobs: Sequence[Any], progress: Callable[[int, str], None], say: Any) -> Any:
    """Instead of processes: the jobs in this one."""
    from holdfast.execution.jobs import Work, Worker
    from holdfast.execution.local_executor import num_threads

    work = Work(threads=num_threads(study))
    for job in jobs:
        work.add(Worker(study, folder, work.threads, say).do(job, progress)[0])
    return work


def arguments_of(command: str, folder: Path, study: Path, other: Path) -> list[str]:
    return {
        "run": ["run", str(study), "-o", str(folder), "--offline"],
        "compare": ["compare", str(folder), str(other)],
        "figures": ["figures", str(folder), "-f", "svg", "--columns", "1", "--picture", "forest", "--picture", "curves"],
    }.get(command, [command, str(folder)])


def call(command: str, folder: Path, study: Path, other: Path) -> Ended:
    from holdfast import Findings, cli, run_files
    from holdfast.errors import HoldfastError

    out, said, code, argv = io.StringIO(), io.StringIO(), 0, sys.argv
    run_files._unchecked.clear()
    sys.argv = ["holdfast", *arguments_of(command, folder, study, other)]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said), mock.patch("holdfast.execution.local_executor.run_jobs", here):
        try:
            if command == "Findings":
                found = Findings.load(folder)
                print(found.rows(), found.audit)
            else:
                cli.main()
        except SystemExit as end:
            code = end.code or 0
        except HoldfastError as error:
            code = 2
            print(f"holdfast: {error}", file=said)
        finally:
            sys.argv = argv
    return Ended(code, out.getvalue(), said.getvalue(), files_of(folder))


def outcome(name: str, flipped: bytes, whole: Ended, ended: Ended) -> str:
    """What became of a flip in the file `name`."""
    lines = ended.said.splitlines()
    cell = name.split("/")[1] if name.startswith("cells/") else name
    named = any(Path(name).name in line or cell in line for line in lines)
    if ended.code:
        return "named" if ended.code == 2 and len(lines) == 1 and lines[0].startswith("holdfast: ") and named else "SILENT"
    remade = " cells made" in ended.said and "0 cells made" not in ended.said
    dated = TIMES if remade or name == "timing.json" else ()
    differ = {n for n in whole.files.keys() | ended.files.keys() if whole.files.get(n) != ended.files.get(n)} - {*dated}
    if ended.out != whole.out or differ - {name}:
        return "SILENT"
    if ended.files.get(name) == flipped:
        return "named" if named else "not read"
    return "healed" if name in dated or name not in differ else "SILENT"


def kind_of(name: str) -> str:
    parts = name.split("/")
    if parts[0] == "cells":
        return f"cells/{parts[1].split('-')[0]}/{parts[-1]}"
    return f"adapters/{parts[-1]}" if parts[0] == "adapters" else name


def prepare(folder: Path, scratch: Path) -> tuple[Path, Path]:
    """A study file, and another run to compare with: a copy with other findings."""
    from holdfast.run_files import manifest_of, seal
    from holdfast.store import file_digest

    other = scratch / "other"
    shutil.copytree(folder, other, ignore=shutil.ignore_patterns("cells", "report.html"))
    text = (other / "findings.json").read_text().replace('"name":"small"', '"name":"small2"').replace('"small"', '"small2"', 1)
    (other / "findings.json").write_text(text)
    manifest = manifest_of(other)
    assert manifest is not None
    seal(other, {**manifest.files, "findings.json": file_digest(other / "findings.json")}, manifest.drawn)
    return scratch / "small.yaml", other


def flips(
    folder: Path, scratch: Path, places: int, seed: int, commands: Sequence[str] = COMMANDS, show: bool = False
) -> Counter[tuple[str, str, str]]:
    """(kind of file, command, outcome): how often."""
    study, other = prepare(folder, scratch)
    start = files_of(folder)
    whole = {}
    for command in commands:
        whole[command] = call(command, folder, study, other)
        assert whole[command].code == 0, whole[command]
        restore(folder, start)
    draw, found = random.Random(seed), Counter[tuple[str, str, str]]()
    names = [n for n in start if start[n]]
    turns = [n for _ in range(-(-places // len(names))) for n in draw.sample(names, len(names))][:places]
    for turn, name in enumerate(turns):
        data = bytearray(start[name])
        at, bit = draw.randrange(len(data)), draw.randrange(8)
        data[at] ^= 1 << bit
        for command in [c for c in commands if turn % OFTEN == 0 or c in COMMANDS[:OFTEN]]:
            (folder / name).write_bytes(data)
            ended = call(command, folder, study, other)
            became = outcome(name, bytes(data), whole[command], ended)
            found[kind_of(name), command, became] += 1
            if show or became == "SILENT":
                print(f"{became:8s} {command:8s} {name}, byte {at}, bit {bit}: {ended.code} {ended.said[-300:]!r}", flush=True)
            restore(folder, start)
    return found


def main() -> int:
    parse = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parse.add_argument("--places", type=int, default=300)
    parse.add_argument("--seed", type=int, default=0)
    parse.add_argument("--run", type=Path, help="A finished run of the small study, made anew otherwise.")
    parse.add_argument("--show", action="store_true")
    asked = parse.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with tempfile.TemporaryDirectory(prefix="bit-flips-") as place:
        scratch = Path(place)
        if asked.run:
            from benchmarks.malformed_cases.common import SMALL

            (scratch / "small.yaml").write_text(SMALL)
            shutil.copytree(asked.run, scratch / "run")
        else:
            finished_run(scratch)
        found = flips(scratch / "run", scratch, asked.places, asked.seed, show=asked.show)
    print(f"{'':38s} " + " ".join(f"{c:>11s}" for c in COMMANDS) + "   (" + " / ".join(OUTCOMES) + ")")
    for kind in sorted({k for k, _, _ in found}):
        cells = ["/".join(str(found[kind, c, o]) for o in OUTCOMES) for c in COMMANDS]
        print(f"{kind:38s} " + " ".join(f"{c:>11s}" for c in cells))
    totals = {o: sum(n for (_, _, what), n in found.items() if what == o) for o in OUTCOMES}
    print(f"{asked.places} places, {sum(totals.values())} calls: " + ", ".join(f"{n} {o}" for o, n in totals.items()))
    return 1 if totals["SILENT"] else 0


if __name__ == "__main__":
    sys.exit(main())
