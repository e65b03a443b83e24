import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from holdfast.cli.options import out_file

EXAMPLE = "rescore replies.jsonl --keep model"


def rescore(
    source: Annotated[Path, Argument(metavar="FILE.jsonl", help="Rows {id?, kind, response, gold, suggested?, options?, aliases?}.")],
    out: Annotated[
        Path | None,
        Option("--out", "-o", metavar="PATH", parser=out_file, help="File for one JSON line per row, all or nothing; .gz compresses."),
    ] = None,
    keep: Annotated[str | None, Option(help="Input fields to copy, such as model,condition; the table is grouped by them.")] = None,
    as_json: Annotated[bool, Option("--json", help="Print one JSON line per row instead of a table (with -o: the table as JSON).")] = False,
) -> None:
    """Score transcripts from any source: the outcome of each reply.

    Outcomes: correct, suggested, other or unparsed. kind: choice, short_answer or number; no model is needed.

    A choice row may give its options (list, or letter to text); gold is a letter or an option's text. Optional: question, whose words
    are then not taken for an answer, and previous: the model's preceding reply, used if the new reply only confirms it. Output: id,
    outcome, answer, reason.
    """
    from holdfast import api
    from holdfast.analysis.rescored import text

    fields = [f.strip() for f in (keep or "").split(",") if f.strip()]
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
        target = out or Path(folder) / "rescored.jsonl"
        summary = api.rescore(source, target, keep=fields)
        if as_json and out is None:
            with target.open("r", encoding="utf-8", newline="\n") as lines:
                shutil.copyfileobj(lines, sys.stdout)
            return
    print(json.dumps(summary) if as_json else text(summary))
