"""What stands over a table: unit, sign, level of the intervals, seeds and items, families, and what may not be concluded. Every number is of the cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from holdfast.report.tables.collect import Effects, Words

WORDS = {
    "raised": "raised", "lowered": "lowered", "unchanged": "unchanged", "inconclusive": "inconclusive", "not_identified": "not identified",
    "refused": "refused by the audit",
}  # fmt: skip


def caption(table: Effects | Words, findings: dict[str, Any], mark: Callable[[str], str], text: Callable[[Any], str] = str) -> str:
    """Sentences. `mark`: how a verdict (or "negligible") is marked in the cells; `text`: escapes words from data."""
    study = findings["study"]
    if isinstance(table, Words):
        return f"{table.title}. Study: {text(study['name'])}, base {text(study.get('base') or findings['base']['name'])}."
    cells = table.cells()
    seeds, level = _span(c["num_seeds"] for c in cells), next((c["level"] for c in cells if c["level"] is not None), 0.95)
    alone = max((c["num_seeds"] or 0 for c in cells), default=0) < 2
    over = "items alone: they hold no noise of training" if alone else "training seeds and items, crossed"
    parts = [
        f"{table.title}. {_unit(table)} Base {text(study.get('base') or findings['base']['name'])}; estimands: {_estimands(table, study, text)}.",
        f"Square brackets: {100 * level:g} % intervals over {over}, not adjusted for their number. {_many(seeds, 'training seed')}, {_many(_span(c['n'] for c in cells), 'item')}.",
        f"{_family(table, alone)} {_marks(cells, study, mark)}",
        _not_concluded(table, cells, findings, alone, text),
    ]
    return " ".join(p.strip() for p in parts if p.strip())


def _unit(table: Effects) -> str:
    minus = "Percentage points, adapted minus base" if table.name not in ("contrasts", "additivity") else "Percentage points"
    sign = {
        "gains": "a positive gain is more capable",
        "shifts": "a positive shift is more sycophantic"
        if table.name not in ("contrasts", "additivity")
        else "positive: the first is the more sycophantic",
        "both": "positive: the first has the greater gain, or is the more sycophantic",
    }[table.kind]
    return f"{minus}; {sign}."


def _estimands(table: Effects, study: dict[str, Any], text: Callable[[Any], str]) -> str:
    by: dict[str, list[str]] = {}
    for name in table.instruments:
        by.setdefault(str((study.get("estimands") or {}).get(name, "unknown")), []).append(name)
    return "; ".join(f"{text(what.replace('_', ' '))} ({', '.join(map(text, names))})" for what, names in by.items())


def _span(values: Iterable[Any]) -> tuple[int, int] | None:
    known = [v for v in values if v]
    return (min(known), max(known)) if known else None


def _many(span: tuple[int, int] | None, noun: str) -> str:
    if span is None:
        return f"number of {noun}s unknown"
    low, high = span
    return f"{low} {noun}{'s' * (low != 1)}" if low == high else f"{low} to {high} {noun}s"


def _family(table: Effects, alone: bool) -> str:
    if alone:
        return "One training run an adapter: no change is called raised or lowered."
    if table.name.startswith("dose"):
        return "Verdicts are exploratory (Benjamini-Hochberg)."
    if table.name in ("contrasts", "additivity"):
        return "Verdicts: contrasts and additivity are one Holm family."
    return "Verdicts: Holm over the domain adapters; controls and nulls are exploratory (Benjamini-Hochberg)."


def _marks(cells: list[dict[str, Any]], study: dict[str, Any], mark: Callable[[str], str]) -> str:
    used = [w for w in WORDS if any(c["verdict"] == w for c in cells)]
    band = f"{100 * study['equivalence_band']:g}"
    more = {"unchanged": f" (90 % interval inside +/-{band} points)", "not_identified": ", round brackets hold worst-case bounds"}
    said = [f"{mark(w)} {WORDS[w]}{more.get(w, '')}".strip() for w in used]
    if any(c["negligible"] for c in cells):
        said.append(f"{mark('negligible')} inside +/-{band} points, too small to matter")
    if any(not c["n"] or c["coverage"] is None for c in cells):
        said.append("---: unknown")
    return "; ".join(said) + "." if said and any(mark(w) for w in used) else ""


def _not_concluded(table: Effects, cells: list[dict[str, Any]], findings: dict[str, Any], alone: bool, text: Callable[[Any], str]) -> str:
    words = {c["verdict"] for c in cells}
    said = []
    if "inconclusive" in words:
        said.append("that an inconclusive effect is absent")
    if "not_identified" in words:
        said.append("a direction where an effect is not identified and its bounds hold 0")
    if "refused" in words:
        said.append("anything from a refused cell")
    if alone:
        said.append("that training again would give the same")
    refused = (findings.get("correlation") or {}).get("refused")
    if table.name == "shifts" and refused:
        said.append(f"that gain and shift go together ({text(refused)})")
    return f"Not to be concluded: {'; '.join(said)}." if said else ""
