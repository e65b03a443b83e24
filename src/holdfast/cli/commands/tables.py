from pathlib import Path
from typing import Annotated

from typer import Option

from holdfast.cli.options import Finished, checked_formats, number, out_folder

EXAMPLE = "tables runs/embedded --format latex"


def tables(
    source: Finished,
    formats: Annotated[list[str] | None, Option("--format", "-f", help="latex, markdown or csv; repeatable. Default: latex.")] = None,
    columns: Annotated[
        list[int] | None, Option(parser=number(1, 2), metavar="INTEGER", help="LaTeX for 1 or 2 columns. Default: both.")
    ] = None,
    out: Annotated[
        Path | None, Option("--out", "-o", metavar="PATH", parser=out_folder, help="Folder for the tables. Default: OUT/tables.")
    ] = None,
) -> None:
    """Write a run's tables for a paper: LaTeX, Markdown or CSV.

    Gains, behaviour, deference, contrasts, additivity, doses, audit, published claims. LaTeX: NAME-1col.tex, NAME-2col.tex and paper.tex.
    """
    from holdfast.report.finished import make_folder
    from holdfast.report.tables import FORMATS, write_tables
    from holdfast.studies import load_source

    chosen = checked_formats(formats, FORMATS, "latex")
    study = load_source(source)
    folder = make_folder(out or study.out / "tables")
    files = write_tables(study.findings, study.audit, folder, chosen, sorted(set(columns or (1, 2))))
    print(f"tables: {len(files)} files in {folder}: {', '.join(f.name for f in files)}")
