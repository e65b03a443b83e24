"""Output of `holdfast rescore` -> outcome rates with intervals, coverage, and bounds where replies could not be read."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from holdfast.errors import DataError
from holdfast.parsing.outcome import OUTCOMES
from holdfast.parsing.transcripts import OWN_FIELDS, Row, numbered_rows
from holdfast.stats.rates import wilson

MIN_COVERAGE, MAX_COVERAGE_GAP = 0.95, 0.02
CLUSTER_FIELDS = ("cluster_id", "cluster")
MOST_GROUPS = 1000
_READ = OUTCOMES[:3]


class Rate(TypedDict):
    """Share of one outcome among the replies that could be read; `bounds` only where it is not identified."""

    estimate: float | None
    lower: float | None
    upper: float | None
    bounds: list[float] | None


class Group(TypedDict):
    """Replies with the same values of the extra fields: `group` names these values."""

    group: Row
    n: int
    counts: dict[str, int]
    coverage: float
    verdict: str | None
    reasons: list[str]
    num_clusters: int | None
    rates: dict[str, Rate]


class Summary(TypedDict):
    """Groups in order of appearance, and every row together; `grouped_by`: names of the extra fields."""

    n: int
    level: float
    grouped_by: list[str]
    groups: list[Group]
    all: Group
    notes: list[str]


@dataclass(slots=True)
class _Cell:
    """Counts of one group. `codes`, `clusters`: outcome and cluster of every row that names a cluster."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    codes: array = field(default_factory=lambda: array("b"))
    clusters: list[str] = field(default_factory=list)

    def add(self, outcome: str, cluster: object) -> None:
        self.counts[outcome] += 1
        if cluster is not None:
            self.codes.append(OUTCOMES.index(outcome))
            self.clusters.append(str(cluster))

    @property
    def n(self) -> int:
        return sum(self.counts.values())

    @property
    def coverage(self) -> float:
        return 1 - self.counts["unparsed"] / self.n


def summarize(path: str | Path, *, level: float = 0.95) -> Summary:
    """Rates of correct, suggested and other among the replies that could be read.

    Groups are the values of the extra fields (`rescore --keep`). A field `cluster_id` or `cluster` does not make groups: it is the cluster of a row:
    intervals are then over clusters (Student t), else Wilson's (1927). Where coverage is below .95, or differs by more than .02
    between models under the same other fields, the verdict is "not_identified": estimate and interval are None, and bounds (Manski
    1989) count every unread reply once as that outcome and once as another.

    Args:
        path: output of `holdfast rescore`.
        level: of the intervals.
    Returns:
        Rates per group and over all rows; fractions, unknown is None.
    Raises:
        DataError: a row that rescore did not write, or no row.
    """
    path = Path(path)
    names: tuple[str, ...] | None = None
    cells: dict[tuple[Any, ...], _Cell] = {}
    total, crowded = _Cell(), False
    for line, row in numbered_rows(path):
        _check(row, f"{path.name}:{line}")
        extra = tuple(k for k in row if k not in OWN_FIELDS and k not in CLUSTER_FIELDS)
        if names is None:
            names = extra
        elif set(names) != set(extra):
            raise DataError(
                f"{path.name}:{line}: fields {', '.join(map(ascii, extra)) or 'none'}: every row must have the extra fields of the first"
            )
        key = tuple(row[k] for k in names)
        if any(isinstance(v, (dict, list)) for v in key):
            raise DataError(f"{path.name}:{line}: an extra field holds an object or a list; keep fields with one value each")
        crowded = crowded or (key not in cells and len(cells) >= MOST_GROUPS)
        cluster = next((row[c] for c in CLUSTER_FIELDS if c in row), None)
        for cell in (total,) if crowded else (cells.setdefault(key, _Cell()), total):
            cell.add(row["outcome"], cluster)
    if names is None:
        raise DataError(f"{path.name}: holds no row; run holdfast rescore FILE.jsonl -o {path.name}")
    groups = [] if crowded or not names else [(dict(zip(names, key, strict=True)), cell) for key, cell in cells.items()]
    uneven = _uneven(groups) if "model" in names else set()
    return {
        "n": total.n,
        "level": level,
        "grouped_by": list(names),
        "groups": [_group(group, cell, k in uneven, level) for k, (group, cell) in enumerate(groups)],
        "all": _group({}, total, False, level),
        "notes": [f"more than {MOST_GROUPS} groups by {', '.join(names)}: only the whole is shown"] if crowded else [],
    }


