"""`holdfast calibrate`: known truth through the whole chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.cli.options import Quiet
from holdfast.errors import ConfigError


def register(app: typer.Typer) -> None:
    app.command(short_help="Does holdfast find what is planted, as often as it says?", epilog="Example: holdfast calibrate --quick")(
        calibrate
    )


def calibrate(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for calibration.json and calibration.html.")] = Path("runs/calibration"),
    quick: Annotated[bool, typer.Option("--quick", help="Fewer items and studies: about two minutes.")] = False,
    organisms: Annotated[bool, typer.Option(help="Also train organisms with planted behaviour (long form only).")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything that is drawn.")] = 0,
    page: Annotated[Path | None, typer.Option(help="Write the result as a Markdown page too, with its JSON beside it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    strict: Annotated[bool, typer.Option(help="Exit with 1 if a planted value is not recovered or a rate is beyond its limit.")] = False,
    quiet: Quiet = False,
) -> None:
    """Planted behaviour and simulated studies with known effects: does holdfast find what is there, as often as it says?"""
    import dataclasses

    from holdfast import calibration
    from holdfast.calibration import page as pages
    from holdfast.progress import say, work
    from holdfast.store import write_atomic

    if page is not None and page.suffix != ".md":
        raise ConfigError(f"--page {page}: must be a Markdown file, for example docs/calibration.md")
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
    settings = dataclasses.replace(calibration.QUICK if quick else calibration.LONG, seed=seed)
    found = calibration.calibrate(settings, out, work, _organisms() if organisms and not quick else None)
    write_atomic(out / "calibration.html", pages.page(found).encode())
    if page is not None:
        write_atomic(page, pages.markdown(found).encode())
        write_atomic(page.with_suffix(".json"), (out / "calibration.json").read_bytes())
    print(json.dumps(found) if as_json else pages.text(found))
    say(f"calibration: {out / 'calibration.json'}, {out / 'calibration.html'}")
    if strict and found["problems"]:
        raise typer.Exit(1)


def _organisms() -> Any:
    """The function that trains and measures organisms, if this installation has it."""
    import importlib.util

    if importlib.util.find_spec("experiments.organisms.training") is None:
        return None
    from experiments.organisms import training as organisms

    from holdfast.progress import say

    return lambda folder: organisms.run(folder, say)
