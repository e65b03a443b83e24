"""`holdfast tables OUT`: a study's tables for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.errors import ConfigError


def register(app: typer.Typer) -> None:
    app.command(
        short_help="Tables of a run, for a paper: LaTeX, Markdown or CSV.", epilog="Example: holdfast tables runs/embedded --format latex"
    )(tables)


def tables(
    source: Annotated[str, typer.Argument(metavar="OUT", help="Folder of a finished run, or published:NAME.")],
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="latex, markdown or csv; may be given several times. Default: latex.")
    ] = None,
    columns: Annotated[list[int] | None, typer.Option("--columns", min=1, max=2, help="LaTeX for 1 or 2 columns. Default: both.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the tables. Default: OUT/tables.")] = None,
) -> None:
    """Gains, shifts, contrasts, additivity, dose and audit as tables. LaTeX: NAME-1col.tex, NAME-2col.tex and paper.tex, which includes them."""
    from holdfast.report.finished import load, made, reading
    from holdfast.report.tables import FORMATS, write_tables

    wanted = list(dict.fromkeys(formats or ["latex"]))
    if unknown := [f for f in wanted if f not in FORMATS]:
        raise ConfigError(f"--format: {unknown[0]!r}: must be one of {', '.join(FORMATS)}")
    study = load(source)
    with reading(source):
        folder = made(out or study.out / "tables")
        files = write_tables(study.findings, study.audit, folder, wanted, sorted(set(columns or (1, 2))))
    print(f"tables: {len(files)} files in {folder}: {', '.join(f.name for f in files)}")
