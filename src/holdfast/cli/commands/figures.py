"""`holdfast figures OUT`: the report's pictures for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.errors import ConfigError


def register(app: typer.Typer) -> None:
    app.command(
        short_help="Every picture of a run, for a paper: svg, pdf or png.", epilog="Example: holdfast figures runs/embedded --format pdf"
    )(figures)


def figures(
    source: Annotated[str, typer.Argument(metavar="OUT", help="Folder of a finished run, or published:NAME.")],
    formats: Annotated[
        list[str] | None, typer.Option("--format", "-f", help="svg, pdf or png; may be given several times. Default: pdf.")
    ] = None,
    columns: Annotated[
        list[int] | None, typer.Option("--columns", min=1, max=2, help="Wide as 1 or 2 columns (3.25 or 6.75 inches). Default: both.")
    ] = None,
    picture: Annotated[
        list[str] | None, typer.Option("--picture", help="Only this one, such as forest; may be given several times.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the pictures. Default: OUT/figures.")] = None,
) -> None:
    """Every picture of the report for a paper: black on white, 7 point text, fonts inside. Files: NAME-1col and NAME-2col."""
    from holdfast.progress import work
    from holdfast.report.captions import PICTURES
    from holdfast.report.figures import FORMATS, charts_of, write_figures
    from holdfast.report.finished import load, made, reading

    wanted = list(dict.fromkeys(formats or ["pdf"]))
    if unknown := [f for f in wanted if f not in FORMATS]:
        raise ConfigError(f"--format: {unknown[0]!r}: must be one of {', '.join(FORMATS)}")
    if unknown := [p for p in picture or () if p not in PICTURES]:
        raise ConfigError(f"--picture: {unknown[0]!r}: must be one of {', '.join(PICTURES)}")
    study = load(source)
    with reading(source):
        charts = charts_of(study.findings, study.folder, picture)
        if absent := [p for p in picture or () if p not in charts]:
            raise ConfigError(
                f"--picture: {absent[0]}: {source} has nothing to draw there; it has {', '.join(charts_of(study.findings, study.folder))}"
            )
        folder = made(out or study.out / "figures")
        wide = sorted(set(columns or (1, 2)))
        with work(len(charts) * len(wide), "drawing") as advance:
            files = write_figures(charts, folder, wanted, wide, lambda name: advance(1, name))
    print(f"figures: {len(files)} files in {folder}: {', '.join(charts)}")
