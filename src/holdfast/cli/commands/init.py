"""`holdfast init`: a first study, written for a model and the rows at hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.options import Json, Quiet
from holdfast.errors import ConfigError


def register(app: typer.Typer) -> None:
    app.command(
        short_help="Write a commented study for a model and a folder of rows.",
        epilog="Example: holdfast init ./my-checkpoint ./rows -o first.yaml",
    )(init)


def init(
    model: Annotated[str, typer.Argument(help="A checkpoint folder, or a hub id org/name[@revision].")],
    data: Annotated[Path | None, typer.Argument(metavar="[FOLDER]", help="Folder with rows; without it the hub's are named.")] = None,
    out: Annotated[Path, typer.Option("--out", "-o", help="The study file to write; its JSON Schema goes beside it.")] = Path("study.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a study that is there.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look at a model and a folder of rows, and write a commented study that `plan` and `run` take.

    Rows are known by their fields: gsm8k, mmlu, hellaswag, truthfulqa and SycophancyEval, as jsonl, json, csv or parquet, plain or .gz.
    """
    from holdfast import starter
    from holdfast.cli.options import study_of
    from holdfast.config import schema_json
    from holdfast.escape import plain
    from holdfast.processes import quiet_libraries
    from holdfast.progress import say
    from holdfast.sources.survey import survey
    from holdfast.starter.text import AXES, DOMAINS, name_of
    from holdfast.store import write_atomic

    if out.suffix not in (".yaml", ".yml"):
        raise ConfigError(f"-o: {out}: must be a YAML file, for example study.yaml")
    if out.exists() and not force:
        raise ConfigError(f"-o: {out} is there already; name another file, or give --force to write over it")
    quiet_libraries()
    looked = starter.look(model)
    found = survey(data) if data is not None else None
    chosen = [c for c in (starter.choose(kind, found) for kind in (*DOMAINS, *AXES)) if c is not None]
    if not any(c.train for c in chosen):
        raise ConfigError(f"init: {data}: no rows of {', '.join(DOMAINS)} to train on were found; name the folder that holds them")
    chosen = starter.with_lettered(chosen)
    schema = out.with_suffix(".schema.json")
    text = starter.study_text(name_of(out), looked, str(data) if data is not None else None, chosen, schema.name)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, text.encode())
    write_atomic(schema, schema_json().encode())
    study = study_of([str(out)])
    for f in found or ():
        rows = [r for c in chosen for r in (c.train, c.asked) if r is not None]
        used = any(r.data == f.data and (r.split or "").split("[")[0] == (f.split or "") for r in rows)
        say(f"{'used    ' if used else 'not used'} {f.kind:10s} {f.num_rows:7,} rows  {plain(f.file)}")
    for remark in looked.remarks:
        say(f"model: {remark}")
    told = {"study": str(out), "domains": [d.name for d in study.domains], "instruments": [i.kind for i in study.instruments]}
    print(json.dumps(told) if as_json else f"study: {out}; now: holdfast plan {out}")
