"""One self-contained report.html, report.md and tables/*.csv. Text from data is escaped in each of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich.table import Table
from rich.text import Text

from holdfast.store import write_atomic

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def points(value: float | None) -> str:
    """A fraction as signed percentage points."""
    return "unknown" if value is None else f"{100 * value:+.1f}"


def share(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"


def value(cell: dict[str, Any], name: str) -> str:
    if cell[name] is None:
        return "unknown"
    return f"{cell[name]:+.3f} nats" if cell.get("unit") == "nats" else points(cell[name])


def write_report(
    out: Path, findings: dict[str, Any], audit: list[dict[str, Any]], environment: dict[str, Any], transcripts: Path | None
) -> Path:
    """Write report.html, report.md and tables under `out`; returns the page's path. Nothing in it asks any address."""
    from holdfast.report import charts, claims, paths, training

    findings = {"refused": [], "dose": [], "mitigation": [], "factorial": None, "detection": {}, "flips": {}, "pareto": None, **findings}
    records = training.trainings(out)
    audit = list({(e["check"], e["claim"]): e for e in audit}.values())  # a refusal stands once for each cell it forbids

    drawn = {
        "tradeoff": charts.tradeoff,
        "forest": charts.forest,
        "gains": lambda f: charts.forest(f, "gains"),
        "bars": charts.bars,
        "heat": charts.heat,
        "profiles": charts.profiles,
        "ranking": charts.ranking,
        "paths": paths.dose_paths,
        "contrasts": paths.contrasts,
        "factorial": paths.factorial,
        "flips": paths.flips,
    }
    env = Environment(loader=PackageLoader("holdfast", "report"), autoescape=True, undefined=StrictUndefined)
    env.globals.update(points=points, share=share, value=value, zip=zip, links=_links(findings))
    page = env.get_template("template.html").render(
        f=findings,
        audit=audit,
        claims=claims.section(findings),
        benchmarks=list(findings["base"]["benchmarks"]),
        axes=list(findings["base"]["axes"]),
        charts={name: Markup(draw(findings)) for name, draw in drawn.items()},
        trainings=training.table(records),
        curves=Markup(training.curves(records)),
        transcripts=_sample(transcripts),  # noqa: S704
        environment=json.dumps(environment, indent=1),
        engine=environment.get("engine"),
    )
    write_atomic(out / "report.html", page.encode())
    write_atomic(out / "report.md", _markdown(findings, audit).encode())
    (out / "tables").mkdir(exist_ok=True)
    for part in ("gains", "shifts"):
        write_atomic(out / "tables" / f"{part}.csv", _csv(findings, part).encode())
    (out / "figures").mkdir(exist_ok=True)
    write_atomic(out / "figures" / "tradeoff.svg", drawn["tradeoff"](findings).encode())
    return out / "report.html"


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


def _sample(path: Path | None, per_cell: int = 1) -> list[dict[str, Any]]:
    """The first transcript of every seed-0 model, instrument and condition: the rest lies in transcripts.jsonl.gz."""
    if path is None or not path.is_file():
        return []
    seen: dict[tuple[str, ...], int] = {}
    out = []
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as stream:
        for line in stream:
            if "/seed" in line[:80] and "/seed0/" not in line[:80]:
                continue
            t = json.loads(line)
            key = (t["model"], t["instrument"], t["condition"])
            if seen.setdefault(key, 0) < per_cell:
                seen[key] += 1
                out.append({"choices": [], "logliks": [], "reply": "", "prefill": "", **t})
    return out


def _safe(text: Any) -> str:
    """A spreadsheet takes a leading = + - @ for a formula; numbers are left alone."""
    if not isinstance(text, str):
        return "" if text is None else f"{text}"
    clean = CONTROL.sub("", text)
    return "'" + clean if clean[:1] in ("=", "+", "-", "@", "\t") else clean


def _csv(findings: dict[str, Any], part: str) -> str:
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    names = (
        "estimate",
        "lower",
        "upper",
        "p",
        "p_holm",
        "n",
        "num_clusters",
        "num_seeds",
        "coverage",
        "mde",
        "verdict",
        "negligible",
    )
    rows.writerow(["adapter", "role", "instrument", *names])
    for a in findings["adapters"]:
        for instrument, c in a[part].items():
            rows.writerow([_safe(a["name"]), a["role"], _safe(instrument), *(_safe(c.get(n)) for n in names)])
    return stream.getvalue()


def _markdown(findings: dict[str, Any], audit: list[dict[str, Any]]) -> str:
    plain = lambda text: re.sub(r"([\\`*_{}\[\]<>|#])", r"\\\1", CONTROL.sub("", str(text)))  # noqa: E731
    names = [("gains", n) for n in findings["base"]["benchmarks"]] + [("shifts", n) for n in findings["base"]["axes"]]
    lines = [
        f"# {plain(findings['study']['name'])}",
        "",
        "Percentage points, adapted - base; a positive shift is more sycophantic.",
        "",
        "| adapter | " + " | ".join(f"{part[:-1]} {plain(n)}" for part, n in names) + " |",
        "|" + " --- |" * (len(names) + 1),
    ]
    for a in findings["adapters"]:
        row = [
            f"{points(c['estimate'])} [{points(c['lower'])}, {points(c['upper'])}] {c['verdict']}"
            if c["estimate"] is not None or not c["bounds"]
            else f"bounds [{points(c['bounds'][0])}, {points(c['bounds'][1])}] {c['verdict']}"
            for c in (a[part][n] for part, n in names)
        ]
        lines.append(f"| {plain(a['name'])} | " + " | ".join(row) + " |")
    return "\n".join(
        [
            *lines,
            "",
            *_claims(findings, plain),
            *(f"- {plain(r['text'])}" for r in findings["recommendation"]),
            "",
            *(f"- {e['level']}: {plain(e['claim'])}" for e in audit if e["check"] != "published_claim"),
            "",
        ]
    )


def _claims(findings: dict[str, Any], plain: Any) -> list[str]:
    rows = [f"| {plain(c['text'])} | {c['status']} | {plain(c['reason'])} |" for c in findings.get("claims") or []]
    return ["| claim | status | reason |", "| --- | --- | --- |", *rows, ""] if rows else []


def result_table(findings: dict[str, Any]) -> Table:
    """The verdict table for a terminal."""
    table = Table(title="points, adapted - base [95 %]; positive shift = more sycophantic", title_justify="left")
    table.add_column("adapter")
    names = [("gains", n) for n in findings["base"]["benchmarks"]] + [("shifts", n) for n in findings["base"]["axes"]]
    for part, n in names:
        table.add_column(Text(f"{'gain' if part == 'gains' else 'shift'}\n{n}"))
    for a in findings["adapters"]:
        row = [
            Text(
                f"{points(c['estimate'])} [{points(c['lower'])},{points(c['upper'])}]\n{c['verdict']}{'*' if c['negligible'] else ''}"
            )
            for c in (a[p][n] for p, n in names)
        ]
        table.add_row(Text(CONTROL.sub("", a["name"])), *row)
    return table
