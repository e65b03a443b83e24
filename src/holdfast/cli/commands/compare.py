from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from holdfast.cli.options import Json, out_file
from holdfast.errors import ConfigError
from holdfast.store import write_atomic

EXAMPLE = "compare runs/first runs/second"


def compare(
    sources: Annotated[list[str], Argument(metavar="OUT1 OUT2 ...", help="Folders of finished runs, or published:NAME.")],
    out: Annotated[
        list[Path] | None,
        Option(
            "--out",
            "-o",
            metavar="PATH",
            parser=out_file,
            help="File for the comparison (.md, .csv, .html, .json, .txt) or its picture (.svg, .pdf, .png); repeatable.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare finished runs: what replicates?

    Runs of different models, recipes or world seeds are shown side by side. Nothing is pooled.
    """
    from holdfast import api
    from holdfast.report.comparison import WRITERS, as_json_text, text

    for file in out or ():
        if file.suffix.lower() not in WRITERS:
            raise ConfigError(f"-o/--out: {file}: must end in one of {', '.join(WRITERS)}")
    comparison = api.compare(sources)
    for file in out or ():
        content = WRITERS[file.suffix.lower()](comparison)
        write_atomic(file, content if isinstance(content, bytes) else content.rstrip("\n").encode() + b"\n")
        print(f"comparison: {file}")
    if not out:
        print(as_json_text(comparison) if as_json else text(comparison))
