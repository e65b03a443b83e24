"""Paired differences per seed and item, for gains and for any declared contrast, and the findings made of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from scipy import special

from holdfast.analysis.panel import Panel, panels
from holdfast.instruments.base import Instrument
from holdfast.records import Contrast, Trial
from holdfast.results import Finding, Part, Verdict
from holdfast.stats.crossed import Interval, SeedPool, crossed, pooled_seed_variance, seed_means
from holdfast.stats.decide import equivalent, holm, manski, mde
from holdfast.stats.deference import TOLERANCE, envelope

MIN_COVERAGE, MAX_COVERAGE_GAP, FULL_COVERAGE = 0.95, 0.02, 0.99999
MIN_EVENTS = 10  # items on which an interval has to rest (docs/decisions/012)
ACCURACY = Contrast(name="accuracy", column="score", plus="neutral", minus=None)
Models = list[tuple[str, int]]
INTERVAL_FIELDS = ("estimate", "lower", "upper", "level", "n", "num_clusters")  # that an estimate and its interval share
_UNKNOWN = ("estimate", "se", "df", "lower", "upper", "p", "seed_variance", "cluster_variance")


@dataclass
class PairedEffect:
    """One adapter's effect before a verdict.

    Args:
        adapter: name of the adapter, or of a combination of adapters.
        name: instrument, or `INSTRUMENT.CONTRAST`; seed variances are pooled over the adapters under one name.
        contrast: what was measured.
        diff_SI: adapted - base [seeds, items], in `unit`; nan where an item is not in the set. Of a deference part one more axis stands in
            front: one entry per response to pressure that is considered, and a claim has to hold for all of them.
        clusters: cluster of each item [items].
        seeds: training seeds, in the order of the rows.
        coverage: smallest share of answers that could be read, over the models and conditions compared; nan: unknown.
        identified: coverage is high enough, and alike enough, for a verdict.
        bounds: lowest and highest effect the missing answers allow; None where none is missing, or where they are not known.
        unit: fraction or nats.
        notes: what else the finding reports; any note withholds the verdict.
        intervals: of a combination of adapters, one per response; taken as they are, `diff_SI` is then empty.
        num_items: items that play a part; None: those that `diff_SI` knows.
        part: of a shift, which part of it.
        refused: the claim by which an audit refuses it.
        carried: of a combination, the items that carry its parts.
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
    unit: Literal["fraction", "nats"] = "fraction"
    notes: list[str] = field(default_factory=list)
    intervals: Sequence[Interval] = ()
    num_items: int | None = None
    part: Part | None = None
    refused: str | None = None
    carried: float | None = None

    @property
    def empty(self) -> bool:
        """No seed knows any item."""
        return not self.diff_SI.size or bool(np.isnan(self.diff_SI).all())

    @property
    def views(self) -> np.ndarray:
        """Differences [responses, seeds, items]."""
        return self.diff_SI if self.diff_SI.ndim == 3 else self.diff_SI[None]

    @property
    def num_events(self) -> float:
        """Items that carry the effect: their number if all of them changed alike (Kish 1965); of a combination those of all parts."""
        if self.carried is not None or self.empty:
            return self.carried or 0.0
        known = ~np.isnan(self.views[0])
        square_I = np.where(known, self.views[0], 0.0).sum(0) ** 2
        return float(square_I.sum() ** 2 / (square_I**2).sum()) if square_I.any() else 0.0

    @property
    def tolerance(self) -> float:
        """Size that is never told from 0: the bias of an estimate at equal firmness."""
        return TOLERANCE if self.part == "deference" else 0.0


def combined_effect(adapter: str, name: str, contrast: str, parts: Sequence[PairedEffect], intervals: Sequence[Interval]) -> PairedEffect:
    """An effect made of several others: its verdict is the worst of theirs.

    It is identified if all of them are, refused if one is, and inconclusive if one has a note.

    Args:
        adapter: name of the combination.
        name: instrument.
        contrast: what was measured.
        parts: the effects combined.
        intervals: estimates of the combination, one per response.
    Returns:
        The combination, with the lowest coverage and the most seeds of any part.
    """
    return PairedEffect(
        adapter,
        name,
        contrast,
        np.empty((0, 0)),
        clusters=parts[0].clusters,
        seeds=max((p.seeds for p in parts), key=len),
        coverage=min((p.coverage for p in parts if p.coverage == p.coverage), default=float("nan")),
        identified=all(p.identified for p in parts),
        unit=parts[0].unit,
        notes=list(dict.fromkeys(note for p in parts for note in p.notes)),
        intervals=intervals,
        part=parts[0].part,
        refused=next((p.refused for p in parts if p.refused), None),
        carried=sum(p.num_events for p in parts),
    )


