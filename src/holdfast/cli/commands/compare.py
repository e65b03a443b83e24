"""`holdfast compare OUT1 OUT2 ...`: several studies side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from holdfast.errors import ConfigError


def register(app: typer.Typer) -> None:
    @app.command(short_help="What replicates over several finished runs.", epilog="Example: holdfast compare runs/first runs/second")
    def compare(
        folders: Annotated[list[Path], typer.Argument(metavar="OUT1 OUT2 ...", help="Folders of finished runs.")],
        out: Annotated[Path | None, typer.Option("--out", "-o", help="Write the comparison there (Markdown).")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
    ) -> None:
        """What replicates over several studies: other models, recipes or world seeds. Nothing is pooled."""
        from holdfast.analysis.replication import markdown, replicate
        from holdfast.store import write_atomic

        if len(folders) < 2:
            raise ConfigError(f"compare: {len(folders)} folder: at least two finished runs are compared; name another")
        studies = []
        for folder in folders:
            file = folder / "findings.json"
            try:
                studies.append((folder.name, json.loads(file.read_bytes())))
            except FileNotFoundError:
                raise ConfigError(f"compare: {file}: no such file; name the folder of a finished run") from None
            except ValueError:
                raise ConfigError(f"compare: {file}: not JSON; the run is damaged, run the study again") from None
        rows = replicate(studies)
        if not rows:
            raise ConfigError("compare: the runs share no adapter and instrument; compare studies with the same domains")
        text = json.dumps(rows, indent=1) if as_json else markdown(studies, rows)
        if out is not None:
            write_atomic(out, (text + "\n").encode())
            print(f"comparison: {out}")
        else:
            print(text)
