"""Which numbers of an effect may be shown, fractions as people read them, and rows of text as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from holdfast.escape import csv_cell
from holdfast.results import AdapterFindings, Estimate, Finding, Shift, StudyFindings

PARTS = ("gains", "behaviour", "deference")
NOUNS = {"gains": "gain", "behaviour": "shift of behaviour", "firmness": "firmness part", "deference": "deference", "claim": "deference"}


class PointSpan(NamedTuple):
    """An effect in percentage points; `points` is None where only bounds are known."""

    points: float | None
    lower: float
    upper: float


def effects_of(entry: AdapterFindings, part: str) -> dict[str, Finding]:
    """An adapter's gains by benchmark, or a part of its shifts by axis; "claim": the deference part, the behaviour where it has no parts."""
    if part == "gains":
        return entry.gains
    return {axis: cell for axis, shift in entry.shifts.items() if (cell := getattr(shift, part)) is not None}


def parts_of(findings: StudyFindings) -> list[str]:
    """The `PARTS` for which a study has numbers."""
    return [part for part in PARTS if any(effects_of(a, part) for a in findings.adapters)]


def split_line(shift: Shift) -> str:
    """Where a change of behaviour comes from, in points; empty where it has no parts."""
    if shift.firmness is None or shift.deference is None or not identified(shift.deference):
        return ""
    whole, firm, own = (points(c.estimate) for c in (shift.behaviour, shift.firmness, shift.deference))
    return f"behaviour {whole} = firmness {firm} + deference {own}"


def identified(effect: Finding) -> bool:
    """Whether the estimate may be shown. If not, the bounds (if any) are all that is known."""
    return effect.estimate is not None and effect.verdict != "not_identified"


def span(effect: Finding, bounded: bool = False) -> PointSpan | None:
    """Estimate and interval; with `bounded` the bounds of an effect that is not identified; None where there is nothing to draw."""
    if identified(effect) and effect.estimate is not None:
        ends = (effect.estimate if end is None else end for end in (effect.lower, effect.upper))
        return PointSpan(100 * effect.estimate, *(100 * end for end in ends))
    if not bounded or effect.bounds is None or effect.bounds[0] is None or effect.bounds[1] is None:
        return None
    return PointSpan(None, 100 * effect.bounds[0], 100 * effect.bounds[1])


def points(value: float | None) -> str:
    """A fraction as signed percentage points."""
    return "unknown" if value is None else f"{100 * value:+.1f}"


def share(value: float | None) -> str:
    """A fraction as a percentage."""
    return "unknown" if value is None else f"{100 * value:.1f}\u00a0%"


def value(effect: Estimate, name: str) -> str:
    """A number of an effect with its unit: points, or nats."""
    number = getattr(effect, name)
    return f"{number:+.3f} nats" if number is not None and getattr(effect, "unit", "") == "nats" else points(number)


def verdict(effect: Finding) -> str:
    """The verdict in words; negligible effects carry an asterisk."""
    return (effect.verdict or "unknown").replace("_", " ") + "*" * bool(effect.negligible)


def interval(effect: Finding) -> str:
    """The interval in square brackets; the bounds of an effect that is not identified in round ones, or nothing."""
    if identified(effect):
        return f"[{points(effect.lower)}, {points(effect.upper)}]"
    return f"({points(effect.bounds[0])}, {points(effect.bounds[1])})" if effect.bounds else ""


def phrase(effect: Finding | None) -> str:
    """Estimate, interval and verdict on one line."""
    if effect is None:
        return "not measured"
    if effect.unit == "nats" and identified(effect):
        return f"{value(effect, 'estimate')} {verdict(effect)}"
    return " ".join(filter(None, [points(effect.estimate) if identified(effect) else "", interval(effect), verdict(effect)]))


def csv_text(head: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """Rows as CSV: unknown is an empty cell, and no text is a formula."""
    stream = io.StringIO()
    lines = csv.writer(stream, lineterminator="\n")
    lines.writerow(head)
    lines.writerows([csv_cell(v) for v in row] for row in rows)
    return stream.getvalue()
