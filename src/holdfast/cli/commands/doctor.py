"""`holdfast doctor`: is this machine, with this model, fit to measure?"""

from __future__ import annotations

import json
from typing import Annotated

import typer

from holdfast.cli.options import Device, Json
from holdfast.processes import quiet_libraries


def register(app: typer.Typer) -> None:
    app.command(
        short_help="Is this machine, with this model, fit to measure?", epilog="Example: holdfast doctor ./my-checkpoint --device cpu"
    )(doctor)


def doctor(model: Annotated[str, typer.Argument(help="Model to check.")] = "world:0", device: Device = None, as_json: Json = False) -> None:
    """Versions, device, the one-BOS check, batch-size invariance and the offline state. Exits with 2 if a check fails."""
    from holdfast.inspection import doctor as examine

    quiet_libraries()
    lines, fine = examine(model, device)
    print(json.dumps({"ok": fine, "checks": lines}, indent=1) if as_json else "\n".join(lines))
    if not fine:
        raise typer.Exit(2)
