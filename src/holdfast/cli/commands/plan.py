"""`holdfast plan`: what a study takes, before it is paid for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.options import Device, Dtype, Json, Limit, Offline, Out, Quiet, Seeds, Settings, study_of
from holdfast.cli.output import lines
from holdfast.errors import ConfigError
from holdfast.processes import quiet_libraries
from holdfast.progress import say


def register(app: typer.Typer) -> None:
    app.command(
        short_help="What a study takes: cells, tokens, hours, memory, disk.", epilog="Example: holdfast plan llama2-7b --device-memory 80"
    )(plan)


def plan(
    arguments: Settings = None,
    out: Out = None,
    device: Device = None,
    dtype: Dtype = None,
    limit: Limit = None,
    seeds: Seeds = None,
    as_json: Json = False,
    offline: Offline = False,
    quiet: Quiet = False,
    device_memory: Annotated[
        float | None,
        typer.Option(
            min=0.1, max=1e6, metavar="GIB", help="Plan for one accelerator with this much memory instead of this machine; loads nothing."
        ),
    ] = None,
    device_tflops: Annotated[
        float | None,
        typer.Option(min=0.1, max=1e9, help="That accelerator's dense peak in the model's dtype; default: a known one of that size."),
    ] = None,
) -> None:
    """Cells, prompts, tokens, estimated time and memory of a study, without running it."""
    from holdfast.planning.estimate import detectable, estimate

    study = study_of(arguments, device, dtype, limit, seeds, offline or device_memory is not None)  # planned from what is at hand
    quiet_libraries()
    if device_tflops is not None and device_memory is None:
        raise ConfigError("--device-tflops: needs --device-memory, for example --device-memory 80")
    if device_memory is not None:
        from holdfast.planning import on_device
        from holdfast.sources.materials import Materials

        materials = Materials(study)
        found = on_device(study, materials, device_memory, device_tflops)
        found["detectable, points"] = detectable(study, materials)
    else:
        from holdfast.models.checkpoint import pick_device

        pick_device(study.execution.device)  # refused before anything is said
        say("a part of the study is tried on this machine, to see what it takes")
        found = estimate(study, out or Path("runs") / study.name)
    print(json.dumps(found, indent=1) if as_json else "\n".join(lines(found)))
