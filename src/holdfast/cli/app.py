"""The commands. Each parses, calls one function of the library, and prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from holdfast.errors import ConfigError, HoldfastError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Measures what a fine-tune did to a language model's backbone: capability gain against sycophancy shift.",
)

Settings = Annotated[
    list[str] | None,
    typer.Argument(metavar="[STUDY.yaml] [KEY=VALUE ...]", help="A study file or shipped recipe, then settings."),
]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Run folder; default runs/<study name>.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:0, mps.")]
Dtype = Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.")]
Limit = Annotated[int | None, typer.Option(min=1, help="At most this many items per instrument.")]
Seeds = Annotated[int | None, typer.Option("--seeds", min=1, help="Adapter seeds per domain.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Offline = Annotated[bool, typer.Option(help="Never ask a hub.")]
Strict = Annotated[bool, typer.Option(help="Exit with 1 if the audit refuses a claim.")]


def _study(
    arguments: list[str] | None, device: str | None, dtype: str | None, limit: int | None, seeds: int | None, offline: bool
):
    import os

    from holdfast.config import load_study

    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    if offline:
        os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    arguments = list(arguments or [])
    path = arguments.pop(0) if arguments and "=" not in arguments[0] else None
    stray = [a for a in arguments if "=" not in a]
    if stray:
        raise ConfigError(f"argument {stray[0]!r}: must be a setting key=value, for example train.r=32 (one study file only)")
    extra = (
        [f"execution.device={device}"] * bool(device) + [f"model.dtype={dtype}"] * bool(dtype) + [f"seeds={seeds}"] * bool(seeds)
    )
    study = load_study(path, [*arguments, *extra])
    if limit:
        study = study.model_copy(
            update={"instruments": tuple(i.model_copy(update={"limit": min(limit, i.limit or limit)}) for i in study.instruments)}
        )
    return study


@app.command()
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
    cells: Annotated[
        str | None, typer.Option(metavar="I/N", help="Make part I (from 0) of N and conclude nothing; slurm: this task of an array job.")
    ] = None,
) -> None:
    """Train the adapters, measure gain and sycophancy, and write the report. Run again to go on after any interruption."""
    from holdfast import pipeline
    from holdfast.cli.progress import say, work
    from holdfast.execution import shards

    shard = shards.parse(cells) if cells is not None else None
    study = _study(arguments, device, dtype, limit, seeds, offline)
    folder = out or Path("runs") / study.name
    _quiet()
    if shard is not None:
        left, failures = pipeline.run_shard(study, folder, shard, say=say, progress=lambda plan: work(plan.work, "measuring"))
        for line in failures:
            say(f"failed: {line}")
        print(f"{left} jobs of the study are left" if left else f"every cell is there; now: holdfast collect {folder / 'study.yaml'} -o {folder}")
        raise typer.Exit(3 if failures else 0)
    outcome = pipeline.run(study, folder, say=say, progress=lambda plan: work(plan.work, "measuring"))
    _show(outcome.findings, as_json)
    say(f"{outcome.made} cells made, {outcome.reused} reused")
    for line in outcome.failures:
        say(f"failed: {line}")
    print(f"report: {outcome.report}")
    if outcome.failures:
        raise typer.Exit(3)
    if strict and any(entry["level"] == "refuse" for entry in outcome.audit):
        raise typer.Exit(1)


@app.command()
def plan(
    arguments: Settings = None,
    out: Out = None,
    device: Device = None,
    dtype: Dtype = None,
    limit: Limit = None,
    seeds: Seeds = None,
    as_json: Json = False,
    offline: Offline = False,
    device_memory: Annotated[
        float | None, typer.Option(min=0.1, max=1e6, metavar="GIB", help="Plan for one accelerator with this much memory instead of this machine; loads nothing.")
    ] = None,
    device_tflops: Annotated[
        float | None, typer.Option(min=0.1, max=1e9, help="That accelerator's dense peak in the model's dtype; default: a known one of that size.")
    ] = None,
) -> None:
    """Cells, prompts, tokens, estimated time and memory of a study, without running it."""
    from holdfast.cli.estimate import detectable, estimate

    study = _study(arguments, device, dtype, limit, seeds, offline or device_memory is not None)  # planned from what is at hand
    _quiet()
    if device_tflops is not None and device_memory is None:
        raise ConfigError("--device-tflops: needs --device-memory, for example --device-memory 80")
    if device_memory is not None:
        from holdfast.execution.materials import Materials
        from holdfast.planning import on_device

        materials = Materials(study)
        found = on_device(study, materials, device_memory, device_tflops)
        found["detectable, points"] = detectable(study, materials)
        print(json.dumps(found, indent=1) if as_json else "\n".join(_lines(found)))
        return
    found = estimate(study, out or Path("runs") / study.name)
    print(json.dumps(found, indent=1) if as_json else "\n".join(f"{name:28s} {value}" for name, value in found.items()))


@app.command()
def report(folder: Annotated[Path, typer.Argument(help="A finished run.")]) -> None:
    """Draw the report of a finished run again."""
    from jinja2 import UndefinedError

    from holdfast.report import write_report

    findings, audit = (_load(folder / name) for name in ("findings.json", "audit.json"))
    about = folder / "environment.json"  # the run's own; an analysis of somebody's tables has none
    environment = _load(about) if about.is_file() else {}
    try:
        page = write_report(folder, findings, audit, environment, folder / "transcripts.jsonl.gz")
    except HoldfastError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, UndefinedError) as error:
        raise ConfigError(
            f"{folder}: its findings, audit or environment are not what a run writes ({type(error).__name__}: {str(error)[:100]}); run the study again"
        ) from error
    print(f"report: {page}")


@app.command()
def doctor(model: Annotated[str, typer.Argument(help="Model to check.")] = "world:0", device: Device = None) -> None:
    """Versions, device, the one-BOS check, batch-size invariance and the offline state."""
    from holdfast.cli.checks import doctor as examine

    _quiet()
    lines, fine = examine(model, device)
    print("\n".join(lines))
    if not fine:
        raise typer.Exit(2)


@app.command()
def probe(
    model: Annotated[str, typer.Argument(help="world:N, org/name@revision, a folder, or endpoint:http://HOST:PORT/v1.")],
    settings: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]", help="Settings, for example model.served_model=NAME.")
    ] = None,
    adapter: Annotated[
        list[Path] | None, typer.Option("--adapter", help="PEFT folder, or name of a served adapter; may be given several times.")
    ] = None,
    study: Annotated[str | None, typer.Option(help="Study whose instruments are asked.")] = None,
    limit: Limit = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: Json = False,
    offline: Offline = False,
) -> None:
    """Ask any model, and adapters of it, every instrument: no training."""
    from holdfast.cli.checks import probe as ask

    _quiet()
    if model.startswith("endpoint:"):
        from holdfast.cli.checks import probe_endpoint

        own = [study or "embedded", "domains=[]", "dose={}", f"model.name={model}", *(settings or [])]
        can, found = probe_endpoint(_study(own, device, dtype, limit, None, offline), [str(a) for a in adapter or []], study is not None)
        if as_json:
            print(json.dumps({"endpoint": can, **found}, indent=1))
            return
        print("\n".join(_lines({"endpoint": {n: ", ".join(v) if isinstance(v, tuple) else v for n, v in can.items()}})))
    else:
        found = ask(_study([study or "embedded", f"model.name={model}", *(settings or [])], device, dtype, limit, None, offline), list(adapter or []))
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, values in found.items():
        print(name)
        for instrument, value in values.items():
            print(f"  {instrument:34s} {'unknown' if value is None else format(value, '.3f')}")


def _lines(found: dict) -> list[str]:
    """name and value, nested ones one under the other; numbers with thousands apart."""
    lines = []
    for name, value in found.items():
        show = lambda v: f"{v:,}" if isinstance(v, int) else "unknown" if v is None else f"{v}"  # noqa: E731
        if isinstance(value, dict):
            lines.append(name)
            lines += [f"  {k:32s} {show(v)}" for k, v in value.items()]
        elif isinstance(value, list):
            lines += [name, *(f"  {v}" for v in value)]
        else:
            lines.append(f"{name:34s} {show(value)}")
    return lines


def _show(findings: dict, as_json: bool) -> None:
    if as_json:
        print(json.dumps(findings, ensure_ascii=False))
        return
    from rich.console import Console

    from holdfast.report import result_table

    console = Console()
    console.print(result_table(findings)) if console.is_terminal else Console(width=160, no_color=True).print(
        result_table(findings)
    )


def _load(path: Path):
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name the folder of a finished run") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: not JSON; the run is damaged, run the study again") from None


def _quiet() -> None:
    import warnings

    import transformers

    warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated", FutureWarning)  # transformers', of PEFT's own call
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    sys.stderr.flush()


def _register() -> None:
    from holdfast.cli.commands import register_all

    register_all(app)


_register()
