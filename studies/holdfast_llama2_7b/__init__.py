"""Published studies, analysed again from their own tables: what they show, what they cannot show, what becomes of each claim."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.errors import DataError
from holdfast_llama2_7b.tables import available, read_tables, shipped

__all__ = ["STUDY", "Outcome", "analyse", "available", "shipped", "write"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Findings (with the points and the claims) and the audit of one published study."""

    findings: dict[str, Any]
    audit: list[dict[str, Any]]

    @property
    def refused(self) -> list[dict[str, Any]]:
        """Claims that do not stand."""
        return [c for c in self.findings["claims"] if c["status"] != "stands"]


def analyse(folder: Path, name: str, data_root: str | None = None) -> Outcome:
    """A study's folder -> findings and audit. With `data_root` what needs the rows is counted from them, else from the shipped counts."""
    from holdfast_llama2_7b.claims import judge
    from holdfast_llama2_7b.counts import counts_of
    from holdfast_llama2_7b.defects import find
    from holdfast_llama2_7b.findings import audit_of, findings_of
    from holdfast_llama2_7b.points import points_of
    from holdfast_llama2_7b.readers import ADAPTERS, READERS

    tables = read_tables(folder, name)
    if missing := [a for a in ADAPTERS if a not in tables.adapters]:
        raise DataError(f"complete_results.csv: adapter_name: no row {missing[0]!r}; the claims speak of {', '.join(ADAPTERS)}")
    study, defects = find(tables, counts_of(tables, data_root))
    claims = judge(study, defects, READERS)
    return Outcome(findings=findings_of(study, defects, points_of(study), claims), audit=audit_of(defects, claims))


def write(outcome: Outcome, out: Path) -> Path:
    """findings.json, audit.json, report.html, report.md and tables under `out`; returns the report's path."""
    from holdfast_llama2_7b.files import write_files

    return write_files(outcome, out)


class _Study:
    """The seam `holdfast.studies` asks for."""

    def analyze(self, data_root: str | None = None) -> Outcome:
        return analyse(shipped(NAME), NAME, data_root)

    def write(self, outcome: Outcome, out: Path) -> Path:
        return write(outcome, out)

    def summary(self, findings: dict[str, Any]) -> Any:
        from holdfast_llama2_7b.terminal import summary

        return summary(findings)


NAME = "llama2-7b"
STUDY = _Study()
