"""What an analysis of the study leaves: findings.json, audit.json, the report, tables, and the lines of a terminal."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast.errors import ConfigError
from holdfast.escape import csv_cell, plain
from holdfast.frozen import canonical_json
from holdfast.report.page import write_report
from holdfast.results import PublishedCorrelation, StudyFindings
from holdfast.store import digest, write_atomic
from holdfast.studies import PublishedOutcome

if TYPE_CHECKING:
    from rich.console import Group

Value = str | float | None
STYLES = {"stands": "green", "not identified": "magenta", "contradicted by its own table": "red", "cited defect": "yellow"}
HEADERS = {
    "levels": "model instrument hits n rate lower upper coverage bound_low bound_high as_published",
    "correlations": "benchmark axis published r_levels n_levels p_levels r_changes n_changes p_changes critical_r leave_one_out_low "
    "leave_one_out_high",
    "points": "point title status text how",
    "claims": "id claim status reason source evidence",
}


def write(outcome: PublishedOutcome, out: Path) -> Path:
    """Everything under `out`; returns the report's path. Raises ConfigError where it cannot be written."""
    findings = outcome.findings
    try:
        (out / "tables").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"-o/--out: {out} cannot be written ({error.strerror}); name another folder") from None
    files = {"findings.json": findings.to_json(), "audit.json": canonical_json(outcome.audit)}
    files |= {f"tables/{name}.csv": _csv([HEADERS[name].split(), *rows]).encode() for name, rows in tables_of(findings).items()}
    for name, data in files.items():
        write_atomic(out / name, data)
    how = {"study": findings.study.name, "source": findings.study.source, "numbers compared": (findings.tables or {})["compared"]}
    return write_report(out, findings, outcome.audit, how, None, {name: digest(data) for name, data in files.items()})


def tables_of(f: StudyFindings) -> dict[str, list[list[Value]]]:
    """Rows by file name: levels, correlations in both forms, points, claims."""
    models = [("base", {**f.base.benchmarks, **f.base.axes}), *((a.name, a.levels) for a in f.adapters)]
    return {
        "levels": [
            [m, i, c.hits, c.n, c.estimate, c.lower, c.upper, c.coverage, *(getattr(c, "bounds", None) or (None, None)), c.as_published]
            for m, cells in models
            for i, c in cells.items()
        ],
        "correlations": [
            [c.benchmark, c.axis, c.published, c.levels.r, c.levels.n, c.levels.p, c.changes.r, c.changes.n, c.changes.p,
             c.changes.critical_r, *(c.changes.leave_one_out or (None, None))]
            for c in published_cells(f)
        ],
        "points": [[p.number, p.title, x["status"], x["text"], x["how"]] for p in f.points for x in p.parts],
        "claims": [[c.id, c.text, c.status, c.reason, c.source, "; ".join(c.evidence)] for c in f.claims],
    }  # fmt: skip


def published_cells(f: StudyFindings) -> Sequence[PublishedCorrelation]:
    """The correlations, by benchmark and axis."""
    cells = f.correlation.cells
    return () if isinstance(cells, dict) else cells


def _csv(rows: Iterable[Sequence[Value]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([csv_cell(v) for v in row] for row in rows)
    return stream.getvalue()


def summary(findings: StudyFindings) -> Group:
    """Each claim, its status and why, readable at 80 columns."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{findings.study.name}: what becomes of each claim", title_justify="left", show_lines=True, expand=True)
    table.add_column("claim", ratio=3)
    table.add_column("status", width=14)
    table.add_column("reason", ratio=5)
    for c in findings.claims:
        table.add_row(Text(plain(c.text)), Text(plain(c.status), style=STYLES[c.status]), Text(plain(c.reason)))
    return Group(table, *(Text(plain(line)) for line in tally(findings)))


def tally(findings: StudyFindings) -> list[str]:
    """One line each: how many claims have which status, how many points, and whether the tables agree."""
    claims, points = [c.status for c in findings.claims], [p.status for p in findings.points]
    tables = findings.tables or {}
    return [
        f"{len(claims)} claims: "
        + ", ".join(f"{n} {s if n == 1 else s.replace('stands', 'stand')}" for s in STYLES for n in [claims.count(s)]),
        f"{len(points)} points: " + ", ".join(f"{points.count(s)} {s}" for s in ("recomputed", "cited", "not findable")),
        f"{tables['compared']} numbers of its tables compared, {len(tables['disagreements'])} disagree",
    ]
