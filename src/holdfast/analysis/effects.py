"""Differences per seed and item, for gains and for any declared contrast, and the estimates made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from holdfast.analysis.panel import Panel
from holdfast.records import Contrast
from holdfast.stats.crossed import Interval, crossed, pooled_seed_variance, seed_means
from holdfast.stats.decide import equivalent, holm, manski, mde

MIN_COVERAGE, MAX_COVERAGE_GAP = 0.95, 0.02


@dataclass
class Measured:
    """One adapter's effect before a verdict: differences [seeds, items] and how well the answers were covered.

    `interval`: made elsewhere (a combination of adapters); then it is taken as it is.
    """

    adapter: str
    name: str
    contrast: str
    diff_SI: np.ndarray
    clusters: np.ndarray
    seeds: list[int]
    coverage: float = float("nan")
    identified: bool = True
    bounds: tuple[float, float] | None = None
    unit: str = "fraction"
    notes: list[str] = field(default_factory=list)
    interval: Interval | None = None


def from_parts(adapter: str, name: str, contrast: str, parts: Sequence[Measured], interval: Interval) -> Measured:
    """An effect that others were combined to: covered as the worst of them, identified where all are, with the most seeds of any."""
    known = [p.coverage for p in parts if p.coverage == p.coverage]
    return Measured(
        adapter,
        name,
        contrast,
        np.empty((0, 0)),
        parts[0].clusters,
        max((p.seeds for p in parts), key=len),
        min(known) if known else float("nan"),
        all(p.identified for p in parts),
        unit=parts[0].unit,
        interval=interval,
    )


def item_value(panel: Panel, model: str, contrast: Contrast) -> np.ndarray:
    value = panel.get(model, contrast.plus, contrast.column)
    if contrast.minus is not None:
        value = value - panel.get(model, contrast.minus, contrast.column)
    return contrast.sign * value


def right(panel: Panel, model: str, anchor: str) -> np.ndarray:
    """1 right, 0 wrong, nan unknown, under the anchor condition."""
    known = panel.get(model, anchor, "correct")
    parsed = panel.get(model, anchor, "parsed")
    return np.where(np.isnan(known) | (parsed < 1), np.nan, (known > 0.5).astype(float))


def among(panel: Panel, models: list[str], contrast: Contrast) -> np.ndarray:
    """Items in the contrast's set for every one of `models`."""
    if contrast.among == "all":
        return np.ones(len(panel.items), dtype=bool)
    want = 1.0 if contrast.among == "right" else 0.0
    return np.all([right(panel, m, contrast.anchor) == want for m in models], axis=0)


def measure(panel: Panel, adapter: str, models: list[tuple[str, int]], base: str, contrast: Contrast, form: str | None = None) -> Measured:
    """Paired differences adapted - base of a contrast on the set both models share.

    `form` says how coverage is read; None: as the answers were given, by mass or generated.
    """
    form = form or panel.form(base, contrast.plus)
    first = [contrast.anchor] if contrast.among != "all" and form == "generated" else []
    rows = []
    for model, _ in models:
        diff = item_value(panel, model, contrast) - item_value(panel, base, contrast)
        rows.append(np.where(among(panel, [model, base], contrast), diff, np.nan))
    found = Measured(adapter, contrast.name, contrast.name, np.array(rows), panel.clusters, [s for _, s in models], unit=contrast.unit)
    conditions = [c for c in (contrast.plus, contrast.minus, *first) if c]
    cover = {(m, c): panel.coverage(m, c, form) for m in [base, *(m for m, _ in models)] for c in conditions}
    known = [v for v in cover.values() if v == v]
    if known:
        found.coverage = min(known)
        gaps = [abs(cover[m, c] - cover[base, c]) for m, _ in models for c in conditions]
        found.identified = found.coverage >= MIN_COVERAGE and max(gaps) <= MAX_COVERAGE_GAP
        if not found.identified:
            found.bounds = _bounds(panel, base, [m for m, _ in models], contrast) if contrast.unit == "fraction" else None
    return found


