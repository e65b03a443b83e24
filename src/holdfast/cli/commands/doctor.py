import json
from typing import Annotated

import typer
from typer import Argument

from holdfast.cli.options import Device, Json

EXAMPLE = "doctor ./my-checkpoint --device cpu"


def doctor(model: Annotated[str, Argument(help="Model to check.")] = "world:0", device: Device = None, as_json: Json = False) -> None:
    """Check that this machine can measure this model reliably.

    Prints versions, the device, the one-BOS check, batch-size invariance and whether the hub is off. Exits with 2 if a check fails.
    """
    from holdfast import api

    lines, passed = api.doctor(model, device)
    print(json.dumps({"ok": passed, "checks": lines}, indent=1) if as_json else "\n".join(lines))
    if not passed:
        raise typer.Exit(2)