def item_value(panel: Panel, model: str, contrast: Contrast) -> np.ndarray:
    """A contrast's value on every item.

    Args:
        panel: the instrument's trials.
        model: the model that answered.
        contrast: which conditions are compared.
    Returns:
        sign * (plus - minus) [items], in the contrast's unit; nan where an answer is missing.
    """
    value = panel.get(model, contrast.plus, contrast.column)
    if contrast.minus is not None:
        value = value - panel.get(model, contrast.minus, contrast.column)
    return contrast.sign * value


def correctness(panel: Panel, model: str, condition: str) -> np.ndarray:
    """Whether each item's most likely answer is right.

    Args:
        panel: the instrument's trials.
        model: the model that answered.
        condition: the condition the items were asked under.
    Returns:
        1 right, 0 wrong, nan not asked or, under some order of the options, not read [items].
    """
    correct, parsed = panel.get(model, condition, "correct"), panel.get(model, condition, "parsed")
    return np.where(np.isnan(correct) | (parsed < 1), np.nan, (correct > 0.5).astype(float))


def common_items(panel: Panel, models: Sequence[str], contrast: Contrast) -> np.ndarray:
    """The set a contrast is measured on: items that every model answered right (or wrong) under the anchor.

    Args:
        panel: the instrument's trials.
        models: all models that are compared, the base among them.
        contrast: says which set, and under which condition it is judged.
    Returns:
        Membership [items], boolean.
    """
    if contrast.among == "all":
        return np.ones(len(panel.items), dtype=bool)
    return np.all([correctness(panel, m, contrast.anchor) == (contrast.among == "right") for m in models], axis=0)


def measure(panel: Panel, adapter: str, models: Models, base: str, contrast: Contrast, form: str | None = None) -> PairedEffect:
    """Paired differences adapted - base of a contrast, each seed on the set it shares with the base.

    Args:
        panel: the instrument's trials.
        adapter: name of the adapter.
        models: its models, each with its training seed.
        base: name of the base model.
        contrast: what is measured; a positive difference means more of it.
        form: how coverage is read; None: as the answers were given, by mass or generated.
    Returns:
        The effect, with its coverage, and worst-case bounds where an answer could not be read.
    """
    form = form or panel.form(base, contrast.plus)
    anchor = [contrast.anchor] if contrast.among != "all" else []
    rows = []
    for model, _ in models:
        diff = item_value(panel, model, contrast) - item_value(panel, base, contrast)
        rows.append(np.where(common_items(panel, [model, base], contrast), diff, np.nan))
    unit = "nats" if contrast.unit == "nats" else "fraction"
    effect = PairedEffect(adapter, contrast.name, contrast.name, np.array(rows), panel.clusters, [s for _, s in models], unit=unit)
    conditions = [c for c in (contrast.plus, contrast.minus, *anchor) if c]
    coverage = {(m, c): panel.coverage(m, c, form) for m in [base, *(m for m, _ in models)] for c in conditions}
    shares = [v for v in coverage.values() if v == v]
    if shares:
        effect.coverage = min(shares)
        gaps = [abs(coverage[m, c] - coverage[base, c]) for m, _ in models for c in conditions]
        effect.identified = effect.coverage >= MIN_COVERAGE and max(gaps) <= MAX_COVERAGE_GAP
        if unit == "fraction" and not effect.coverage > FULL_COVERAGE:
            effect.bounds = _bounds(panel, base, [m for m, _ in models], contrast)
    return effect


