"""Tables in Markdown: the caption as a paragraph, verdicts as words."""

from __future__ import annotations

from typing import Any

from holdfast.escape import markdown
from holdfast.report.numbers import identified, points
from holdfast.report.tables.captions import caption
from holdfast.report.tables.collect import Cell, Effects, Words


def table(t: Effects | Words, findings: dict[str, Any]) -> str:
    said = caption(t, findings, lambda word: "*" if word == "negligible" else "", markdown)
    if isinstance(t, Words):
        head, rows = [t.head[k] for k in t.shown], [[markdown(row[k]) for k in t.shown] for row in t.rows]
    else:
        head = ["", *(markdown(n) for n in t.instruments)]
        rows = [[markdown(r.label), *(_cell(r.cells.get(n)) for n in t.instruments)] for r in t.rows]
    line = lambda cells: "| " + " | ".join(cells) + " |"  # noqa: E731
    return "\n".join([said, "", line(head), line(["---"] * len(head)), *map(line, rows), ""])


def _cell(c: Cell | None) -> str:
    if c is None:
        return ""
    word = c["verdict"].replace("_", " ") + (r"\*" if c["negligible"] else "")
    cover = "unknown" if c["coverage"] is None else f"{100 * c['coverage']:.1f} %"
    about = f"n {c['n'] or 'unknown'}, covered {cover}"
    if not identified(c):
        return (f"({points(c['bounds'][0])}, {points(c['bounds'][1])}) " if c["bounds"] else "") + f"{word}; {about}"
    if c.get("unit") == "nats":
        return f"{c['estimate']:+.3f} nats {word}; {about}"
    return f"{points(c['estimate'])} [{points(c['lower'])}, {points(c['upper'])}] {word}; {about}"
