import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from holdfast.cli.options import Device, Dtype, Json, Limit, Offline, Quiet, checked_settings
from holdfast.cli.text import fact_lines

EXAMPLE = "probe world:0 --limit 50"


def probe(
    model: Annotated[str, Argument(help="world:N, org/name@revision, a folder, or endpoint:http://HOST:PORT/v1.")],
    settings: Annotated[list[str] | None, Argument(metavar="[KEY=VALUE ...]", help="Settings, such as model.served_model=NAME.")] = None,
    adapter: Annotated[list[Path] | None, Option("--adapter", help="PEFT folder, or name of a served adapter; repeatable.")] = None,
    study: Annotated[str | None, Option(help="Study whose instruments are used.")] = None,
    limit: Limit = None,
    device: Device = None,
    dtype: Dtype = None,
    as_json: Json = False,
    offline: Offline = False,
    quiet: Quiet = False,
) -> None:
    """Measure a model, and adapters of it, without training."""
    from holdfast import api

    extra = [f"execution.device={device}"] * bool(device) + [f"model.dtype={dtype}"] * bool(dtype)
    probed = api.probe(model, adapter or (), study=study, settings=[*checked_settings(settings), *extra], limit=limit)
    if as_json:
        print(json.dumps({name: {k: None if v != v else v for k, v in values.items()} for name, values in probed.items()}, indent=1))
        return
    for name, values in probed.items():
        if name == "endpoint":
            print("\n".join(fact_lines({name: {k: ", ".join(v) if isinstance(v, tuple) else v for k, v in values.items()}})))
            continue
        print(name)
        for instrument, value in values.items():
            print(f"  {instrument:34s} {'unknown' if value != value else format(value, '.3f')}")
