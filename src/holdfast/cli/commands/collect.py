"""`holdfast collect`: results from cells that `holdfast run --cells` made, on one machine or many."""

from __future__ import annotations

from pathlib import Path

import typer

from holdfast.cli.options import Json, Limit, Offline, Out, Quiet, Seeds, Settings, Strict, study_of
from holdfast.cli.output import show
from holdfast.processes import quiet_libraries
from holdfast.progress import say


def register(app: typer.Typer) -> None:
    app.command(
        short_help="Results from the cells that run --cells made.", epilog="Example: holdfast collect embedded --out runs/embedded"
    )(collect)


def collect(
    arguments: Settings = None,
    out: Out = None,
    limit: Limit = None,
    seeds: Seeds = None,
    as_json: Json = False,
    offline: Offline = False,
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Join the cells of `run --cells` into table, findings, audit and report. Exits with 3, naming them, if some are missing."""
    from holdfast import pipeline

    study = study_of(arguments, limit=limit, seeds=seeds, offline=offline)
    quiet_libraries()
    outcome = pipeline.collect(study, out or Path("runs") / study.name, say=say)
    show(outcome.findings, as_json)
    say(f"report: {outcome.report}") if as_json else print(f"report: {outcome.report}")
    if strict and any(entry["level"] == "refuse" for entry in outcome.audit):
        raise typer.Exit(1)
