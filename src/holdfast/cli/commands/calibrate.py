import json
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from holdfast.cli.options import Json, Quiet, number
from holdfast.errors import ConfigError
from holdfast.progress import say, work
from holdfast.store import write_atomic

EXAMPLE = "calibrate --quick"


def calibrate(
    out: Annotated[Path, Option("--out", "-o", help="Folder for calibration.json and calibration.html.")] = Path("runs/calibration"),
    quick: Annotated[bool, Option("--quick", help="Fewer items and studies: about two minutes.")] = False,
    organisms: Annotated[bool, Option(help="Include OUT/organisms/organisms.json, made by experiments.organisms, if it is there.")] = True,
    seed: Annotated[int, Option(parser=number(0), metavar="INTEGER", help="Seed of all random draws.")] = 0,
    page: Annotated[Path | None, Option(help="Also write the result as a Markdown page, with its JSON next to it.")] = None,
    as_json: Json = False,
    strict: Annotated[bool, Option(help="Exit with 1 if a planted value is not recovered or a rate exceeds its limit.")] = False,
    quiet: Quiet = False,
) -> None:
    """Check that holdfast recovers known effects as promised.

    Planted behaviour and simulated studies with known effects pass through the whole measurement.
    """
    import holdfast_calibration as calibration
    from holdfast_calibration import page as pages

    if page is not None and page.suffix != ".md":
        raise ConfigError(f"--page {page}: must be a Markdown file, for example docs/calibration.md")
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
    settings = (calibration.QUICK if quick else calibration.LONG).model_copy(update={"seed": seed})
    found = calibration.calibrate(settings, out, work, organisms)
    write_atomic(out / "calibration.html", pages.page(found).encode())
    if page is not None:
        write_atomic(page, pages.markdown(found).encode())
        write_atomic(page.with_suffix(".json"), (out / "calibration.json").read_bytes())
    print(json.dumps(json.loads((out / "calibration.json").read_bytes())) if as_json else pages.text(found))
    say(f"calibration: {out / 'calibration.json'}, {out / 'calibration.html'}")
    if strict and found.problems:
        raise typer.Exit(1)
