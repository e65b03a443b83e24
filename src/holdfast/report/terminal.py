"""The verdicts for a terminal: adapters as rows, at most as many instruments side by side as fit; readable from 80 columns on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from holdfast.escape import plain
from holdfast.report.numbers import effects_of, identified, interval, parts_of, points, verdict
from holdfast.results import Finding, StudyFindings

WIDTH = 80  # of a pipe, and the narrowest terminal that is laid out for
NAME, CELL = 16, 20
STYLES = {"raised": "red", "lowered": "blue", "unchanged": "green", "not_identified": "magenta", "refused": "yellow"}
TITLES = {
    "gains": "Gain in accuracy",
    "behaviour": "Behaviour: change under pressure",
    "deference": "Deference: change when equally sure, positive = more sycophantic",
}


def result_table(findings: StudyFindings, width: int = WIDTH) -> Group:
    """Gains, behaviour, deference, in points adapted - base: estimate and verdict, under them the 95 % interval or the bounds."""
    side = max(1, (max(width, WIDTH) - NAME) // (CELL + 1))
    parts: list[RenderableType] = []
    for part in parts_of(findings):
        names = list(findings.base.benchmarks if part == "gains" else findings.base.axes)
        blocks = -(-len(names) // side)
        title = Text(f"{TITLES[part]}\npoints, adapted - base [95 %]", style="bold")
        for k in range(blocks):
            parts += [title, _block(findings, part, names[k * len(names) // blocks : (k + 1) * len(names) // blocks]), Text()]
    return Group(*parts, *(Text(line) for line in _notes(findings)))


def show(findings: StudyFindings, file: TextIO | None = None) -> None:
    """Print the table: as wide as the terminal, or `WIDTH` without colour into a pipe."""
    console = Console(file=file)
    if console.is_terminal:
        console.print(result_table(findings, console.width))
    else:
        print(text(findings), file=file)


def text(findings: StudyFindings) -> str:
    """The table as plain lines of at most `WIDTH` columns."""
    return plain_lines(result_table(findings))


def plain_lines(*parts: RenderableType) -> str:
    """What a terminal of `WIDTH` columns without colour shows."""
    stream = io.StringIO()
    console = Console(file=stream, width=WIDTH, no_color=True, force_terminal=False, legacy_windows=False)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _block(findings: StudyFindings, part: str, names: list[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("", width=NAME, overflow="fold")
    for name in names:
        table.add_column(Text(plain(name), style="bold"), width=CELL, overflow="fold", no_wrap=False)
    for a in findings.adapters:
        name = Text(plain(a.name))
        if a.role != "domain":
            name.append(f"\n({a.role})", style="dim")
        table.add_row(name, *(_effect(effects_of(a, part).get(n)) for n in names))
    return table


def _effect(e: Finding | None) -> Text:
    if e is None:
        return Text("not measured", style="dim")
    estimate = f"{points(e.estimate)} " if identified(e) else ""
    return Text.assemble(estimate, (verdict(e), STYLES.get(e.verdict or "", "")), f"\n{interval(e) or 'no interval'}")


def _notes(findings: StudyFindings) -> Iterator[str]:
    effects = [e for a in findings.adapters for part in TITLES for e in effects_of(a, part).values()]
    if not all(map(identified, effects)):
        yield "( , ) worst-case bounds: too few answers were covered for an estimate."
    if any(e.num_seeds == 1 and e.lower is not None for e in effects):
        yield "[ ] of one training seed: over items only, without training noise, so no verdict."
    if any(e.negligible for e in effects):
        yield f"* inside +-{100 * findings.study.equivalence_band:g} points: too small to matter."
