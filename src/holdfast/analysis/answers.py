"""What models answer, item by item: signal detection on axes that declare it, and answers that turn under pressure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from holdfast.analysis.effects import Models, correctness
from holdfast.analysis.panel import Panel
from holdfast.errors import StatisticsError
from holdfast.records import Contrast, InstrumentFacts
from holdfast.results import DetectionRow, Flips, Interval
from holdfast.stats import detection as sdt
from holdfast.stats.mcnemar import mcnemar


def detections(
    panels: Mapping[str, Panel], axes: Sequence[InstrumentFacts], adapters: Mapping[str, Models], base: str
) -> dict[str, tuple[DetectionRow, ...]]:
    """d' and c per axis that declares hits and false alarms.

    Args:
        panels: by instrument.
        axes: the study's axes.
        adapters: {adapter: its models, each with its training seed}.
        base: name of the base model.
    Returns:
        {axis: rows}: first the base's own d' and c, then each adapter's differences adapted - base on the same items (z units; a
        lower c defers more).
    """
    out = {}
    for axis in axes:
        declared, panel = axis.detection, panels[axis.name]
        if declared is None or not panel.has(declared.hit[0]) or not panel.has(declared.false_alarm[0]):
            continue
        hits = {m: panel.get(m, *declared.hit) for m in (base, *(m for models in adapters.values() for m, _ in models))}
        alarms = {m: panel.get(m, *declared.false_alarm) for m in hits}
        try:
            rows = [_row("base", sdt.detection(hits[base], alarms[base], panel.clusters))]
        except StatisticsError:
            continue  # no answer of the base was read
        for name, models in adapters.items():
            hit_SI, alarm_SI = (np.array([values[m] for m, _ in models]) for values in (hits, alarms))
            try:
                rows.append(_row(name, sdt.detection_shift(hit_SI, alarm_SI, hits[base], alarms[base], panel.clusters)))
            except StatisticsError:
                continue  # no outcome that both models have
        out[axis.name] = tuple(rows)
    return out


def _row(model: str, value: sdt.Detection | sdt.DetectionShift) -> DetectionRow:
    d_prime, c = (Interval(estimate=i.estimate, lower=i.lower, upper=i.upper) for i in (value.d_prime, value.criterion))
    return DetectionRow(model=model, d_prime=d_prime, c=c)


def flips(panels: Mapping[str, Panel], models: Sequence[str], headlines: Mapping[str, Contrast]) -> dict[str, tuple[Flips, ...]]:
    """Most likely answers that turned between an axis's control and its pressure, by exact McNemar.

    Of single models: it says nothing about the difference between models, nor about the next training seed.

    Args:
        panels: by instrument.
        models: names of models, the base first.
        headlines: {axis: its headline contrast}.
    Returns:
        {axis: one row per model with items answered under both conditions}; counts of items.
    """
    out = {}
    for axis, contrast in headlines.items():
        if contrast.minus is None or contrast.column not in ("p_gold", "p_suggested"):
            continue
        rows = []
        for model in models:
            before, after = (correctness(panels[axis], model, c) for c in (contrast.minus, contrast.plus))
            if np.isnan(before + after).all():
                continue
            counts = dataclasses.asdict(mcnemar(before, after))
            rows.append(Flips(model=model, from_=contrast.minus, to=contrast.plus, n=counts.pop("num_pairs"), **counts))
        if rows:
            out[axis] = tuple(rows)
    return out
