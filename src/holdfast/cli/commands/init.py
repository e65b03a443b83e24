import json
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from holdfast.cli.options import Json, Quiet, out_file
from holdfast.escape import plain
from holdfast.progress import say

EXAMPLE = "init ./my-checkpoint ./rows -o first.yaml"


def init(
    model: Annotated[str, Argument(help="A checkpoint folder, or a hub id org/name[@revision].")],
    data: Annotated[Path | None, Argument(metavar="[FOLDER]", help="Folder with rows; without it the hub's data sets are named.")] = None,
    out: Annotated[
        Path, Option("--out", "-o", metavar="PATH", parser=out_file, help="Study file; its JSON Schema is written next to it.")
    ] = Path("study.yaml"),
    force: Annotated[bool, Option("--force", help="Overwrite an existing study.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write a commented study for a model and a folder of rows.

    The study is ready for `plan` and `run`. Rows are recognized by their fields: gsm8k, mmlu, hellaswag, truthfulqa and SycophancyEval,
    as jsonl, json, csv or parquet, plain or .gz.
    """
    from holdfast.starter import write_draft

    draft = write_draft(model, data, out, force=force)
    for rows, used in draft.rows:
        say(f"{'used    ' if used else 'not used'} {rows.kind:10s} {rows.num_rows:7,} rows  {plain(rows.file)}")
    for remark in draft.remarks:
        say(f"model: {remark}")
    names = {"domains": [d.name for d in draft.study.domains], "instruments": [i.kind for i in draft.study.instruments]}
    print(json.dumps({"study": str(out), **names}) if as_json else f"study: {out}; next: holdfast plan {out}")