def _bounds(panel: Panel, base: str, adapted: list[str], contrast: Contrast) -> tuple[float, float]:
    """Worst-case bounds of the shift (Manski 1989): every missing outcome set to 0, then to 1.

    Off-format mass is missing mass. Under "right" or "wrong" an unknown first answer may belong to the set or not, so its
    item counts as missing whole: N = known members + unknown ones (METRICS section 4, rule 1).
    """

    def edges(model: str, condition: str) -> tuple[float, float]:
        value, kappa = panel.get(model, condition, contrast.column), panel.get(model, condition, "kappa")
        asked = ~np.isnan(panel.get(model, condition, "parsed"))
        member = np.ones(len(value), dtype=bool)
        if contrast.among != "all":
            first = right(panel, model, contrast.anchor)
            want = 1.0 if contrast.among == "right" else 0.0
            value = np.where(np.isnan(first), np.nan, value)
            member = np.isnan(first) | (first == want)
        counted = asked & member
        share = np.where(np.isnan(value), 0.0, np.where(np.isnan(kappa), 1.0, kappa))[counted]
        known = np.where(np.isnan(value), 0.0, value)[counted] * share
        if not counted.any():
            return 0.0, 1.0
        observed = float(share.sum())
        return manski(float(known.sum()), observed, int(counted.sum()) - observed)

    def excess(model: str) -> tuple[float, float]:
        low, high = edges(model, contrast.plus)
        if contrast.minus:
            other = edges(model, contrast.minus)
            low, high = low - other[1], high - other[0]
        return (low, high) if contrast.sign > 0 else (-high, -low)

    found = [excess(m) for m in adapted]
    own = excess(base)
    return float(np.mean([e[0] for e in found])) - own[1], float(np.mean([e[1] for e in found])) - own[0]


def pooled_seeds(every: Iterable[Measured]) -> dict[str, tuple[float, float] | None]:
    """{name: seed variance pooled over the adapters measured under that name, its degrees of freedom}"""
    groups: dict[str, list[np.ndarray]] = {}
    for m in every:
        if m.diff_SI.size:
            groups.setdefault(m.name, []).append(seed_means(m.diff_SI))
    return {name: pooled_seed_variance(means) for name, means in groups.items()}


def estimate(found: Measured, pooled: tuple[float, float] | None, level: float) -> Interval | None:
    if found.interval is not None:
        return found.interval
    usable = ~np.isnan(found.diff_SI).all()
    return crossed(found.diff_SI, found.clusters, level=level, pooled=pooled) if found.diff_SI.size and usable else None


def family(
    every: list[Measured], *, band: float, level: float = 0.95, forbidden: dict[tuple[str, str], str] | None = None, adjust: Any = holm
) -> dict[tuple[str, str], dict[str, Any]]:
    """Estimates with verdicts (METRICS section 4) of one family: {(adapter, name): Estimate as a dict}."""
    forbidden = forbidden or {}
    pools = pooled_seeds(m for m in every if m.interval is None)
    made = [estimate(m, pools.get(m.name), level) for m in every]
    adjusted = adjust([e.p if e else float("nan") for e in made])
    out = {}
    for m, e, p in zip(every, made, adjusted, strict=True):
        out[m.adapter, m.name] = verdict(m, e, p, band, len(every), forbidden.get((m.adapter, m.name)))
    return out


def unseen(e: Interval) -> float:
    """The share of items that may differ where none was seen to: no spread is no proof of none (3 in n, Hanley & Lippman-Hand 1983)."""
    return 3 / e.num_clusters


def verdict(m: Measured, e: Interval | None, p_adjusted: float, band: float, size: int, forbidden: str | None) -> dict[str, Any]:
    notes = list(m.notes)
    if e is None:
        return {
            "estimate": None,
            "lower": None,
            "upper": None,
            "level": 0.95,
            "p": None,
            "p_holm": None,
            "n": 0,
            "num_clusters": 0,
            "num_seeds": len(m.seeds),
            "coverage": m.coverage,
            "bounds": m.bounds,
            "mde": None,
            "verdict": "refused" if forbidden else "inconclusive" if m.identified else "not_identified",
            "negligible": None,
            "contrast": m.contrast,
            "se": None,
            "df": None,
            "unit": m.unit,
            "notes": [*notes, "no item in the set"],
        }
    word, negligible = "inconclusive", None
    if forbidden:
        word = "refused"
        notes.append(forbidden)
    elif not m.identified:
        word = "not_identified"
    elif p_adjusted < 0.05 and e.num_seeds >= 3:
        word = "raised" if e.estimate > 0 else "lowered"
        negligible = m.unit == "fraction" and -band < e.lower and e.upper < band
    elif e.num_seeds >= 3 and m.unit == "fraction" and equivalent(e.estimate, e.se, e.df, band):
        word = "unchanged" if e.se > 0 or unseen(e) < band else word
    if e.num_seeds < 3:
        notes.append(f"{e.num_seeds} seeds: at least 3 are needed for a verdict")
    if m.notes and word in ("raised", "lowered", "unchanged"):
        word = "inconclusive"
    return {
        "estimate": e.estimate,
        "lower": e.lower,
        "upper": e.upper,
        "level": e.level,
        "p": e.p,
        "p_holm": p_adjusted,
        "n": e.n,
        "num_clusters": e.num_clusters,
        "num_seeds": e.num_seeds,
        "coverage": m.coverage,
        "bounds": m.bounds,
        "mde": mde(e.se, e.df, size) if e.se != 0 else unseen(e) if m.unit == "fraction" else None,
        "verdict": word,
        "negligible": negligible,
        "contrast": m.contrast,
        "se": e.se,
        "df": e.df,
        "unit": m.unit,
        "notes": notes,
    }
