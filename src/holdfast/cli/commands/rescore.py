"""`rescore`: read anybody's transcripts again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    app.command(
        short_help="Read anybody's transcripts anew: outcome of each reply.", epilog="Example: holdfast rescore replies.jsonl --keep model"
    )(rescore)


def rescore(
    source: Annotated[
        Path, typer.Argument(metavar="FILE.jsonl", help="Rows {id?, kind, response, gold, suggested?, options?, aliases?}; plain or .gz.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write one JSON line per row here, all or nothing; .gz compresses.")
    ] = None,
    keep: Annotated[
        str | None, typer.Option(help="Input fields copied to the output, such as model,condition; the table is grouped by them.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON line per row instead of a table (with -o: the table as JSON).")
    ] = False,
) -> None:
    """Outcome of each reply: correct, suggested, other or unparsed. kind: choice, short_answer or number; no model is needed.

    A choice row may give its options (list, or letter to text); gold is a letter or an option's text. Optional: question, whose words are
    then no answer, and previous, the model's reply before, read where the new one only stands by it. Output: id, outcome, answer, reason.
    """
    import json
    import shutil
    import sys
    import tempfile

    from holdfast.analysis.rescored import summarise, text
    from holdfast.errors import ConfigError
    from holdfast.parsing.files import write_rescored

    fields = [f.strip() for f in (keep or "").split(",") if f.strip()]
    if out is not None and out.exists() and source.exists() and out.samefile(source):
        raise ConfigError(f"-o: {out}: is the input itself; name another file")
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        target = out if out is not None else Path(folder) / "rescored.jsonl"
        write_rescored(source, target, fields)
        if as_json and out is None:
            with target.open("r", encoding="utf-8", newline="\n") as lines:
                shutil.copyfileobj(lines, sys.stdout)
            return
        summary = summarise(target)
    print(json.dumps(summary) if as_json else text(summary))
