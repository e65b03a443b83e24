"""What an analysis of a published study leaves: findings.json, audit.json, the report and tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.analysis.findings import findings_json
from holdfast.errors import ConfigError
from holdfast.escape import csv_cell
from holdfast.report.page import write_report
from holdfast.store import write_atomic

if TYPE_CHECKING:
    from holdfast_llama2_7b import Outcome


def write_files(outcome: Outcome, out: Path) -> Path:
    """Write everything under `out`. Raises ConfigError where it cannot be written."""
    findings = outcome.findings
    try:
        (out / "tables").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"-o/--out: {out} cannot be written ({error.strerror}); name another folder") from None
    write_atomic(out / "findings.json", findings_json(findings))
    write_atomic(out / "audit.json", findings_json(outcome.audit))
    for name, rows in tables_of(findings).items():
        write_atomic(out / "tables" / f"{name}.csv", _csv(rows).encode())
    how = {"study": findings["study"]["name"], "source": findings["study"]["source"], "numbers compared": findings["tables"]["compared"]}
    return write_report(out, findings, outcome.audit, how, None)


def tables_of(findings: dict[str, Any]) -> dict[str, list[list[Any]]]:
    """Rows with a header, by file name: levels, correlations in both forms, points, claims."""
    models = [
        ("base", {**findings["base"]["benchmarks"], **findings["base"]["axes"]}),
        *((a["name"], a["levels"]) for a in findings["adapters"]),
    ]
    levels = [
        [m, i, c["hits"], c["n"], c["estimate"], c["lower"], c["upper"], c["coverage"], *(c["bounds"] or (None, None)), c["as_published"]]
        for m, cells in models
        for i, c in cells.items()
    ]
    correlations = [
        [c["benchmark"], c["axis"], c["published"], *(c["levels"][k] for k in ("r", "n", "p")), *(c["changes"][k] for k in ("r", "n", "p", "critical_r")),
         *(c["changes"]["leave_one_out"] or (None, None))]
        for c in findings["correlation"]["cells"]
    ]  # fmt: skip
    points = [[p["number"], p["title"], x["status"], x["text"], x["how"]] for p in findings["points"] for x in p["parts"]]
    claims = [[c["id"], c["text"], c["status"], c["reason"], c["source"], "; ".join(c["evidence"])] for c in findings["claims"]]
    return {
        "levels": [["model", "instrument", "hits", "n", "rate", "lower", "upper", "coverage", "bound_low", "bound_high", "as_published"], *levels],
        "correlations": [["benchmark", "axis", "published", "r_levels", "n_levels", "p_levels", "r_changes", "n_changes", "p_changes", "critical_r",
                          "leave_one_out_low", "leave_one_out_high"], *correlations],
        "points": [["point", "title", "status", "text", "how"], *points],
        "claims": [["id", "claim", "status", "reason", "source", "evidence"], *claims],
    }  # fmt: skip


def _csv(rows: Iterable[list[Any]]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([csv_cell(v) for v in row] for row in rows)
    return stream.getvalue()
