"""One self-contained report.html, report.md and tables/*.csv. Text from data is escaped in each of them."""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from holdfast.escape import markdown
from holdfast.report.numbers import identified, points, share
from holdfast.store import write_atomic

SCRIPTS = ("vendor-charts.js", "vendor-list.js", "data.js", "viewer.js", "page.js")
LIST_SCRIPTS = ("vendor-list.js", "data.js", "viewer.js", "page.js")


def value(cell: dict[str, Any], name: str) -> str:
    if cell[name] is None:
        return "unknown"
    return f"{cell[name]:+.3f} nats" if cell.get("unit") == "nats" else points(cell[name])


def write_report(
    out: Path, findings: dict[str, Any], audit: list[dict[str, Any]], environment: dict[str, Any], transcripts: Path | None
) -> Path:
    """Write report.html, report.md and tables under `out`; returns the page's path. Nothing in it asks any address.

    Above `library.IN_PAGE` trials, pages with every adapter's transcripts are written under `out/transcripts`, too.
    """
    from holdfast.report import blocks, claims, render, training
    from holdfast.report.tables import delimited, tables_of

    findings = {"refused": [], "dose": [], "mitigation": [], "factorial": None, "detection": {}, "flips": {}, "pareto": None, **findings}
    records = training.trainings(out)
    audit = list({(e["check"], e["claim"]): e for e in audit}.values())  # a refusal stands once for each cell it forbids
    env = Environment(loader=PackageLoader("holdfast", "report"), autoescape=True, undefined=StrictUndefined)
    env.globals.update(points=points, share=share, value=value, zip=zip, links=_links(findings), asset=blocks.asset)
    style = blocks.asset("style.css")
    held = _library(out, findings, transcripts, env, style)
    drawn = pictures(findings, records, held.confidence)
    page = env.get_template("template.html").render(
        f=findings,
        audit=audit,
        claims=claims.section(findings),
        benchmarks=list(findings["base"]["benchmarks"]),
        axes=list(findings["base"]["axes"]),
        charts={name: {"columns": _columns(rows), "rows": rows} for name, chart in drawn.items() if (rows := render.rows(chart))},
        chart_block=blocks.block({"charts": {name: render.vega(chart) for name, chart in drawn.items()}, "links": held.links()}),
        trainings=training.table(records),
        library=held,
        href=held.href,
        environment=json.dumps(environment, indent=1),
        engine=environment.get("engine"),
        endpoint=environment.get("endpoint"),
        study_text=_text(out / "study.yaml"),
        version=version("holdfast"),
        style=style,
        scripts=SCRIPTS,
        policy=blocks.policy(SCRIPTS),
    )
    write_atomic(out / "report.html", page.encode())
    write_atomic(out / "report.md", _markdown(findings, audit).encode())
    (out / "tables").mkdir(exist_ok=True)
    for part in (t for t in tables_of(findings, audit) if t.name in ("gains", "shifts")):
        write_atomic(out / "tables" / f"{part.name}.csv", delimited.table(part).encode())
    (out / "figures").mkdir(exist_ok=True)
    if "tradeoff" in drawn:
        write_atomic(out / "figures" / "tradeoff.svg", render.svg(drawn["tradeoff"]).encode())
    return out / "report.html"


def pictures(findings: dict[str, Any], records: list[dict[str, Any]], confidence: list[dict[str, Any]]) -> dict[str, Any]:
    """Every chart that has something to show."""
    from holdfast.report import charts, paths, training

    drawn = {
        "tradeoff": charts.tradeoff(findings),
        "close": charts.tradeoff(findings, nulls=False) if any(a["role"] == "null" for a in findings["adapters"]) else None,
        "forest": charts.forest(findings),
        "raw": paths.raw(findings),
        "gains": charts.forest(findings, "gains"),
        "bars": charts.bars(findings),
        "heat": charts.heat(findings),
        "profiles": charts.profiles(findings),
        "ranking": charts.ranking(findings),
        "paths": paths.dose_paths(findings),
        "contrasts": paths.contrasts(findings),
        "factorial": paths.factorial(findings),
        "flips": paths.flips(findings),
        "confidence": paths.confidence(findings, confidence),
        "curves": training.curves(records),
    }
    return {name: chart for name, chart in drawn.items() if chart is not None}


def _library(out: Path, findings: dict[str, Any], transcripts: Path | None, env: Environment, style: Markup) -> Any:
    from holdfast.report import blocks, library

    folder = out / library.FOLDER
    written = set()

    def write(file: str, block: Markup, adapter: str, files: list[str]) -> None:
        folder.mkdir(exist_ok=True)
        page = env.get_template("transcripts.html").render(
            block=block, adapter=adapter, file=file, files=files, study=findings["study"]["name"], style=style, scripts=LIST_SCRIPTS,
            policy=blocks.policy(LIST_SCRIPTS),
        )  # fmt: skip
        write_atomic(folder / file, page.encode())
        written.add(file)

    roles = {a["name"]: a["role"] for a in findings["adapters"]}
    held = library.collect(transcripts, _num_trials(out), roles, write)
    for stale in folder.glob("*.html") if folder.is_dir() else ():
        if stale.name not in written:
            stale.unlink()
    return held


def _num_trials(out: Path) -> int | None:
    import pyarrow.parquet as pq

    table = out / "trials.parquet"
    return pq.read_metadata(table).num_rows if table.is_file() else None


def _columns(rows: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _links(findings: dict[str, Any]) -> Any:
    """Cell paths -> anchors of the overview table."""

    def anchors(paths: list[str]) -> list[str]:
        out = []
        for path in paths:
            part, index, *rest = path.split("/")
            if part != "adapters":
                out.append(part)
            elif rest[0] == "vs_format_only":
                out.append("format")
            else:
                adapter = findings["adapters"][int(index)]
                out += [f"{adapter['name']}-{name}" for name in (rest[1:] or adapter[rest[0]])]
        return list(dict.fromkeys(out))

    return anchors


def _markdown(findings: dict[str, Any], audit: list[dict[str, Any]]) -> str:
    names = [("gains", n) for n in findings["base"]["benchmarks"]] + [("shifts", n) for n in findings["base"]["axes"]]
    lines = [
        f"# {markdown(findings['study']['name'])}",
        "",
        "Percentage points, adapted - base; a positive shift is more sycophantic.",
        "",
        "| adapter | " + " | ".join(f"{part[:-1]} {markdown(n)}" for part, n in names) + " |",
        "|" + " --- |" * (len(names) + 1),
    ]
    for a in findings["adapters"]:
        row = [
            f"{points(c['estimate'])} [{points(c['lower'])}, {points(c['upper'])}] {c['verdict']}"
            if identified(c)
            else f"bounds [{points(c['bounds'][0])}, {points(c['bounds'][1])}] {c['verdict']}"
            if c["bounds"]
            else f"unknown {c['verdict']}"
            for c in (a[part][n] for part, n in names)
        ]
        lines.append(f"| {markdown(a['name'])} | " + " | ".join(row) + " |")
    return "\n".join(
        [
            *lines,
            "",
            *_claims(findings),
            *(f"- {markdown(r['text'])}" for r in findings["recommendation"]),
            "",
            *(f"- {e['level']}: {markdown(e['claim'])}" for e in audit if e["check"] != "published_claim"),
            "",
        ]
    )


def _claims(findings: dict[str, Any]) -> list[str]:
    rows = [f"| {markdown(c['text'])} | {c['status']} | {markdown(c['reason'])} |" for c in findings.get("claims") or []]
    return ["| claim | status | reason |", "| --- | --- | --- |", *rows, ""] if rows else []
