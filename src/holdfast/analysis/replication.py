"""Several studies side by side: what replicates. Each study keeps its own verdicts; nothing is pooled over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DECIDED = ("raised", "lowered", "unchanged")


def replicate(studies: Sequence[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row per adapter and instrument that two studies or more measured: {adapter, role, part, instrument, status, cells}.

    `studies`: (name, findings). `cells`: one a study, None where it has no such adapter or instrument. Status: see `status`.
    """
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for k, (_, findings) in enumerate(studies):
        for a in findings["adapters"]:
            for part in ("gains", "shifts"):
                for name, cell in a[part].items():
                    blank = {"adapter": a["name"], "role": a["role"], "part": part, "instrument": name, "cells": [None] * len(studies)}
                    found.setdefault((part, a["name"], name), blank)["cells"][k] = cell
    rows = [row for row in found.values() if sum(c is not None for c in row["cells"]) > 1]
    return [{**row, "status": status([c for c in row["cells"] if c is not None])} for row in rows]


def status(cells: Sequence[dict[str, Any]]) -> str:
    """"replicates": one decided verdict in all; "contradicted": raised in one, lowered in another; "differs": decided differently,
    with no contradiction; "not shown": some study could not tell. A negligible effect counts as unchanged.
    """
    words = {"unchanged" if c["negligible"] else c["verdict"] for c in cells}
    if {"raised", "lowered"} <= words:
        return "contradicted"
    if words <= {*DECIDED}:
        return "replicates" if len(words) == 1 else "differs"
    return "not shown"


def markdown(studies: Sequence[tuple[str, dict[str, Any]]], rows: Sequence[dict[str, Any]]) -> str:
    """The rows as two tables with what replicates said first; numbers in points with 95 % intervals."""
    plain = lambda text: "".join(c if c.isalnum() or c in "_ -.:+" else " " for c in str(text))  # noqa: E731
    names = [plain(n) for n, _ in studies]
    lines = []
    for part, title in (("gains", "Gains"), ("shifts", "Shifts")):
        mine = [r for r in rows if r["part"] == part]
        if not mine:
            continue
        lines += [f"## {title}", ""]
        for word in ("replicates", "differs", "contradicted", "not shown"):
            hit = [f"{plain(r['adapter'])} {plain(r['instrument'])}" for r in mine if r["status"] == word and r["role"] == "domain"]
            lines.append(f"- {word}: {len(hit)} of {sum(r['role'] == 'domain' for r in mine)}" + (f" ({', '.join(hit)})" if hit else ""))
        lines += ["", "| adapter | instrument | " + " | ".join(names) + " | |", "|" + " --- |" * (len(names) + 3)]
        for r in mine:
            lines.append(
                f"| {plain(r['adapter'])} | {plain(r['instrument'])} | " + " | ".join(map(_cell, r["cells"])) + f" | {r['status']} |"
            )
        lines.append("")
    return "\n".join(lines)


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None or cell["estimate"] is None:
        return "unknown"
    point = lambda x: "unknown" if x is None else f"{100 * x:+.1f}"  # noqa: E731
    return f"{point(cell['estimate'])} [{point(cell['lower'])}, {point(cell['upper'])}] {cell['verdict'].replace('_', ' ')}"
