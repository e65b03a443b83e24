"""`holdfast schema`: the study file's JSON Schema, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command(short_help="JSON Schema of the study file, for editors.", epilog="Example: holdfast schema -o study.schema.json")(schema)


def schema(out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it there instead of printing it.")] = None) -> None:
    """JSON Schema of the study file. An editor with YAML support uses it when the file's first line is
    `# yaml-language-server: $schema=study.schema.json`."""
    from holdfast.config import schema_json
    from holdfast.store import write_atomic

    if out is None:
        print(schema_json(), end="")
        return
    write_atomic(out, schema_json().encode())
    print(f"schema: {out}")
