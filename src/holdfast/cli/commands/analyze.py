"""`holdfast analyze`: findings without any model, from a run, a trials table, re-scored replies or a published study's tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from holdfast.errors import ConfigError

PUBLISHED = "published:"
Source = Annotated[str, typer.Argument(help="A run folder, a trials table (.parquet), re-scored replies (.jsonl) or published:NAME.")]
Settings = Annotated[list[str] | None, typer.Argument(metavar="[data.root=DIR]", help="For a published study: where its rows lie.")]
Root = Annotated[str | None, typer.Option("--data-root", help="The same as data.root=DIR.")]
Study = Annotated[str | None, typer.Option(help="Study the table belongs to; default: the run's own study.yaml.")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="Folder for a published study's report; default runs/published-<name>.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Strict = Annotated[bool, typer.Option(help="Exit with 1 if a claim is refused.")]


def register(app: typer.Typer) -> None:
    app.command(short_help="Findings from tables that are there; no model.", epilog="Example: holdfast analyze published:llama2-7b")(
        analyze
    )


def analyze(
    source: Source,
    settings: Settings = None,
    study: Study = None,
    out: Out = None,
    data_root: Root = None,
    as_json: Json = False,
    strict: Strict = False,
) -> None:
    """Findings without any model: from a trials table, or from a published study's own tables."""
    root = _root(settings or [], data_root)
    if not source.startswith(PUBLISHED) and (root is not None or out is not None):
        raise ConfigError(f"analyze: {source}: data.root and --out are for a published study; name one as published:NAME")
    if source.startswith(PUBLISHED):
        refused = _published(source.removeprefix(PUBLISHED), root, out, as_json)
    elif source.endswith(".jsonl"):
        refused = _rescored(Path(source), as_json)
    else:
        refused = _trials(Path(source), study, as_json)
    if strict and refused:
        raise typer.Exit(1)


def _root(settings: list[str], option: str | None) -> str | None:
    for setting in settings:
        key, equals, value = setting.partition("=")
        if key != "data.root" or not equals or not value:
            raise ConfigError(f"analyze: {setting!r}: unknown setting; available: data.root=DIR")
        option = value
    return option


def _published(name: str, root: str | None, out: Path | None, as_json: bool) -> bool:
    from holdfast.analysis.findings import findings_json
    from holdfast.studies import load_study

    study = load_study(name)
    outcome = study.analyze(root)
    page = study.write(outcome, out or Path("runs") / f"published-{name}")
    if as_json:
        print(findings_json(outcome.findings).decode(), end="")
    else:
        from rich.console import Console

        console = Console()
        (console if console.is_terminal else Console(width=80, no_color=True)).print(study.summary(outcome.findings))
        print(f"report: {page}")
    return bool(outcome.refused)


def _rescored(path: Path, as_json: bool) -> bool:
    import json

    if not path.is_file():
        raise ConfigError(f"analyze: {path}: no such file; name re-scored replies (.jsonl)")
    from holdfast.analysis.rescored import summarise, text

    found = summarise(path)
    print(json.dumps(found, ensure_ascii=False) if as_json else text(found))
    return False


def _trials(source: Path, study: str | None, as_json: bool) -> bool:
    from holdfast import api
    from holdfast.cli.output import show

    found = api.analyze(source, study=study)
    show(dict(found), as_json)
    return any(e["level"] == "refuse" for e in found.audit)
