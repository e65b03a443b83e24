import json
from pathlib import Path
from typing import Annotated

import typer
from typer import Argument, Option

from holdfast.cli.options import Json, Strict, out_folder
from holdfast.cli.text import exit_if_refused, print_findings
from holdfast.errors import ConfigError

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
    """Findings from existing tables; no model.

    From a run or its trials table, from rescored replies, or from a published study's own tables.
    """
    from holdfast import api

    root = data_root
    for setting in settings or []:
        key, _, root = setting.partition("=")
        if key != "data.root" or not root:
            raise ConfigError(f"analyze: {setting!r}: unknown setting; available: data.root=DIR")
    if source.startswith(PUBLISHED):
        _published(source.removeprefix(PUBLISHED), root, out, as_json, strict)
    elif root is not None or out is not None:
        raise ConfigError(f"analyze: {source}: data.root and --out are only for a published study; name one as published:NAME")
    elif source.endswith(".jsonl"):
        from holdfast.analysis.rescored import summarize, text

        if not Path(source).is_file():
            raise ConfigError(f"analyze: {source}: no such file; name rescored replies (.jsonl)")
        summary = summarize(source)
        print(json.dumps(summary, ensure_ascii=False) if as_json else text(summary))
    else:
        findings = api.analyze(source, study=study)
        print_findings(findings.document, as_json)
        exit_if_refused(findings.audit_entries, strict)


def _published(name: str, root: str | None, out: Path | None, as_json: bool, strict: bool) -> None:
    from holdfast.studies import load_study

    study = load_study(name)
    outcome = study.analyze(root)
    page = study.write(outcome, out or Path("runs") / f"published-{name}")
    if as_json:
        print(outcome.findings.to_json().decode(), end="")
    else:
        from rich.console import Console

        console = Console()
        (console if console.is_terminal else Console(width=80, no_color=True)).print(study.summary(outcome.findings))
        print(f"report: {page}")
    if strict and outcome.refused:
        raise typer.Exit(1)
