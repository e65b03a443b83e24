"""One self-contained report.html, report.md and tables/*.csv. Text from data is escaped in each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigError
from holdfast.escape import markdown
from holdfast.report.finished import TrainingCurve, training_rows, trainings
from holdfast.report.numbers import NOUNS, PARTS, effects_of, identified, interval, parts_of, phrase, points, share, split_line, value
from holdfast.report.table_contents import as_csv, tables_of
from holdfast.report.templates import templates
from holdfast.results import AuditEntry, Finding, StudyFindings
from holdfast.run_files import manifest_of, seal
from holdfast.store import digest, write_atomic

if TYPE_CHECKING:
    from jinja2 import Environment

    from holdfast.report.charts import Chart, Datum
    from holdfast.report.library import Library

SCRIPTS = ("vendor-charts.js", "vendor-list.js", "data.js", "viewer.js", "page.js")
LIST_SCRIPTS = SCRIPTS[1:]


def is_drawn(name: str) -> bool:
    """Whether a file of a run, named from its folder, is part of the report."""
    return name in ("report.html", "report.md") or name.startswith(("tables/", "figures/", "transcripts/"))


def write_report(
    out: Path,
    findings: StudyFindings,
    audit: Sequence[AuditEntry],
    environment: Mapping[str, Any],
    transcripts: Path | None,
    files: Mapping[str, str] | None = None,
    drawn: str = "",
) -> Path:
    """Write report.html, report.md and tables under `out`, then the manifest; returns the page's path. The page makes no network requests.

    Above `library.IN_PAGE` trials, pages with every adapter's transcripts are written under `out/transcripts` as well.
    `files`: digests of the run's other files; None: those of its manifest, if it has one. `drawn`: digest of the results.
    """
    from holdfast.report import blocks, render

    if files is None and (before := manifest_of(out)) is not None:
        files, drawn = {name: want for name, want in before.files.items() if not is_drawn(name)}, before.drawn
    records = trainings(out, files)
    written: dict[str, str] = {}

    def put(name: str, text: str) -> None:
        write_atomic(out / name, text.encode())
        written[name] = digest(text.encode())

    distinct = list({(e.check, e.claim): e for e in audit}.values())  # a refusal has one entry per cell it forbids
    env = templates()
    env.globals.update(
        points=points, share=share, value=value, zip=zip, asset=blocks.asset, policy=blocks.policy, style=blocks.asset("style.css"),
        phrase=phrase, split_line=split_line, links=lambda paths: _anchors(findings, paths), evidence_href=lambda pointer: _evidence_href(findings, pointer),
    )  # fmt: skip
    library = _library(out, findings, transcripts, env, put)
    drawings = pictures(findings, records, library.confidence)
    specs = {name: render.shown(chart) for name, chart in drawings.items()}
    data = {name: rows for name, spec in specs.items() if (rows := render.rows(spec))}
    study_file = out / "study.yaml"
    page = env.get_template("template.html").render(
        f=findings,
        audit=distinct,
        models=[("base", {**findings.base.benchmarks, **findings.base.axes}), *((a.name, a.levels) for a in findings.adapters)],
        benchmarks=list(findings.base.benchmarks),
        axes=list(findings.base.axes),
        charts={name: {"columns": list(dict.fromkeys(c for row in rows for c in row)), "rows": rows} for name, rows in data.items()},
        chart_block=blocks.block({"charts": {name: render.vega(spec) for name, spec in specs.items()}, "links": library.links()}),
        trainings=training_rows(records),
        library=library,
        href=library.href,
        environment=json.dumps(environment, indent=1),
        engine=environment.get("engine"),
        endpoint=environment.get("endpoint"),
        study_text=study_file.read_text(encoding="utf-8") if study_file.is_file() else None,
        version=version("holdfast"),
        scripts=SCRIPTS,
    )
    put("report.html", page)
    put("report.md", _markdown(findings, distinct))
    (out / "tables").mkdir(exist_ok=True)
    for table in (t for t in tables_of(findings, audit) if t.name in PARTS):
        put(f"tables/{table.name}.csv", as_csv(table))
    (out / "figures").mkdir(exist_ok=True)
    if "tradeoff" in drawings:
        put("figures/tradeoff.svg", render.svg(drawings["tradeoff"]))
    if files is not None:
        seal(out, {**files, **written}, drawn)
    return out / "report.html"


def pictures(findings: StudyFindings, records: Sequence[TrainingCurve], confidence: Sequence[Datum]) -> dict[str, Chart]:
    """Every chart that has something to show."""
    from holdfast.report import charts

    drawn = {
        "tradeoff": charts.tradeoff(findings),
        "close": charts.tradeoff(findings, nulls=False) if any(a.role == "null" for a in findings.adapters) else None,
        "parts": charts.parts(findings),
        "forest": charts.forest(findings),
        "raw": charts.raw(findings),
        "gains": charts.forest(findings, "gains"),
        "bars": charts.bars(findings),
        "heat": charts.heat_map(findings),
        "profiles": charts.profiles(findings),
        "ranking": charts.ranking(findings),
        "paths": charts.dose_paths(findings),
        "contrasts": charts.contrasts(findings),
        "factorial": charts.factorial(findings),
        "flips": charts.flips(findings),
        "confidence": charts.confidence(findings, confidence),
        "curves": charts.loss_curves(records),
    }
    return {name: chart for name, chart in drawn.items() if chart is not None}


def notebook_table(findings: StudyFindings, audit: Sequence[AuditEntry], page: Path | None) -> str:
    """HTML of all gains and shifts, and what the audit refuses. `page`: the run's report."""
    env = templates()
    env.globals.update(effects_of=effects_of, identified=identified, interval=interval, nouns=NOUNS, points=points)
    refused = list(dict.fromkeys(e.claim for e in audit if e.level == "refuse"))
    return env.get_template("notebook.html").render(f=findings, page=page, columns=_columns(findings), refused=refused)


