"""Tables of a finished study: LaTeX for one and for two columns, Markdown, CSV; and a paper that shows the main ones with their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from holdfast.report.tables import delimited, document, latex, markdown
from holdfast.report.tables.collect import tables_of
from holdfast.store import write_atomic

FORMATS = ("latex", "markdown", "csv")

__all__ = ["FORMATS", "tables_of", "write_tables"]


def write_tables(
    findings: dict[str, Any], audit: Sequence[dict[str, Any]], out: Path, formats: Sequence[str] = FORMATS, columns: Sequence[int] = (1, 2)
) -> list[Path]:
    """Write `out/NAME-{1,2}col.tex` and `out/paper.tex`, `out/NAME.md`, `out/NAME.csv`; the files in order."""
    files = []

    def write(name: str, text: str) -> None:
        write_atomic(out / name, text.encode())
        files.append(out / name)

    found = tables_of(findings, audit)
    for t in found:
        if "latex" in formats:
            for k in columns:
                write(f"{t.name}-{k}col.tex", latex.table(t, findings, k))
        if "markdown" in formats:
            write(f"{t.name}.md", markdown.table(t, findings))
        if "csv" in formats:
            write(f"{t.name}.csv", delimited.table(t))
    if "latex" in formats:
        write("paper.tex", document.paper(findings, audit, {t.name for t in found}))
    return files
