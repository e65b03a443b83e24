"""`holdfast collect`: results from cells that `holdfast run --cells` made, on one machine or many."""

from __future__ import annotations

from pathlib import Path

import typer

from holdfast.cli.app import Json, Limit, Offline, Out, Seeds, Settings, Strict


def register(app: typer.Typer) -> None:
    app.command()(collect)


def collect(
    arguments: Settings = None,
    out: Out = None,
    limit: Limit = None,
    seeds: Seeds = None,
    as_json: Json = False,
    offline: Offline = False,
    strict: Strict = False,
) -> None:
    """Join the cells of `run --cells` into table, findings, audit and report. Exits with 3, naming them, if some are missing."""
    from holdfast import pipeline
    from holdfast.cli.app import _quiet, _show, _study
    from holdfast.cli.progress import say

    study = _study(arguments, None, None, limit, seeds, offline)
    _quiet()
    outcome = pipeline.collect(study, out or Path("runs") / study.name, say=say)
    _show(outcome.findings, as_json)
    print(f"report: {outcome.report}")
    if strict and any(entry["level"] == "refuse" for entry in outcome.audit):
        raise typer.Exit(1)