def _columns(findings: StudyFindings) -> list[tuple[str, str]]:
    names = {"gains": findings.base.benchmarks}
    return [(part, n) for part in parts_of(findings) for n in names.get(part, findings.base.axes)]


def _library(out: Path, findings: StudyFindings, transcripts: Path | None, env: Environment, put: Callable[[str, str], None]) -> Library:
    """The transcripts, and pages of them where the run is large; pages of an earlier report that are no longer written are removed."""
    import pyarrow.parquet as pq

    from holdfast.report import library

    folder, table = out / library.FOLDER, out / "trials.parquet"
    written = set()

    def write(file: str, block: str, adapter: str, files: list[str]) -> None:
        folder.mkdir(exist_ok=True)
        page = env.get_template("transcripts.html").render(
            block=block, adapter=adapter, file=file, files=files, study=findings.study.name, scripts=LIST_SCRIPTS
        )
        put(f"{library.FOLDER}/{file}", page)
        written.add(file)

    num_trials = pq.read_metadata(table).num_rows if table.is_file() else None
    found = library.collect(transcripts, num_trials, {a.name: a.role for a in findings.adapters}, write)
    for stale in folder.glob("*.html") if folder.is_dir() else ():
        if stale.name not in written:
            stale.unlink()
    return found


def _anchors(findings: StudyFindings, paths: Sequence[str]) -> list[str]:
    """Anchors on the page of numbers named by their place in findings.json, such as `adapters/0/shifts/doubt/deference`."""
    anchors = []
    for path in paths:
        part, *rest = path.split("/")
        if part != "adapters":
            anchors.append(part)
        elif rest[1] == "vs_format_only":
            anchors.append("format")
        elif not rest[0].isdigit() or int(rest[0]) >= len(findings.adapters):
            raise ConfigError(f"findings.json: recommendation cites {path}, which is not there; the run is damaged, run the study again")
        else:
            adapter = findings.adapters[int(rest[0])]
            anchors += [f"{adapter.name}-{name}" for name in (rest[2:3] or (adapter.gains if rest[1] == "gains" else adapter.shifts))]
    return list(dict.fromkeys(anchors))


def _evidence_href(findings: StudyFindings, pointer: str) -> str | None:
    """The page's anchor of a published claim's evidence; None where the page holds none."""
    kind, _, rest = pointer.partition("/" if pointer.startswith("points/") else ": ")
    if kind == "points":
        return f"#point-{rest}"
    if kind == "findings":
        adapter, _, name = rest.partition(", ")
        known = any(a.name == adapter and name in {**a.gains, **a.shifts} for a in findings.adapters)
        return f"#{adapter}-{name}" if known else "#overview"
    return {"audit": "#audit", "correlation": "#correlations", "contrasts": "#contrasts", "tables": "#levels"}.get(kind)


def _markdown(findings: StudyFindings, audit: Sequence[AuditEntry]) -> str:
    env = templates()
    env.filters["markdown"] = markdown
    columns = _columns(findings)
    return env.get_template("report.md").render(
        f=findings, audit=audit, columns=columns, effect=_effect, effects_of=effects_of, nouns=NOUNS
    )


def _effect(e: Finding | None) -> str:
    if e is None:
        return "not measured"
    if identified(e):
        return (
            f"{points(e.estimate)} [{points(e.lower)}, {points(e.upper)}]{' over items only (one seed)' * (e.num_seeds == 1)} {e.verdict}"
        )
    return (f"bounds [{points(e.bounds[0])}, {points(e.bounds[1])}]" if e.bounds else "unknown") + f" {e.verdict}"
