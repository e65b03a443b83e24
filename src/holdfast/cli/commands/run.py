from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from holdfast.cli.options import Device, Dtype, Json, Limit, Offline, Out, Quiet, Seeds, Settings, Strict, study_of
from holdfast.cli.text import print_outcome
from holdfast.processes import silence_libraries
from holdfast.progress import say, work

EXAMPLE = "run embedded seeds=3 --out runs/first"


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
        str | None,
        Option(metavar="I/N", help="Make only part I (from 0) of N and stop before the analysis; slurm: this task of an array job."),
    ] = None,
) -> None:
    """Train the adapters, measure gain and shift, write the report.

    After an interruption, run it again to resume.
    """
    from holdfast import pipeline
    from holdfast.execution.plan import parse_shard

    shard = parse_shard(cells) if cells is not None else None
    study = study_of(arguments, device, dtype, limit, seeds)
    folder = out or Path("runs") / study.name
    silence_libraries()
    if shard is None:
        outcome = pipeline.run(study, folder, say=say, progress=lambda plan: work(plan.work, "measuring"))
        print_outcome(outcome, as_json, strict)
        return
    left, failures = pipeline.run_shard(study, folder, shard, say=say, progress=lambda plan: work(plan.work, "measuring"))
    for line in failures:
        say(f"failed: {line}", always=True)
    done = f"all cells are finished; next: holdfast collect {folder / 'study.yaml'} -o {folder}"
    print(f"{left} jobs of the study are left" if left else done)
    raise typer.Exit(3 if failures else 0)
