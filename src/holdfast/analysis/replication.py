"""Several studies side by side: what replicates. Each study keeps its own verdicts; nothing is pooled over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

DECIDED = ("raised", "lowered", "unchanged")
MOVED = {"raised", "lowered"}
STATUSES = ("replicates", "differs", "contradicted", "not shown")
Studies = Sequence[tuple[str, dict[str, Any]]]


def replicate(studies: Studies) -> list[dict[str, Any]]:
    """One row per adapter and instrument that two studies or more measured alike: {adapter, role, part, instrument, status, cells}.

    `studies`: (name, findings). `cells`: one a study, None where it has no such adapter or instrument. Status: see `status`.
    """
    return [
        {**row, "status": status([c for c in row["cells"] if c is not None])} for row in _all(studies) if _refusal(row, studies) is None
    ]


def refused(studies: Studies) -> list[dict[str, Any]]:
    """What is not compared: {adapter, part, instrument, reason}."""
    keys = ("adapter", "part", "instrument")
    return [{**{k: row[k] for k in keys}, "reason": why} for row in _all(studies) if (why := _refusal(row, studies)) is not None]


def _all(studies: Studies) -> list[dict[str, Any]]:
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for k, (_, findings) in enumerate(studies):
        for a in findings["adapters"]:
            for part in ("gains", "shifts"):
                for name, cell in a[part].items():
                    blank = {"adapter": a["name"], "role": a["role"], "part": part, "instrument": name, "cells": [None] * len(studies)}
                    found.setdefault((part, a["name"], name), blank)["cells"][k] = cell
    return list(found.values())


def _refusal(row: dict[str, Any], studies: Studies) -> str | None:
    """Why a row is no comparison: in one study alone, or not the same quantity."""
    held = [k for k, c in enumerate(row["cells"]) if c is not None]
    if len(held) < 2:
        return f"in {studies[held[0]][0]} alone"
    for what, of in (("estimand", lambda k: _estimand(studies[k][1], row, k)), ("unit", lambda k: row["cells"][k].get("unit", "fraction"))):
        values = {of(k) for k in held} - {None}
        if len(values) > 1:
            return f"not the same {what}: " + ", ".join(f"{of(k) or 'unknown'} in {studies[k][0]}" for k in held)
    return None


def _estimand(findings: dict[str, Any], row: dict[str, Any], k: int) -> str | None:
    declared = (findings.get("study") or {}).get("estimands") or {}
    return declared.get(row["instrument"]) or row["cells"][k].get("contrast")


def status(cells: Sequence[dict[str, Any]]) -> str:
    """ "replicates": one decided verdict in all; "contradicted": raised in one, lowered in another; "differs": decided differently,
    with no contradiction; "not shown": some study could not tell. A negligible effect counts as unchanged.
    """
    words = {"unchanged" if c["negligible"] else c["verdict"] for c in cells}
    if words >= MOVED:
        return "contradicted"
    if words <= {*DECIDED}:
        return "replicates" if len(words) == 1 else "differs"
    return "not shown"


def counts(rows: Sequence[dict[str, Any]], part: str) -> dict[str, float]:
    """Over the domain adapters' rows of a part: each status; rows whose estimates all have one sign ("same_sign", of "signed" rows, which have an
    estimate in every study that measured them; "coins": as many if every sign were a coin's); rows raised or lowered in every study
    ("moved_in_all"), and those of them in one direction ("moved_alike").
    """
    mine = [r for r in rows if r["part"] == part and r["role"] == "domain"]
    found: dict[str, float] = {"rows": len(mine), **{s: sum(r["status"] == s for r in mine) for s in STATUSES}}
    cells = [[c for c in r["cells"] if c is not None] for r in mine]
    signed = [[c["estimate"] for c in row] for row in cells if all(c["estimate"] for c in row)]
    moved = [{c["verdict"] for c in row} for row in cells if all(c["verdict"] in MOVED and not c["negligible"] for c in row)]
    found |= {
        "signed": len(signed),
        "same_sign": sum(min(v) > 0 or max(v) < 0 for v in signed),
        "coins": sum(2.0 ** (1 - len(v)) for v in signed),
    }
    return {**found, "moved_in_all": len(moved), "moved_alike": sum(len(w) == 1 for w in moved)}
