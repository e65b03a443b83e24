"""Options that several commands share, each written once, and the study they name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast import progress
from holdfast.errors import ConfigError

if TYPE_CHECKING:
    from holdfast.config import Study


def _recipes(incomplete: str) -> list[str]:
    from holdfast.config import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


def _hush(value: bool) -> bool:
    progress.quiet(value)
    return value


Settings = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STUDY.yaml] [KEY=VALUE ...]", help="A study file or shipped recipe, then settings.", autocompletion=_recipes),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder; default runs/<study name>.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:0, mps.")]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many items per instrument.")]
Seeds = Annotated[int | None, typer.Option("--seeds", min=1, help="Adapter seeds per domain.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Offline = Annotated[bool, typer.Option(help="Never ask a hub.")]
Strict = Annotated[bool, typer.Option(help="Exit with 1 if the audit refuses a claim.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no remarks; results and errors alone.", callback=_hush)]


def study_of(
    arguments: list[str] | None,
    device: str | None = None,
    dtype: str | None = None,
    limit: int | None = None,
    seeds: int | None = None,
    offline: bool = False,
) -> Study:
    """The study a command line names, options on top of its settings. Raises ConfigError."""
    from holdfast.config import load_study

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if offline:
        os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    arguments = list(arguments or [])
    path = arguments.pop(0) if arguments and "=" not in arguments[0] else None
    stray = [a for a in arguments if "=" not in a]
    if stray:
        raise ConfigError(f"argument {stray[0]!r}: must be a setting key=value, for example train.r=32 (one study file only)")
    extra = [f"execution.device={device}"] * bool(device) + [f"model.dtype={dtype}"] * bool(dtype) + [f"seeds={seeds}"] * bool(seeds)
    study = load_study(path, [*arguments, *extra])
    return study.limited(limit) if limit else study
