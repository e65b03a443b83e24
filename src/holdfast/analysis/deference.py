"""Each shift in two parts: what a change of firmness explains, and what is left at equal firmness (docs/metrics.md, section 4, rule 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from holdfast.analysis.effects import MIN_COVERAGE, Models, PairedEffect, correctness
from holdfast.analysis.panel import Panel
from holdfast.records import Contrast
from holdfast.results import SHIFT_PARTS
from holdfast.stats.deference import FIRST_OTHER, MIN_SUPPORT, Answers, Sharpness, deference, measure_sharpness

LEAST_ITEMS = 30  # that show sharpness


class SplitShift(NamedTuple):
    """A shift's two parts, or why they are not known."""

    firmness: PairedEffect | None
    deference: PairedEffect | None
    support: float  # smallest share of either model's items that are compared at equal firmness; nan: unknown
    sharpness: float  # mean over seeds of how much sharper the adapted model is than the base, a ratio; nan: unknown
    unknown: str | None  # why there are no parts


class Source(NamedTuple):
    """Where the sharpness of a study's models is read: an instrument's answers without pressure."""

    name: str
    panel: Panel
    free: str

    def measure(self, base: str, model: str) -> Sharpness:
        """Of a model against the base.

        Args:
            base: name of the base.
            model: name of the adapted model.
        Returns:
            The sharpness; nan where it does not show.
        """
        return measure_sharpness(self.panel.options(base, self.free), self.panel.options(model, self.free))


def sharpness_sources(panels: Mapping[str, Panel], headlines: Mapping[str, Contrast], base: str) -> dict[str, Source | None]:
    """For each axis the instrument that shows how sharp models are: the axis itself, else the one with most items that do.

    Args:
        panels: of the study.
        headlines: {axis: its headline}.
        base: name of the base.
    Returns:
        {axis: the source; None where no axis has options enough}.
    """
    counts: dict[str, int] = {}
    sources: dict[str, Source] = {}
    for name, contrast in headlines.items():
        if contrast.free and contrast.column != "rating":
            sources[name] = Source(name, panels[name], contrast.free)
            options_IK = panels[name].options(base, contrast.free)
            counts[name] = int((np.isfinite(options_IK[:, FIRST_OTHER:]).sum(1) > 1).sum())
    most = max(counts, key=lambda name: counts[name], default=None)
    shown = {name for name, count in counts.items() if count >= LEAST_ITEMS}
    return {name: sources[name] if name in shown else sources[most] if most in shown else None for name in headlines}


def read_answers(panel: Panel, model: str, contrast: Contrast) -> Answers | None:
    """A model's answers on an axis, with how firmly it holds each of them.

    Args:
        panel: of the axis.
        model: name of the model.
        contrast: the axis's headline, with `free`.
    Returns:
        The answers; None where they are not scored, so that firmness is not known.
    """
    free, conditions = contrast.free, [contrast.plus, *([contrast.minus] if contrast.minus else [])]
    if free is None or any(panel.form(model, c) != "mass" for c in (free, *conditions)):
        return None
    if contrast.column == "rating":  # the share of the favourable verdict, which no item is right or wrong about
        rating_I = np.clip(panel.get(model, free, "rating"), 1e-12, 1 - 1e-12)
        log_IK, target, raises = np.log(np.stack([rating_I, 1 - rating_I], axis=1)), 0, True
    else:
        log_IK, target, raises = panel.options(model, free), *((1, True) if contrast.column == "p_suggested" else (0, False))
    control = None if contrast.minus in (None, free) else panel.get(model, str(contrast.minus), contrast.column)
    everything = np.ones(len(panel.items), dtype=bool)
    counted = everything if contrast.among == "all" else correctness(panel, model, contrast.anchor) == (contrast.among == "right")
    known = ~np.isnan(log_IK[:, 0])
    if not (known & counted).any():
        return None
    return Answers(
        log_IK=log_IK,
        target=target,
        pressed_I=panel.get(model, contrast.plus, contrast.column),
        control_I=control,
        sign=1.0 if raises else -1.0,
        counted_I=counted,
    )


