from pathlib import Path

from holdfast.cli.options import Json, Limit, Offline, Out, Quiet, Seeds, Settings, Strict, study_of
from holdfast.cli.text import print_outcome
from holdfast.processes import silence_libraries
from holdfast.progress import say

EXAMPLE = "collect embedded --out runs/embedded"


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
    """Join the cells that run --cells made into results.

    Writes table, findings, audit and report. Exits with 3 if cells are missing, and names them.
    """
    from holdfast import pipeline

    study = study_of(arguments, limit=limit, seeds=seeds)
    silence_libraries()
    print_outcome(pipeline.collect(study, out or Path("runs") / study.name, say=say), as_json, strict)
