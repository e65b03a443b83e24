"""What a terminal shows: each claim, its status and why, readable at 80 columns."""

from __future__ import annotations

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from holdfast.escape import plain

STYLES = {"stands": "green", "not identified": "magenta", "contradicted by its own table": "red", "cited defect": "yellow"}


def clean(text: Any, style: str = "") -> Text:
    """Text from a file without what moves a cursor or turns the direction of writing."""
    return Text(plain(text), style=style)


def summary(findings: dict[str, Any]) -> Group:
    table = Table(title=f"{findings['study']['name']}: what becomes of each claim", title_justify="left", show_lines=True, expand=True)
    table.add_column("claim", ratio=3)
    table.add_column("status", width=14)
    table.add_column("reason", ratio=5)
    for c in findings["claims"]:
        table.add_row(clean(c["text"]), clean(c["status"], STYLES[c["status"]]), clean(c["reason"]))
    return Group(table, *(clean(line) for line in counted(findings)))


def counted(findings: dict[str, Any]) -> list[str]:
    """One line each: how many claims have which status, how many points, and whether the tables agree."""
    tally = {s: sum(c["status"] == s for c in findings["claims"]) for s in STYLES}
    points = [p["status"] for p in findings["points"]]
    tables = findings["tables"]
    return [
        f"{len(findings['claims'])} claims: " + ", ".join(f"{n} {s}" for s, n in tally.items()),
        f"{len(points)} points: " + ", ".join(f"{points.count(s)} {s}" for s in ("recomputed", "cited", "not findable")),
        f"{tables['compared']} numbers of its tables compared, {len(tables['disagreements'])} disagree",
    ]
