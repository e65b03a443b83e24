import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from holdfast.cli.options import Device, Dtype, Json, Limit, Offline, Quiet, study_of
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
    """Ask any model, and adapters of it, everything; no training."""
    from holdfast import inspection
    from holdfast.processes import silence_libraries

    silence_libraries()
    served = model.startswith("endpoint:")
    arguments = [study or "embedded", *(["domains=[]", "dose={}"] if served else []), f"model.name={model}", *(settings or [])]
    chosen = study_of(arguments, device, dtype, limit)
    abilities = {}
    if served:
        can, effects = inspection.probe_endpoint(chosen, [str(a) for a in adapter or []], study is not None)
        abilities = {"endpoint": can}
    else:
        effects = inspection.probe(chosen, list(adapter or []))
    if as_json:
        print(json.dumps({**abilities, **effects}, indent=1))
        return
    for name, can in abilities.items():
        print("\n".join(fact_lines({name: {k: ", ".join(v) if isinstance(v, tuple) else v for k, v in can.items()}})))
    for name, values in effects.items():
        print(name)
        for instrument, value in values.items():
            print(f"  {instrument:34s} {'unknown' if value is None else format(value, '.3f')}")
