"""The verdicts for a terminal: adapters as rows, at most as many instruments side by side as fit; readable from 80 columns on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, TextIO

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from holdfast.escape import plain
from holdfast.report.numbers import identified, points

WIDTH = 80  # of a pipe, and the narrowest terminal that is laid out for
NAME, CELL = 16, 20
STYLES = {"raised": "red", "lowered": "blue", "unchanged": "green", "not_identified": "magenta", "refused": "yellow"}
TITLES = {"gains": "Gain in accuracy", "shifts": "Shift, positive = more sycophantic"}


def result_table(findings: dict[str, Any], width: int = WIDTH) -> Group:
    """Gains, then shifts, in percentage points adapted - base: estimate and verdict, under them the 95 % interval or the bounds."""
    side = max(1, (max(width, WIDTH) - NAME) // (CELL + 1))
    parts: list[Any] = []
    for part, found in (("gains", findings["base"]["benchmarks"]), ("shifts", findings["base"]["axes"])):
        names = list(found)
        blocks = -(-len(names) // side)
        for k in range(blocks):
            parts += [_title(part), _block(findings, part, names[k * len(names) // blocks : (k + 1) * len(names) // blocks]), Text()]
    return Group(*parts, *(Text(line) for line in _notes(findings)))


def show(findings: dict[str, Any], file: TextIO | None = None) -> None:
    """Print the table: as wide as the terminal, or `WIDTH` without colour into a pipe."""
    console = Console(file=file)
    if console.is_terminal:
        console.print(result_table(findings, console.width))
    else:
        print(text(findings), file=file)


def text(findings: dict[str, Any]) -> str:
    """The table as plain lines of at most `WIDTH` columns."""
    console = Console(file=io.StringIO(), width=WIDTH, no_color=True, force_terminal=False, legacy_windows=False)
    console.print(result_table(findings))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def _title(part: str) -> Text:
    return Text(f"{TITLES[part]}; points, adapted - base [95 %]", style="bold")


def _block(findings: dict[str, Any], part: str, names: list[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", width=NAME, overflow="fold")
    for name in names:
        table.add_column(Text(plain(name), style="bold"), width=CELL, overflow="fold", no_wrap=False)
    for a in findings["adapters"]:
        name = Text(plain(a["name"]))
        if a["role"] != "domain":
            name.append(f"\n({plain(a['role'])})", style="dim")
        table.add_row(name, *(_cell(a[part].get(n)) for n in names))
    return table


def _cell(cell: dict[str, Any] | None) -> Text:
    """Estimate and verdict over the interval; of a cell that is not identified the bounds, in round brackets."""
    if cell is None:
        return Text("not measured", style="dim")
    word = plain(cell["verdict"]).replace("_", " ") + ("*" if cell["negligible"] else "")
    style, bounds = STYLES.get(cell["verdict"], ""), cell["bounds"]
    if not identified(cell):
        return Text.assemble((word, style), f"\n({points(bounds[0])}, {points(bounds[1])})" if bounds else "\nno interval")
    return Text.assemble(f"{points(cell['estimate'])} ", (word, style), f"\n[{points(cell['lower'])}, {points(cell['upper'])}]")


def _notes(findings: dict[str, Any]) -> Iterator[str]:
    cells = [c for a in findings["adapters"] for part in TITLES for c in a[part].values()]
    if not all(map(identified, cells)):
        yield "( , ) worst-case bounds: too few answers were covered for an estimate."
    if any(c["negligible"] for c in cells):
        yield f"* inside +-{100 * findings['study']['equivalence_band']:g} points: too small to matter."
