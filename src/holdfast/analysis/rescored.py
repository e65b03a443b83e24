"""Output of `holdfast rescore` -> outcome rates with intervals, coverage, and bounds where replies could not be read."""

from __future__ import annotations

import math
import re
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError, DataError
from holdfast.parsing.outcome import OUTCOMES
from holdfast.parsing.rows import OWN_FIELDS, numbered_rows

LEAST_COVERAGE, MOST_DIFFERENCE = 0.95, 0.02
CLUSTER_FIELDS = ("cluster_id", "cluster")
MOST_GROUPS = 1000
_READ = OUTCOMES[:3]


@dataclass(slots=True)
class _Cell:
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    codes: array = field(default_factory=lambda: array("b"))
    clusters: list[Any] = field(default_factory=list)


def is_rescored(path: Path) -> bool:
    """The file's first row has the fields `holdfast rescore` writes."""
    try:
        return all(name in row for name in OWN_FIELDS) if (row := next(numbered_rows(path), (0, None))[1]) else False
    except (ConfigError, DataError):
        return False


def summarise(path: str | Path, *, level: float = 0.95) -> dict[str, Any]:
    """Rates of correct, suggested and other among the replies that could be read; fractions, unknown is None.

    {"n", "level", "grouped_by", "groups": [{"group": {field: value}, "n", "counts", "coverage", "verdict", "reasons", "num_clusters",
    "rates": {outcome: {"estimate", "lower", "upper", "bounds"}}}], "all": the same over every row, "notes"}. Groups are the values of the
    extra fields (`rescore --keep`), in order of appearance; a field `cluster_id` or `cluster` is no group but the cluster of a row,
    and intervals are then over clusters (Student t), else Wilson's (1927). Where coverage is below .95, or differs by more than .02
    between models under the same other fields, the verdict is "not_identified": estimate and interval are None and bounds (Manski
    1989) count every unread reply once as that outcome and once as another. Raises DataError for a row that rescore did not write.
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
        if key not in cells and len(cells) >= MOST_GROUPS:
            crowded = True
        cluster = next((row[c] for c in CLUSTER_FIELDS if c in row), None)
        for cell in (total,) if crowded else (cells.setdefault(key, _Cell()), total):
            cell.counts[row["outcome"]] += 1
            if cluster is not None:
                cell.codes.append(OUTCOMES.index(row["outcome"]))
                cell.clusters.append(cluster)
    if names is None:
        raise DataError(f"{path.name}: holds no row; run holdfast rescore FILE.jsonl -o {path.name}")
    by_group = {} if crowded or not names else cells
    groups = [{"group": dict(zip(names, key, strict=True)), **_facts(cell)} for key, cell in by_group.items()]
    uneven = _uneven(groups) if "model" in names else set()
    every = [_measured(g, cell, k in uneven, level) for k, (g, cell) in enumerate(zip(groups, cells.values(), strict=False))]
    whole = _measured({"group": {}, **_facts(total)}, total, False, level)
    notes = [f"more than {MOST_GROUPS} groups by {', '.join(names)}: only the whole is shown"] if crowded else []
    return {"n": whole["n"], "level": level, "grouped_by": list(names), "groups": every, "all": whole, "notes": notes}


def _check(row: dict[str, Any], where: str) -> None:
    missing = [name for name in OWN_FIELDS if name not in row]
    if missing:
        raise DataError(f"{where}: {missing[0]}: missing; this is no output of holdfast rescore")
    if row["outcome"] not in OUTCOMES:
        raise DataError(f"{where}: outcome: {ascii(row['outcome'])[:40]}: must be one of {', '.join(OUTCOMES)}")


def _facts(cell: _Cell) -> dict[str, Any]:
    n = sum(cell.counts.values())
    return {"n": n, "counts": dict(cell.counts), "coverage": 1 - cell.counts["unparsed"] / n}


def _uneven(groups: list[dict[str, Any]]) -> set[int]:
    """Groups whose coverage differs too much between models compared: all else equal."""
    same: dict[tuple[Any, ...], list[int]] = {}
    for k, g in enumerate(groups):
        same.setdefault(tuple((f, v) for f, v in g["group"].items() if f != "model"), []).append(k)
    out: set[int] = set()
    for members in same.values():
        coverage = [groups[k]["coverage"] for k in members]
        if max(coverage) - min(coverage) > MOST_DIFFERENCE + 1e-12:
            out.update(members)
    return out


def _measured(facts: dict[str, Any], cell: _Cell, uneven: bool, level: float) -> dict[str, Any]:
    from holdfast.stats.decide import manski

    reasons = ["coverage below .95"] * (facts["coverage"] < LEAST_COVERAGE) + ["coverage differs by more than .02 between models"] * uneven
    read = facts["n"] - facts["counts"]["unparsed"]
    clustered = len(cell.clusters) == facts["n"]
    rates = {}
    for outcome in _READ:
        k = facts["counts"][outcome]
        if reasons:
            low, high = manski(k, read, facts["counts"]["unparsed"])
            rates[outcome] = {"estimate": None, "lower": None, "upper": None, "bounds": [low, high]}
        else:
            low, high = _over_clusters(cell, outcome, level) if clustered else _wilson(k, read, level)
            rates[outcome] = {"estimate": k / read, "lower": low, "upper": high, "bounds": None}
    return facts | {
        "verdict": "not_identified" if reasons else None,
        "reasons": reasons,
        "num_clusters": len(set(map(str, cell.clusters))) if clustered else None,
        "rates": rates,
    }


def _wilson(k: int, n: int, level: float) -> tuple[float, float]:
    from scipy import stats

    found = stats.binomtest(k, n).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)


def _over_clusters(cell: _Cell, outcome: str, level: float) -> tuple[float | None, float | None]:
    import numpy as np

    from holdfast.stats.crossed import crossed

    codes = np.asarray(cell.codes)
    value = np.where(codes == OUTCOMES.index("unparsed"), np.nan, (codes == OUTCOMES.index(outcome)).astype(float))
    found = crossed(value[None], np.asarray(list(map(str, cell.clusters))), level=level)
    return tuple(None if math.isnan(x) else min(1.0, max(0.0, x)) for x in (found.lower, found.upper))  # type: ignore[return-value]


def text(summary: dict[str, Any]) -> str:
    """The summary as a table for a terminal, in percent; a rate that is not identified is shown by its bounds, in brackets."""
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


def _rate(rate: dict[str, Any]) -> str:
    if rate["bounds"] is not None:
        return f"[{100 * rate['bounds'][0]:.1f} to {100 * rate['bounds'][1]:.1f}]"
    if rate["lower"] is None:
        return f"{100 * rate['estimate']:.1f} (unknown)"
    return f"{100 * rate['estimate']:.1f} ({100 * rate['lower']:.1f} to {100 * rate['upper']:.1f})"


def _printable(value: Any, most: int = 40) -> str:
    shown = re.sub(r"[^\w .,:/+()\[\]-]", "?", str(value))
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."
