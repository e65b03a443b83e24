"""`holdfast probe`: any model, and adapters of it, asked every instrument."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.options import Device, Dtype, Json, Limit, Offline, Quiet, study_of
from holdfast.cli.output import lines
from holdfast.processes import quiet_libraries


def register(app: typer.Typer) -> None:
    app.command(
        short_help="Ask any model, and adapters of it, everything; no training.", epilog="Example: holdfast probe world:0 --limit 50"
    )(probe)


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
    quiet: Quiet = False,
) -> None:
    """Ask any model, and adapters of it, every instrument: no training."""
    from holdfast.inspection import probe as ask

    quiet_libraries()
    own = [study or "embedded", f"model.name={model}", *(settings or [])]
    if model.startswith("endpoint:"):
        from holdfast.inspection import probe_endpoint

        own[1:1] = ["domains=[]", "dose={}"]
        can, found = probe_endpoint(
            study_of(own, device, dtype, limit, offline=offline), [str(a) for a in adapter or []], study is not None
        )
        if as_json:
            print(json.dumps({"endpoint": can, **found}, indent=1))
            return
        print("\n".join(lines({"endpoint": {n: ", ".join(v) if isinstance(v, tuple) else v for n, v in can.items()}})))
    else:
        found = ask(study_of(own, device, dtype, limit, offline=offline), list(adapter or []))
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for name, values in found.items():
        print(name)
        for instrument, value in values.items():
            print(f"  {instrument:34s} {'unknown' if value is None else format(value, '.3f')}")