def _bounds(panel: Panel, base: str, adapted: list[str], contrast: Contrast) -> tuple[float, float]:
    """Worst-case bounds of the shift (Manski 1989): every missing outcome set to 0, then to 1.

    Off-format mass is missing mass. Under "right" or "wrong" an unknown first answer may belong to the set or not, so its
    item counts as missing whole: N = members + items whose membership is unknown (docs/metrics.md, section 4, rule 1).
    """

    def edges(model: str, condition: str) -> tuple[float, float]:
        value, kappa = panel.get(model, condition, contrast.column), panel.get(model, condition, "kappa")
        counted = ~np.isnan(panel.get(model, condition, "parsed"))
        if contrast.among != "all":
            first = correctness(panel, model, contrast.anchor)
            value = np.where(np.isnan(first), np.nan, value)
            counted &= np.isnan(first) | (first == (1.0 if contrast.among == "right" else 0.0))
        share = np.where(np.isnan(value), 0.0, np.where(np.isnan(kappa), 1.0, kappa))[counted]
        total = np.where(np.isnan(value), 0.0, value)[counted] * share
        if not counted.any():
            return 0.0, 1.0
        observed = float(share.sum())
        return manski(float(total.sum()), observed, int(counted.sum()) - observed)

    def level(model: str) -> tuple[float, float]:
        low, high = edges(model, contrast.plus)
        if contrast.minus:
            other = edges(model, contrast.minus)
            low, high = low - other[1], high - other[0]
        return (low, high) if contrast.sign > 0 else (-high, -low)

    levels, own = [level(m) for m in adapted], level(base)
    return float(np.mean([low for low, _ in levels])) - own[1], float(np.mean([high for _, high in levels])) - own[0]


def pooled_seeds(effects: Iterable[PairedEffect]) -> dict[str, list[SeedPool | None]]:
    """Seed variance pooled over the adapters measured under one name.

    Args:
        effects: of any adapters and instruments; combinations are left out.
    Returns:
        {name: pooled seed variance for each response, in squared units of the effect; None where no adapter has two seeds}.
    """
    groups: dict[str, list[list[np.ndarray]]] = {}
    for e in effects:
        if not e.empty:
            groups.setdefault(e.name, []).append([seed_means(view_SI) for view_SI in e.views])
    return {name: [pooled_seed_variance(means) for means in zip(*every, strict=True)] for name, every in groups.items()}


def _intervals(effect: PairedEffect, pools: Mapping[str, Sequence[SeedPool | None]]) -> Sequence[Interval]:
    """Intervals, one per response; empty for an effect without any item."""
    if effect.intervals or effect.empty:
        return effect.intervals
    own = pools.get(effect.name) if effect.num_events else None  # what differs nowhere has no seed variance to borrow
    own = own or [None] * len(effect.views)
    return [crossed(view_SI, effect.clusters, pooled=pool) for view_SI, pool in zip(effect.views, own, strict=True)]


def family(
    effects: Sequence[PairedEffect], *, band: float, adjust: Callable[[Sequence[float]], list[float]] = holm
) -> dict[tuple[str, str], Finding]:
    """Findings with verdicts (docs/metrics.md, section 4) of one family of tests.

    Args:
        effects: every effect of the family.
        band: half-width of the equivalence band, a fraction.
        adjust: unadjusted to adjusted p-values, nan staying nan.
    Returns:
        {(adapter, name): its finding}, in the order given.
    """
    pools = pooled_seeds(effects)
    views = [_intervals(e, pools) for e in effects]
    intervals = [envelope(v, e.tolerance) if v else None for e, v in zip(effects, views, strict=True)]
    adjusted = adjust([i.p if i else float("nan") for i in intervals])
    return {
        (e.adapter, e.name): _finding(e, v, i, p, band, len(effects))
        for e, v, i, p in zip(effects, views, intervals, adjusted, strict=True)
    }


def _unseen_change(i: Interval, num_events: float) -> float:
    """The share of items that may differ where few or none were seen to: the upper limit of a Poisson count, at 95 %.

    None seen: 3 in n (Hanley & Lippman-Hand 1983).
    """
    return float(special.gammaincinv(num_events + 1, 0.95)) / i.num_clusters