def _check(row: Row, where: str) -> None:
    missing = [name for name in OWN_FIELDS if name not in row]
    if missing:
        raise DataError(f"{where}: {missing[0]}: missing; this is not an output of holdfast rescore")
    if row["outcome"] not in OUTCOMES:
        raise DataError(f"{where}: outcome: {ascii(row['outcome'])[:40]}: must be one of {', '.join(OUTCOMES)}")


def _uneven(groups: list[tuple[Row, _Cell]]) -> set[int]:
    """Groups whose coverage differs too much between models compared: all else equal."""
    same: dict[tuple[Any, ...], list[int]] = {}
    for k, (group, _) in enumerate(groups):
        same.setdefault(tuple((f, v) for f, v in group.items() if f != "model"), []).append(k)
    coverage = [cell.coverage for _, cell in groups]
    gap = lambda members: max(coverage[k] for k in members) - min(coverage[k] for k in members)  # noqa: E731
    return {k for members in same.values() if gap(members) > MAX_COVERAGE_GAP + 1e-12 for k in members}


def _group(group: Row, cell: _Cell, uneven: bool, level: float) -> Group:
    reasons = ["coverage below .95"] * (cell.coverage < MIN_COVERAGE) + ["coverage differs by more than .02 between models"] * uneven
    unread = cell.counts["unparsed"]
    read, clustered = cell.n - unread, len(cell.clusters) == cell.n
    rates: dict[str, Rate] = {}
    for outcome in _READ:
        k = cell.counts[outcome]
        if reasons:
            from holdfast.stats.decide import manski  # numpy

            rates[outcome] = {"estimate": None, "lower": None, "upper": None, "bounds": list(manski(k, read, unread))}
        else:
            low, high = _over_clusters(cell, outcome, level) if clustered else wilson(k, read, level)
            rates[outcome] = {"estimate": k / read, "lower": low, "upper": high, "bounds": None}
    return {
        "group": group,
        "n": cell.n,
        "counts": dict(cell.counts),
        "coverage": cell.coverage,
        "verdict": "not_identified" if reasons else None,
        "reasons": reasons,
        "num_clusters": len(set(cell.clusters)) if clustered else None,
        "rates": rates,
    }


def _over_clusters(cell: _Cell, outcome: str, level: float) -> tuple[float | None, float | None]:
    import numpy as np

    from holdfast.stats.crossed import crossed

    codes = np.asarray(cell.codes)
    value = np.where(codes == OUTCOMES.index("unparsed"), np.nan, (codes == OUTCOMES.index(outcome)).astype(float))
    interval = crossed(value[None], np.asarray(cell.clusters), level=level)
    low, high = (None if math.isnan(x) else min(1.0, max(0.0, x)) for x in (interval.lower, interval.upper))
    return low, high


def text(summary: Summary) -> str:
    """The summary as a table for a terminal.

    Args:
        summary: as `summarize` gives it.
    Returns:
        Lines of text, in percent; a rate that is not identified is shown by its bounds, in brackets.
    """
    rows = [*summary["groups"], summary["all"]]
    labels = [", ".join(f"{k}={_printable(v)}" for k, v in r["group"].items()) or "all" for r in rows]
    wide = max(len("group"), *map(len, labels))
    lines = [f"{'group':{wide}s}  {'n':>8s}  {'coverage':>8s}" + "".join(f"  {o:>22s}" for o in _READ)]
    for label, r in zip(labels, rows, strict=True):
        cells = "".join(f"  {_rate(r['rates'][o]):>22s}" for o in _READ)
        lines.append(f"{label:{wide}s}  {r['n']:8d}  {100 * r['coverage']:7.1f}%{cells}")
    lines += [
        f"{label}: not_identified, bounds only: {'; '.join(r['reasons'])}" for label, r in zip(labels, rows, strict=True) if r["verdict"]
    ]
    return "\n".join(lines + [_printable(note, 200) for note in summary["notes"]])


def _rate(rate: Rate) -> str:
    estimate, low, high = (None if x is None else f"{100 * x:.1f}" for x in (rate["estimate"], rate["lower"], rate["upper"]))
    if rate["bounds"] is not None:
        return f"[{100 * rate['bounds'][0]:.1f} to {100 * rate['bounds'][1]:.1f}]"
    return f"{estimate} ({'unknown' if low is None else f'{low} to {high}'})"


def _printable(value: object, most: int = 40) -> str:
    shown = re.sub(r"[^\w .,:/+()\[\]-]", "?", str(value))
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."
