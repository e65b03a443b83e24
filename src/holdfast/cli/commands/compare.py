"""`holdfast compare OUT1 OUT2 ...`: several studies side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.errors import ConfigError


def register(app: typer.Typer) -> None:
    app.command(short_help="What replicates over several finished runs.", epilog="Example: holdfast compare runs/first runs/second")(
        compare
    )


def compare(
    sources: Annotated[list[str], typer.Argument(metavar="OUT1 OUT2 ...", help="Folders of finished runs, or published:NAME.")],
    out: Annotated[
        list[Path] | None,
        typer.Option(
            "--out",
            "-o",
            help="Write it there instead, as .md, .csv, .html, .json or .txt, or its picture as .svg, .pdf or .png; several are allowed.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """What replicates over several studies: other models, recipes or world seeds. Nothing is pooled."""
    from holdfast.report.comparison import WRITERS, as_json_text, side_by_side, text
    from holdfast.report.finished import load, reading
    from holdfast.store import write_atomic

    if len(sources) < 2:
        raise ConfigError(f"compare: {len(sources)} folder: at least two finished runs are compared; name another")
    for file in out or ():
        if file.suffix.lower() not in WRITERS:
            raise ConfigError(f"-o/--out: {file}: must end in one of {', '.join(WRITERS)}")
    studies = [load(s) for s in sources]
    for k, study in enumerate(studies):
        if (twin := next((j for j in range(k) if studies[j].findings == study.findings), None)) is not None:
            raise ConfigError(
                f"compare: {study.source}: holds the same findings as {studies[twin].source}; a study can't replicate itself, name another run"
            )
    with reading(", ".join(sources)):
        found = side_by_side(studies)
        if not found.rows:
            why = (
                f" ({found.refused[0]['adapter']}, {found.refused[0]['instrument']}: {found.refused[0]['reason']})" if found.refused else ""
            )
            raise ConfigError(
                f"compare: the runs share no adapter and instrument that can be compared{why}; compare studies with the same domains"
            )
        for file in out or ():
            made = WRITERS[file.suffix.lower()](found)
            write_atomic(file, made if isinstance(made, bytes) else made.rstrip("\n").encode() + b"\n")
            print(f"comparison: {file}")
        if not out:
            print(as_json_text(found) if as_json else text(found))
