"""Options that several commands share, and the study they name."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, BadParameter, Option

from holdfast import progress
from holdfast.errors import ConfigError
from holdfast.escape import one_line, plain

if TYPE_CHECKING:
    from holdfast.config import Study


def _complete_recipes(incomplete: str) -> list[str]:
    from holdfast.config import recipe_names

    return [name for name in recipe_names() if name.startswith(incomplete)]


def _set_quiet(value: bool) -> bool:
    progress.quiet(value)
    return value


def _set_offline(value: bool) -> bool:
    if value:
        os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    return value


def out_folder(text: str) -> Path:
    """A path to write under, as typed. Raises BadParameter."""
    text = str(text)  # a default is a path
    if not text.strip() or plain(text) != text:
        raise BadParameter(f"{one_line(text)!r}: must be a non-empty path in UTF-8 without control characters; name another")
    return Path(text)


def out_file(text: str) -> Path:
    """A file to write, as typed: a new one, or one that is replaced. Raises BadParameter."""
    path = out_folder(text)
    if str(path.absolute().parent) == "/dev" or (path.exists() and not path.is_file()):
        raise BadParameter(f"{path}: is a folder, a device or a pipe; name a file")
    return path


def number(least: float = -math.inf, most: float = math.inf, kind: type[int] | type[float] = int) -> Callable[[Any], Any]:
    """A reader of numbers in this range, as study files hold them: digits, and a point or power in a float; no underscore, no infinity."""
    form = re.compile(r"[-+]?[0-9]{1,18}" if kind is int else r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
    bounds = [f"{name} {bound:.9g}" for name, bound in (("at least", least), ("at most", most)) if math.isfinite(bound)]
    wanted = f"a {'whole ' if kind is int else ''}number{', ' if bounds else ''}{' and '.join(bounds)}"

    def read(text: Any) -> int | float:
        text = str(text)  # a default is a number
        if not form.fullmatch(text) or not least <= (value := kind(text)) <= most or math.isinf(value):
            raise BadParameter(f"{one_line(text)[:60]!r}: must be {wanted}, written plainly (no underscore)")
        return value

    return read


Settings = Annotated[
    list[str] | None,
    Argument(metavar="[STUDY.yaml] [KEY=VALUE ...]", help="A study file or recipe, then settings.", autocompletion=_complete_recipes),
]
Out = Annotated[Path | None, Option("--out", "-o", metavar="PATH", parser=out_folder, help="Run folder; default: runs/<study name>.")]
Device = Annotated[str | None, Option(help="cpu, cuda, cuda:0 or mps.")]
Dtype = Annotated[str | None, Option(help="float32, bfloat16 or float16.")]
Limit = Annotated[int | None, Option(parser=number(1), metavar="INTEGER", help="At most this many items per instrument.")]
Seeds = Annotated[int | None, Option("--seeds", parser=number(1), metavar="INTEGER", help="Adapter seeds per domain.")]
Json = Annotated[bool, Option("--json", help="Print JSON instead of text.")]
Offline = Annotated[bool, Option(help="Never contact a hub.", callback=_set_offline)]
Strict = Annotated[bool, Option(help="Exit with 1 if the audit refuses a claim.")]
Quiet = Annotated[bool, Option("--quiet", "-q", help="Print only results and errors: no progress, no remarks.", callback=_set_quiet)]
Finished = Annotated[str, Argument(metavar="OUT", help="Folder of a finished run, or published:NAME.")]


def study_of(
    arguments: list[str] | None, device: str | None = None, dtype: str | None = None, limit: int | None = None, seeds: int | None = None
) -> Study:
    """The study a command line names, with its options on top of the study's settings. Raises ConfigError."""
    from holdfast.config import load_study

    arguments = list(arguments or [])
    path = arguments.pop(0) if arguments and "=" not in arguments[0] else None
    arguments = checked_settings(arguments)
    extra = [f"execution.device={device}"] * bool(device) + [f"model.dtype={dtype}"] * bool(dtype) + [f"seeds={seeds}"] * bool(seeds)
    study = load_study(path, [*arguments, *extra])
    return study.limited(limit) if limit else study


def checked_settings(settings: list[str] | None) -> list[str]:
    """The settings of a command line. Raises ConfigError for one that is not key=value."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if stray := [s for s in settings or () if "=" not in s]:
        raise ConfigError(f"argument {stray[0]!r}: must be a setting key=value, for example train.r=32 (name only one study file)")
    return list(settings or ())


def checked_formats(formats: list[str] | None, available: tuple[str, ...], default: str) -> list[str]:
    """The requested formats without repeats. Raises ConfigError for an unknown one."""
    chosen = list(dict.fromkeys(formats or [default]))
    if unknown := [f for f in chosen if f not in available]:
        raise ConfigError(f"--format: {unknown[0]!r}: must be one of {', '.join(available)}")
    return chosen
