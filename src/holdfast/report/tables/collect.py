"""What of a study goes into a table: effects by row and instrument, and what is said in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Cell = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """`label` is printed; `of` are the columns before the instrument in a long table (CSV): adapter and role, contrast and kind, adapter and dose."""

    label: str
    of: tuple[Any, ...]
    cells: dict[str, Cell]


@dataclass(frozen=True, slots=True)
class Effects:
    """Estimates, one column an instrument. `head`: names of `Row.of`; `kind`: "gains" or "shifts", or both for a published study's additivity."""

    name: str
    title: str
    kind: str
    head: tuple[str, ...]
    instruments: tuple[str, ...]
    rows: tuple[Row, ...]

    def cells(self) -> list[Cell]:
        return [c for r in self.rows for c in r.cells.values()]


@dataclass(frozen=True, slots=True)
class Words:
    """Rows of text under `head`; `shown`: the columns that are printed, all of them go into CSV."""

    name: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    shown: tuple[int, ...]


def tables_of(findings: dict[str, Any], audit: Sequence[dict[str, Any]]) -> list[Effects | Words]:
    """Gains, shifts, contrasts, additivity, dose, claims and audit: those that the study has."""
    found: list[Effects | Words] = [
        _adapters(findings, "gains", "Gain: change in accuracy", findings["base"]["benchmarks"]),
        _adapters(findings, "shifts", "Shift: change in sycophancy", findings["base"]["axes"]),
        _contrasts(findings, "contrasts", "Differences of shifts between adapters", lambda kind: kind != "additivity"),
        _contrasts(
            findings, "additivity", "Additivity: a mix against the sum and the mean of its parts", lambda kind: kind == "additivity"
        ),
        _dose(findings, "gains", "Gain along the dose", findings["base"]["benchmarks"]),
        _dose(findings, "shifts", "Shift along the dose", findings["base"]["axes"]),
        _claims(findings),
        _audit(audit),
    ]
    return [t for t in found if t.rows]


def _adapters(findings: dict[str, Any], part: str, title: str, instruments: Any) -> Effects:
    rows = [
        Row(
            a["name"] if a["role"] == "domain" else f"{a['name']} ({a['role']})",
            (a["name"], a["role"]),
            {n: a[part][n] for n in instruments if n in a[part]},
        )
        for a in findings["adapters"]
    ]
    return Effects(part, title, part, ("adapter", "role"), tuple(instruments), tuple(r for r in rows if r.cells))


def _contrasts(findings: dict[str, Any], name: str, title: str, wanted: Any) -> Effects:
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    for c in findings.get("contrasts") or []:
        kind = c.get("kind") or "additivity"  # a published study's contrasts are these alone
        if wanted(kind):
            cells.setdefault((c["name"], kind), {})[c["axis"]] = c
    order = [*findings["base"]["benchmarks"], *findings["base"]["axes"]]
    held = [i for i in order if any(i in row for row in cells.values())]
    kind = "both" if any(i in findings["base"]["benchmarks"] for i in held) else "shifts"
    return Effects(name, title, kind, ("contrast", "kind"), tuple(held), tuple(Row(n, (n, k), row) for (n, k), row in cells.items()))


def _dose(findings: dict[str, Any], part: str, title: str, instruments: Any) -> Effects:
    rows = []
    for entry in findings.get("dose") or []:
        of = (entry["name"], entry["path"])
        for k, dose in enumerate(entry["doses"]):
            rows.append(
                Row(
                    f"{entry['name']}, {dose:g} of the {_way(entry['path'])}",
                    (*of, dose),
                    {n: entry[part][n][k] for n in instruments if n in entry[part]},
                )
            )
        slopes = entry[f"{part[:-1]}_slopes"]
        rows.append(Row(f"{entry['name']}, per unit of dose", (*of, "slope"), {n: slopes[n] for n in instruments if n in slopes}))
    return Effects(f"dose-{part}", title, part, ("adapter", "path", "dose"), tuple(instruments), tuple(r for r in rows if r.cells))


def _way(path: str) -> str:
    return {"scale": "update", "steps": "steps"}.get(path, path)


def _claims(findings: dict[str, Any]) -> Words:
    rows = [(c["id"], c["text"], c["status"], c["reason"], c["source"], "; ".join(c["evidence"])) for c in findings.get("claims") or []]
    return Words(
        "claims", "What becomes of each published claim", ("id", "claim", "status", "reason", "source", "evidence"), tuple(rows), (1, 2, 3)
    )


def _audit(audit: Sequence[dict[str, Any]]) -> Words:
    """A claim once, with the cells that it forbids; refusals first, then warnings, then what passed."""
    cells: dict[tuple[str, str, str], list[str]] = {}
    for e in audit:
        if e["check"] != "published_claim":
            where = " x ".join(map(str, e["cell"])) if e.get("cell") else ""
            cells.setdefault((e["level"], e["check"], e["claim"]), []).extend([where] * bool(where))
    order = {"refuse": 0, "warn": 1}
    rows = [
        (level, check, claim, "; ".join(where))
        for (level, check, claim), where in sorted(cells.items(), key=lambda item: order.get(item[0][0], 2))
    ]
    return Words("audit", "Audit: what was checked, and what it found", ("level", "check", "finding", "cells"), tuple(rows), (0, 1, 2))