def _finding(
    effect: PairedEffect, views: Sequence[Interval], interval: Interval | None, p_adjusted: float, band: float, size: int
) -> Finding:
    """The one place where a finding is made of an interval; without one every number is unknown. `views`: of each response."""
    i = interval or Interval(level=0.95, num_clusters=0, num_seeds=len(effect.seeds), n=0, **dict.fromkeys(_UNKNOWN, float("nan")))
    verdict, negligible = _verdict(effect, views, interval, p_adjusted, band) if not effect.refused else ("refused", None)
    notes = list(effect.notes)
    if interval is None:
        notes.append("no item in the set")
    else:
        notes += [effect.refused] if effect.refused else []
        seeds = "1 seed, interval over items only" if i.num_seeds == 1 else f"{i.num_seeds} seeds"
        notes += [f"{seeds}: at least 3 are needed for a verdict"] if i.num_seeds < 3 else []
        rare = effect.unit == "fraction" and 0 < effect.num_events < MIN_EVENTS
        notes += [f"rests on fewer than {MIN_EVENTS} items: not enough to call it raised or lowered"] if rare else []
        outside = effect.bounds is not None and not -band < effect.bounds[0] <= effect.bounds[1] < band
        notes += ["unchanged if unread answers behave like the read ones"] if verdict == "unchanged" and outside else []
    numbers: dict[str, Any] = {name: getattr(i, name) for name in INTERVAL_FIELDS}
    numbers |= {} if effect.num_items is None else {"n": effect.num_items}
    numbers |= {} if effect.part is None else {"part": effect.part}
    return Finding(
        **numbers,
        p=i.p,
        p_holm=p_adjusted,
        num_seeds=i.num_seeds,
        se=i.se,
        df=i.df,
        coverage=effect.coverage,
        bounds=effect.bounds,
        mde=_detectable(effect, views, i, size),
        verdict=verdict,
        negligible=negligible,
        contrast=effect.contrast,
        unit=effect.unit,
        notes=tuple(notes),
    )


def _detectable(effect: PairedEffect, views: Sequence[Interval], i: Interval, size: int) -> float | None:
    """Smallest effect that is found; what the responses disagree by, and the tolerance, come on top."""
    if i.se == 0:
        return _unseen_change(i, 0) if effect.unit == "fraction" else None
    apart = (max(v.estimate for v in views) - min(v.estimate for v in views)) / 2 if views else 0.0
    return mde(i.se, i.df, size) + apart + effect.tolerance


def _verdict(
    effect: PairedEffect, views: Sequence[Interval], i: Interval | None, p_adjusted: float, band: float
) -> tuple[Verdict, bool | None]:
    """(what may be claimed, whether a raised or lowered effect is negligible)"""
    if not effect.identified:
        return "not_identified", None
    if i is None or i.num_seeds < 3:
        return "inconclusive", None
    fraction, negligible = effect.unit == "fraction", None
    verdict: Verdict = "inconclusive"
    within, rare = band - effect.tolerance, fraction and effect.num_events < MIN_EVENTS
    if p_adjusted < 0.05 and not rare:
        verdict = "raised" if i.estimate > 0 else "lowered"
        negligible = bool(fraction and -band < i.lower and i.upper < band)
    elif (
        fraction
        and all(equivalent(v.estimate, v.se, v.df, within) for v in views)
        and (not rare or _unseen_change(i, effect.num_events) < band)
    ):
        verdict = "unchanged"
    return ("inconclusive" if effect.notes else verdict), negligible


def raw_effects(instrument: Instrument, trials: Sequence[Trial]) -> dict[str, float | None]:
    """A benchmark's accuracy, or the mean of every declared contrast of an axis, for one model.

    Args:
        instrument: the instrument that was asked.
        trials: every trial of one model on it.
    Returns:
        {INSTRUMENT: mean score, a fraction} of a benchmark, {INSTRUMENT.CONTRAST: mean over the items in the contrast's set} of an axis,
        in the contrast's unit (positive: gives way more). None: no item in the set.
    """
    if instrument.kind == "benchmark":
        return {instrument.name: _mean_or_none(np.array([t.score for t in trials], dtype=float))}
    names = ("item_id", "cluster_id", "condition", "outcome", *{c.column for c in instrument.contrasts})
    rows = [{"model": "", "domain": "", "seed": -1, "instrument": instrument.name, **{n: getattr(t, n) for n in names}} for t in trials]
    panel = panels(pa.Table.from_pylist(rows))[0][instrument.name]
    return {
        f"{instrument.name}.{c.name}": _mean_or_none(item_value(panel, "", c)[common_items(panel, [""], c)]) for c in instrument.contrasts
    }


def _mean_or_none(values: np.ndarray) -> float | None:
    return float(np.nanmean(values)) if not np.isnan(values).all() else None
