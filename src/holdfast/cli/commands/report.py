"""`holdfast report`: the page of a finished run, drawn again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.options import Json
from holdfast.cli.output import load_json
from holdfast.errors import ConfigError, HoldfastError


def register(app: typer.Typer) -> None:
    app.command(short_help="Draw the report of a finished run again.", epilog="Example: holdfast report runs/embedded")(report)


def report(folder: Annotated[Path, typer.Argument(help="A finished run.")], as_json: Json = False) -> None:
    """Draw the report of a finished run again."""
    from jinja2 import UndefinedError

    from holdfast.report import write_report

    findings, audit = (load_json(folder / name) for name in ("findings.json", "audit.json"))
    about = folder / "environment.json"  # the run's own; an analysis of somebody's tables has none
    environment = load_json(about) if about.is_file() else {}
    try:
        page = write_report(folder, findings, audit, environment, folder / "transcripts.jsonl.gz")
    except HoldfastError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, UndefinedError) as error:
        raise ConfigError(
            f"{folder}: its findings, audit or environment are not what a run writes ({type(error).__name__}: {str(error)[:100]}); run the study again"
        ) from error
    print(json.dumps({"report": str(page)}) if as_json else f"report: {page}")
