from pathlib import Path
from typing import Annotated

from typer import Option

from holdfast.cli.options import Finished, checked_formats, number, out_folder
from holdfast.errors import ConfigError
from holdfast.progress import work

EXAMPLE = "figures runs/embedded --format pdf"


def figures(
    source: Finished,
    formats: Annotated[list[str] | None, Option("--format", "-f", help="svg, pdf or png; repeatable. Default: pdf.")] = None,
    columns: Annotated[
        list[int] | None, Option(parser=number(1, 2), metavar="INTEGER", help="Width: 1 or 2 columns (3.25 or 6.75 inches); default: both.")
    ] = None,
    picture: Annotated[list[str] | None, Option(help="Draw only this picture, such as forest; repeatable.")] = None,
    out: Annotated[
        Path | None, Option("--out", "-o", metavar="PATH", parser=out_folder, help="Folder for the pictures. Default: OUT/figures.")
    ] = None,
) -> None:
    """Draw every picture of a run, for a paper: svg, pdf or png.

    Pictures are black on white, with 7 point text and embedded fonts. Files: NAME-1col and NAME-2col.
    """
    from holdfast.report.figures import FORMATS, PICTURES, charts_of, write_figures
    from holdfast.report.finished import make_folder
    from holdfast.studies import load_source

    chosen = checked_formats(formats, FORMATS, "pdf")
    if unknown := [p for p in picture or () if p not in PICTURES]:
        raise ConfigError(f"--picture: {unknown[0]!r}: must be one of {', '.join(PICTURES)}")
    study = load_source(source)
    charts = charts_of(study.findings, study.folder, picture)
    if absent := [p for p in picture or () if p not in charts]:
        available = ", ".join(charts_of(study.findings, study.folder))
        raise ConfigError(f"--picture: {absent[0]}: {source} has nothing to draw there; available: {available}")
    folder = make_folder(out or study.out / "figures")
    widths = sorted(set(columns or (1, 2)))
    with work(len(charts) * len(widths), "drawing") as advance:
        files = write_figures(charts, folder, chosen, widths, lambda name: advance(1, name))
    print(f"figures: {len(files)} files in {folder}: {', '.join(charts)}")
