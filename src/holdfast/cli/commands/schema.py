from pathlib import Path
from typing import Annotated

from typer import Option

from holdfast.cli.options import out_file
from holdfast.store import write_atomic

EXAMPLE = "schema -o study.schema.json"


def schema(
    out: Annotated[
        Path | None, Option("--out", "-o", metavar="PATH", parser=out_file, help="Write the schema to this file instead of printing it.")
    ] = None,
) -> None:
    """Print the JSON Schema of the study file, for editors.

    An editor with YAML support uses it if the file's first line is `# yaml-language-server: $schema=study.schema.json`.
    """
    from holdfast.config import schema_json

    if out is None:
        print(schema_json(), end="")
        return
    write_atomic(out, schema_json().encode())
    print(f"schema: {out}")