def split_shift(panel: Panel, source: Source | None, behaviour: PairedEffect, models: Models, base: str, contrast: Contrast) -> SplitShift:
    """Both parts of one adapter's shift on one axis.

    Args:
        panel: of the axis.
        source: where sharpness is read.
        behaviour: the shift as it was measured.
        models: the adapter's models, each with its training seed.
        base: name of the base.
        contrast: the axis's headline.
    Returns:
        The parts: behaviour = firmness + deference. Positive: gives way more; below half of common support, or where the answers without
        pressure are not covered, they are not identified.
    """
    nan = float("nan")
    own = read_answers(panel, base, contrast)
    adapted = [read_answers(panel, model, contrast) for model, _ in models]
    if own is None or any(a is None for a in adapted):
        return SplitShift(None, None, nan, nan, "firmness is not known: the probabilities of all options without pressure are needed")
    sharp = [source.measure(base, model) for model, _ in models] if source else []
    if not sharp or any(r != r for s in sharp for r in s.ratios):
        return SplitShift(
            None, None, nan, nan, "sharpness is not known: no axis has items with two options that are neither right nor suggested"
        )
    assert source is not None
    here = source.panel is panel
    parts = [deference(own, a, s, own_items=here) for a, s in zip(adapted, sharp, strict=True) if a is not None]
    diff_MSI = np.stack([p.rows_MI for p in parts], axis=1)
    support, ratio = min(p.support for p in parts), float(np.mean([np.sqrt(np.prod(s.ratios)) for s in sharp]))
    if np.isnan(diff_MSI).all(axis=(1, 2)).any():
        return SplitShift(None, None, support, ratio, "no items are held equally firmly by both models")
    free = str(contrast.free)
    covered = min(panel.coverage(m, free, "mass") for m in (base, *(m for m, _ in models)))
    clusters = panel.clusters if here else np.concatenate([panel.clusters, _group_clusters(source.panel.clusters, panel.clusters)])
    common = {
        "seeds": behaviour.seeds,
        "coverage": min(behaviour.coverage, covered),
        "identified": behaviour.identified and covered >= MIN_COVERAGE and support >= MIN_SUPPORT,
        "num_items": max(p.num_items for p in parts),
        "refused": behaviour.refused,
    }
    notes = [] if support >= MIN_SUPPORT else [f"only {100 * support:.0f} % of the items are held as firmly by the other model"]
    padding = np.full((len(models), diff_MSI.shape[2] - len(panel.items)), np.nan)
    rest_MSI = np.array([_difference(np.hstack([behaviour.diff_SI, padding]), diff_SI) for diff_SI in diff_MSI])
    made = [
        PairedEffect(behaviour.adapter, behaviour.name, behaviour.contrast, diff, clusters, notes=list(notes), part=part, **common)
        for part, diff in zip(SHIFT_PARTS[1:], (rest_MSI, diff_MSI), strict=True)
    ]
    return SplitShift(made[0], made[1], support, ratio, None)


def alike(behaviours: Sequence[PairedEffect], parts: Sequence[PairedEffect | None]) -> list[PairedEffect]:
    """Effects that may be compared: the deference parts if all are known, else the behaviours.

    Args:
        behaviours: shifts on one axis.
        parts: the deference part of each; None where it is not known.
    Returns:
        One effect each.
    """
    known = [p for p in parts if p is not None]
    return known if len(known) == len(behaviours) else list(behaviours)


def _group_clusters(cluster_I: np.ndarray, of_I: np.ndarray) -> np.ndarray:
    """Clusters of another instrument's items in as many groups as `of_I` has clusters: an interval's degrees of freedom are the axis's own."""
    _, code_I = np.unique(cluster_I, return_inverse=True)
    return np.array([f"sharpness {k % max(2, len(np.unique(of_I)))}" for k in code_I])


def _difference(one_SI: np.ndarray, other_SI: np.ndarray) -> np.ndarray:
    """One mean minus another whose items differ, as rows whose spread is the error of the difference."""

    def spread(diff_I: np.ndarray, known: np.ndarray) -> np.ndarray:
        own = np.flatnonzero(~np.isnan(diff_I))
        mean = diff_I[own].mean() if len(own) else float("nan")
        out = np.where(known, mean, np.nan)
        out[own] += (diff_I[own] - mean) * known.sum() / max(1, len(own))
        return out

    rows = []
    for one_I, other_I in zip(one_SI, other_SI, strict=True):
        known = ~np.isnan(one_I) | ~np.isnan(other_I)
        rows.append(spread(one_I, known) - spread(other_I, known))
    return np.array(rows)


def sharpness_drift(panels: Mapping[str, Panel], headlines: Mapping[str, Contrast], models: Sequence[str], base: str) -> dict[str, float]:
    """What explains the firmness part, as means over seeds; read it together with the gains.

    Args:
        panels: of the study.
        headlines: {axis: its headline}.
        models: the adapter's models.
        base: name of the base.
    Returns:
        {`AXIS.firmness`: mean change of the log-odds of the right answer without pressure, nats, on items both models answer right (of a
        verdict on all items); `AXIS.sharpness`: ratio of spreads}; nan: unknown.
    """
    out: dict[str, float] = {}
    for name, contrast in headlines.items():
        changes, ratios = [], []
        own = read_answers(panels[name], base, contrast)
        for model in models if own is not None else ():
            answers = read_answers(panels[name], model, contrast)
            if own is None or answers is None:
                continue
            both = own.counted_I & answers.counted_I
            change_I = (answers.firmness() - own.firmness())[both]
            changes.append(float(np.nanmean(change_I)) if (~np.isnan(change_I)).any() else float("nan"))
            if contrast.column != "rating":
                ratios.append(float(np.sqrt(np.prod(measure_sharpness(own.log_IK, answers.log_IK).ratios))))
        if changes:
            out[f"{name}.firmness"] = float(np.mean(changes))
        if ratios:
            out[f"{name}.sharpness"] = float(np.mean(ratios))
    return out
