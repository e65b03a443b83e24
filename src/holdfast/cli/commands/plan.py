import json
import os
from typing import Annotated

from typer import Option

from holdfast.cli.options import Device, Dtype, Json, Limit, Offline, Out, Quiet, Seeds, Settings, number, study_of
from holdfast.cli.text import fact_lines

EXAMPLE = "plan llama2-7b --device-memory 80"


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
        Option(
            parser=number(0.1, 1e6, float),
            metavar="GIB",
            help="Plan for one accelerator with this memory instead of this machine; loads nothing.",
        ),
    ] = None,
    device_tflops: Annotated[
        float | None,
        Option(
            parser=number(0.1, 1e9, float),
            metavar="FLOAT",
            help="Its dense peak in the model's dtype; default: that of a known accelerator of this size.",
        ),
    ] = None,
) -> None:
    """Estimate a study's cells, tokens, hours, memory and disk.

    The study is not run.
    """
    from holdfast import api

    if device_memory is not None:
        os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")  # planned from local files
    study = study_of(arguments, device, dtype, limit, seeds)
    facts = api.plan(study, out, device_memory=device_memory, device_tflops=device_tflops, quiet=quiet)
    print(json.dumps(facts, indent=1) if as_json else "\n".join(fact_lines(facts)))
