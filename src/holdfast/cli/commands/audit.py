"""`holdfast audit`: what a study, a run or a trials table can and cannot show. No model is run and no hub is asked for one."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Annotated, Any

import typer

from holdfast.errors import ConfigError, DataError
from holdfast.escape import plain

Source = Annotated[
    str, typer.Argument(metavar="STUDY|OUT|TABLE", help="A study file or recipe, a run folder, or a trials table (.parquet).")
]
Settings = Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE ...]", help="Settings of the study, as data.root=DIR.")]
Json = Annotated[bool, typer.Option("--json", help="Print the entries as JSON.")]
Strict = Annotated[bool, typer.Option(help="Exit with 1 if a claim is refused.")]
Offline = Annotated[bool, typer.Option(help="Never ask a hub for rows either.")]

WIDTH = 80
HEADINGS = {"refuse": "REFUSED", "warn": "WARNINGS", "ok": "OK"}


def register(app: typer.Typer) -> None:
    app.command(short_help="What rows, settings or trials can and cannot show.", epilog="Example: holdfast audit embedded")(audit)


def audit(source: Source, settings: Settings = None, as_json: Json = False, strict: Strict = False, offline: Offline = False) -> None:
    """Check rows, settings and trials for what would make a number unbelievable; before training or after it."""
    import os

    from holdfast.auditing import run_audit

    if offline:
        os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
    entries = run_audit(context_of(source, settings or []))
    print(json.dumps(entries, indent=1, ensure_ascii=False, allow_nan=False) if as_json else "\n".join(lines(entries)))
    if strict and any(e["level"] == "refuse" for e in entries):
        raise typer.Exit(1)


def context_of(source: str, settings: list[str]) -> Any:
    """The context of a study file or recipe, a run folder, or a table. Raises ConfigError or DataError naming what is wrong."""
    stray = [s for s in settings if "=" not in s]
    if stray:
        raise ConfigError(f"argument {stray[0]!r}: must be a setting key=value, for example data.root=DIR")
    from holdfast.config import recipe_names

    path = Path(source)
    if path.is_dir() and (source not in recipe_names() or (path / "study.yaml").is_file()):
        return _run(path, settings)
    if source.endswith(".parquet"):
        return _table(path, settings)
    return _study(source, settings)


def _study(source: str, settings: list[str]) -> Any:
    from holdfast.auditing import gather
    from holdfast.config import load_study
    from holdfast.sources.materials import Materials

    study = load_study(source, settings)
    return gather.from_materials(study, Materials(study), chat=gather.local_chat(study))


def _run(folder: Path, settings: list[str]) -> Any:
    """A finished run: its own study and trials. Rows that can no longer be read are named; the table is audited all the same."""
    import sys

    from holdfast.analysis.trials import Trials
    from holdfast.auditing import gather
    from holdfast.config import load_study
    from holdfast.errors import HoldfastError
    from holdfast.sources.materials import Materials

    missing = [name for name in ("study.yaml", "trials.parquet") if not (folder / name).is_file()]
    if missing:
        raise ConfigError(f"audit: {folder}: holds no {' and no '.join(missing)}; name the folder of a finished run")
    study = load_study(str(folder / "study.yaml"), settings)
    trials = gather.complete(Trials(folder / "trials.parquet"))
    findings = _json(folder / "findings.json")
    trainings = [
        {**record, "domain": file.parent.name.rpartition("-seed")[0], "seed": int(file.parent.name.rpartition("-seed")[2])}
        for file in sorted((folder / "adapters").glob("*-seed*/training.json"))
        if (record := _json(file)) and not record.get("identity")
    ]
    try:
        return gather.from_materials(
            study, Materials(study), trials=trials, findings=findings, trainings=trainings, chat=gather.local_chat(study)
        )
    except HoldfastError as error:
        print(f"rows of this run cannot be read, only its trials are audited: {error}", file=sys.stderr)
        return gather.from_table(trials, band=study.stats.equivalence_band)


def _table(path: Path, settings: list[str]) -> Any:
    from holdfast.analysis.trials import Trials
    from holdfast.auditing import gather

    if settings:
        raise ConfigError(f"argument {settings[0]!r}: a table has no settings; name the study or the run folder to change one")
    if not path.is_file():
        raise ConfigError(f"audit: {path}: no such table")
    return gather.from_table(Trials(path))


def _json(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise DataError(f"{path}: not JSON; the run is damaged, run the study again") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds {type(found).__name__}, must be an object; the run is damaged, run the study again")
    return found


def lines(entries: list[dict[str, Any]]) -> list[str]:
    """Entries in words, grouped by level, worst first, at most 80 columns; the same claim about several cells is said once."""
    from holdfast.auditing import advice

    counts = {level: sum(e["level"] == level for e in entries) for level in HEADINGS}
    if not entries:
        return ["Nothing to audit: no check found what it needs."]
    out = [f"{counts['refuse']} refused, {counts['warn']} warnings, {counts['ok']} ok"]
    for level, heading in HEADINGS.items():
        groups: dict[tuple[str, str], list[str]] = {}
        for e in entries:
            if e["level"] == level:
                groups.setdefault((e["check"], e["claim"]), []).extend([" x ".join(e["cell"])] if e.get("cell") else [])
        if groups:
            out += ["", heading]
        for (check, claim), cells in groups.items():
            out += _wrapped(f"- {check}: {plain(claim)}", "  ")
            if cells:
                out += _wrapped("  refuses " + ", ".join(plain(c) for c in cells), "    ")
    todo = {e["check"]: advice(e["check"]) for level in ("refuse", "warn") for e in entries if e["level"] == level}
    todo = {check: said for check, said in todo.items() if said}
    if todo:
        out += ["", "WHAT TO DO NEXT"]
        for check, said in todo.items():
            out += _wrapped(f"- {check}: {said}", "  ")
    return out


def _wrapped(text: str, indent: str) -> list[str]:
    lead = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(text.strip(), WIDTH, initial_indent=lead, subsequent_indent=indent, break_on_hyphens=False) or [""]
