import json
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from holdfast.cli.options import Json, Strict, out_folder
from holdfast.cli.text import exit_if_refused, print_findings
from holdfast.errors import ConfigError
from holdfast.progress import say

EXAMPLE = "analyze published:llama2-7b"
PUBLISHED = "published:"


def analyze(
    source: Annotated[str, Argument(help="A run folder, a trials table (.parquet), rescored replies (.jsonl) or published:NAME.")],
    settings: Annotated[list[str] | None, Argument(metavar="[data.root=DIR]", help="Published studies: folder with the rows.")] = None,
    study: Annotated[str | None, Option(help="Study the table belongs to; default: the run's own study.yaml.")] = None,
    out: Annotated[
        Path | None,
        Option("--out", "-o", metavar="PATH", parser=out_folder, help="Published studies: report folder; default: runs/published-<name>."),
    ] = None,
    data_root: Annotated[str | None, Option("--data-root", help="The same as data.root=DIR.")] = None,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Compute findings from existing tables, without a model.

    The tables are a run's, a trials table, rescored replies or those of a published study.
    """
    from holdfast import api

    root = data_root
    for setting in settings or []:
        key, _, root = setting.partition("=")
        if key != "data.root" or not root:
            raise ConfigError(f"analyze: {setting!r}: unknown setting; available: data.root=DIR")
    if source.endswith((".jsonl", ".jsonl.gz")) and root is None and out is None:
        from holdfast.analysis.rescored import text

        summary = api.summarize(source)
        print(json.dumps(summary, ensure_ascii=False) if as_json else text(summary))
        return
    name = source.removeprefix(PUBLISHED) if source.startswith(PUBLISHED) else None
    folder = out if out is not None or name is None else Path("runs") / f"published-{name}"
    findings = api.analyze(source, study=study, data_root=root, out=folder)
    if name is None:
        print_findings(findings.document, as_json)
        exit_if_refused(findings.audit_entries, strict)
    elif as_json:
        print(findings.document.to_json().decode(), end="")
    else:
        from rich.console import Console

        from holdfast.studies import load_study

        console = Console()
        (console if console.is_terminal else Console(width=80, no_color=True)).print(load_study(name).summary(findings.document))
        print(f"report: {findings.report or findings.folder}")
    fallen = sum(c.status != "stands" for c in findings.document.claims)
    if strict and fallen:
        say(f"--strict: {fallen} of the study's claims do not stand", always=True)
        raise typer.Exit(1)
