"""`holdfast run`: a whole study, or one part of its cells."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.options import Device, Dtype, Json, Limit, Offline, Out, Quiet, Seeds, Settings, Strict, study_of
from holdfast.cli.output import show
from holdfast.processes import quiet_libraries
from holdfast.progress import say, work


def register(app: typer.Typer) -> None:
    app.command(
        short_help="Train the adapters, measure gain and shift, write the report.",
        epilog="Example: holdfast run embedded seeds=3 --out runs/first",
    )(run)


def run(
    arguments: Settings = None,
    out: Out = None,
    device: Device = None,
    dtype: Dtype = None,
    limit: Limit = None,
    seeds: Seeds = None,
    as_json: Json = False,
    offline: Offline = False,
    strict: Strict = False,
    quiet: Quiet = False,
    cells: Annotated[
        str | None, typer.Option(metavar="I/N", help="Make part I (from 0) of N and conclude nothing; slurm: this task of an array job.")
    ] = None,
) -> None:
    """Train the adapters, measure gain and sycophancy, and write the report. Run again to go on after any interruption."""
    from holdfast import pipeline
    from holdfast.execution import shards

    shard = shards.parse(cells) if cells is not None else None
    study = study_of(arguments, device, dtype, limit, seeds, offline)
    folder = out or Path("runs") / study.name
    quiet_libraries()
    if shard is not None:
        left, failures = pipeline.run_shard(study, folder, shard, say=say, progress=lambda plan: work(plan.work, "measuring"))
        for line in failures:
            say(f"failed: {line}", always=True)
        print(
            f"{left} jobs of the study are left"
            if left
            else f"every cell is there; now: holdfast collect {folder / 'study.yaml'} -o {folder}"
        )
        raise typer.Exit(3 if failures else 0)
    outcome = pipeline.run(study, folder, say=say, progress=lambda plan: work(plan.work, "measuring"))
    show(outcome.findings, as_json)
    say(f"{outcome.made} cells made, {outcome.reused} reused")
    for line in outcome.failures:
        say(f"failed: {line}", always=True)
    say(f"report: {outcome.report}") if as_json else print(f"report: {outcome.report}")
    if outcome.failures:
        raise typer.Exit(3)
    if strict and any(entry["level"] == "refuse" for entry in outcome.audit):
        raise typer.Exit(1)
