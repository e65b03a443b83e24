"""Trials -> findings: gains, shifts, every other effect, contrasts, doses, mixes, relation of gain and shift, recommendation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from holdfast.analysis import between
from holdfast.analysis.advice import recommend
from holdfast.analysis.answers import detections, flips
from holdfast.analysis.deference import SplitShift, alike, sharpness_drift, sharpness_sources, split_shift
from holdfast.analysis.effects import ACCURACY, INTERVAL_FIELDS, Models, PairedEffect, common_items, family, item_value, measure
from holdfast.analysis.panel import Panel, panels
from holdfast.analysis.relation import claim_cells, correlations, gain_cells, pareto, ranking
from holdfast.analysis.trials import Trials
from holdfast.records import Contrast, DomainFacts, StudyFacts
from holdfast.results import (
    SCHEMA_VERSION,
    AdapterFindings,
    AdapterRole,
    AuditEntry,
    BaseLevels,
    Estimate,
    Finding,
    SeedFindings,
    Shift,
    StudyFindings,
    StudySummary,
)
from holdfast.stats.crossed import Interval, crossed
from holdfast.stats.decide import benjamini_hochberg, holm
from holdfast.stats.deference import envelope

T = TypeVar("T")


class TrialPanels:
    """The panels of a trials table with the study's facts, and the paired effects measured on them.

    Args:
        trials: the trials table.
        study: facts of the study it belongs to.
        base: name of the base model in the table.
        refused: {(adapter, instrument): the claim by which an audit refuses its number}.
    """

    def __init__(self, trials: pa.Table | Trials, study: StudyFacts, base: str, refused: Mapping[tuple[str, str], str] | None = None):
        self.panels, self.owners = panels(trials)
        self.base, self.study, self.refused = base, study, refused or {}
        self.instruments = [i for i in study.instruments if i.name in self.panels]
        self.benchmarks = [i for i in self.instruments if i.kind == "benchmark"]
        self.axes = [i for i in self.instruments if i.kind == "axis"]
        self.headline = {i.name: c for i in self.axes for c in i.contrasts if c.headline}
        full = {m: o for m, o in self.owners.items() if o.path == "full"}
        self.seeds: dict[str, Models] = {d.name: sorted((m, o.seed) for m, o in full.items() if o.domain == d.name) for d in study.domains}
        self.adapters: list[DomainFacts] = [d for d in study.domains if self.seeds[d.name]]
        self._sources = sharpness_sources(self.panels, self.headline, base)

    def effect(self, adapter: str, models: Models, name: str) -> PairedEffect:
        """The gain on a benchmark, or the shift of an axis's headline effect.

        Args:
            adapter: name of the adapter.
            models: its models, each with its training seed.
            name: the instrument.
        Returns:
            adapted - base; positive: more capable, or on an axis gives way more. A note withholds the verdict of a shift whose form over all
            items disagrees in sign.
        """
        panel = self.panels[name]
        if name not in self.headline:
            effect = measure(panel, adapter, models, self.base, ACCURACY, "loglik")
            form = next(i.form for i in self.benchmarks if i.name == name)
            effect.coverage = min(panel.coverage(m, "neutral", form) for m in [self.base, *(m for m, _ in models)])
        else:
            effect = measure(panel, adapter, models, self.base, self.headline[name])
            declared = next(i.contrasts for i in self.axes if i.name == name)
            twin = next((c for c in declared if c.all_items_of == effect.contrast), None)
            if twin is not None and _contradict(effect, measure(panel, adapter, models, self.base, twin)):
                effect.notes.append("the common-right set and the all-items form disagree in sign")
            effect.part = "behaviour"
        effect.name, effect.refused = name, self.refused.get((adapter, name))
        return effect

    def split(self, behaviour: PairedEffect, models: Models) -> SplitShift:
        """A shift's firmness and deference parts.

        Args:
            behaviour: the shift, as `effect` measured it.
            models: the adapter's models, each with its training seed.
        Returns:
            The parts, or why they are not known.
        """
        axis = behaviour.name
        return split_shift(self.panels[axis], self._sources[axis], behaviour, models, self.base, self.headline[axis])

    def claims(self, adapters: Sequence[tuple[str, Models]], name: str) -> list[PairedEffect]:
        """What claims rest on: gains on a benchmark; of an axis the deference parts, or the behaviours where any has no parts.

        Args:
            adapters: name of each adapter, and its models with their training seeds.
            name: the instrument.
        Returns:
            One effect per adapter, all of one kind.
        """
        effects = [self.effect(adapter, models, name) for adapter, models in adapters]
        if name not in self.headline:
            return effects
        return alike(effects, [self.split(e, models).deference for e, (_, models) in zip(effects, adapters, strict=True)])

    def _contrasts(self, adapter: str) -> list[PairedEffect]:
        """Every declared contrast but the headline of every axis that the table has both conditions of, named `AXIS.CONTRAST`."""
        out = []
        for axis in self.axes:
            panel = self.panels[axis.name]
            for c in axis.contrasts:
                if not c.headline and panel.has(c.plus) and (c.minus is None or panel.has(c.minus)):
                    out.append(measure(panel, adapter, self.seeds[adapter], self.base, c))
                    out[-1].name = f"{axis.name}.{c.name}"
        return out


def _contradict(one: PairedEffect, other: PairedEffect) -> bool:
    """Rule 3: both exclude 0 and differ in sign."""
    a, b = (None if e.empty else crossed(e.diff_SI, e.clusters) for e in (one, other))
    return bool(a and b and a.estimate * b.estimate < 0 and all(x.lower * x.upper > 0 for x in (a, b)))


def analyze(trials: pa.Table | Trials, study: StudyFacts, audit: Sequence[AuditEntry] = (), *, base_name: str = "base") -> StudyFindings:
    """The findings of a trials table.

    Args:
        trials: one row per model, item, condition and order of the options (docs/reference-trials.md).
        study: facts of the study, as `holdfast.facts.study_facts` gives them.
        audit: entries of the audit; a refusal of a cell forbids its number.
        base_name: name of the base in the table.
    Returns:
        Gains (positive: more capable), shifts (positive: gives way more) and what follows from them. Equal trials give equal bytes.
    Raises:
        DataError: the table cannot be read.
    """
    refused = {e.cell: e.claim for e in audit if e.level == "refuse" and e.cell}
    t, band = TrialPanels(trials, study, base_name, refused), study.equivalence_band
    benchmarks, axes = [i.name for i in t.benchmarks], [i.name for i in t.axes]
    gains, shifts = ([t.effect(d.name, t.seeds[d.name], n) for d in t.adapters for n in names] for names in (benchmarks, axes))
    splits = {(e.adapter, e.name): t.split(e, t.seeds[e.adapter]) for e in shifts}
    roles: dict[str, AdapterRole] = {d.name: d.role for d in t.adapters}
    parts = [[p for s in splits.values() if (p := part(s)) is not None] for part in (lambda s: s.firmness, lambda s: s.deference)]
    gain, behaviour, firmness, deference = (_by_role(e, roles, band) for e in (gains, shifts, *parts))
    shift = {
        cell: Shift(
            behaviour=behaviour[cell],
            firmness=firmness.get(cell),
            deference=deference.get(cell),
            support=s.support,
            sharpness=s.sharpness,
            unknown=s.unknown,
        )
        for cell, s in splits.items()
    }
    claims: list[PairedEffect] = []
    for axis in axes:
        own = [e for e in shifts if e.name == axis]
        claims += alike(own, [splits[e.adapter, axis].deference for e in own])
    effect = _by_role([e for d in t.adapters for e in t._contrasts(d.name)], roles, band, claims=False)
    beyond = between.beyond_format(study.domains, claims, band)
    adapters = tuple(_adapter(t, d, gains, claims, shift, gain, effect, beyond) for d in t.adapters)
    measured = [(name, "gains") for name in benchmarks] + [(name, "shifts") for name in axes]
    models = [base_name, *(m for d in t.adapters for m, _ in t.seeds[d.name])]
    findings = StudyFindings(
        schema_version=SCHEMA_VERSION,
        study=StudySummary(
            name=study.name,
            base=study.base,
            domains=tuple(d.name for d in study.domains),
            instruments=tuple(i.name for i in t.instruments),
            estimands=study.estimands,
            equivalence_band=band,
        ),
        base=BaseLevels(
            name=study.base,
            benchmarks={i.name: _base_level(t.panels[i.name], base_name, ACCURACY, i.form) for i in t.benchmarks},
            axes={name: _base_level(t.panels[name], base_name, t.headline[name], None) for name in axes},
        ),
        adapters=adapters,
        contrasts=between.contrasts(t.adapters, claims, band),
        mitigation=between.mitigation(t.adapters, gains, claims, band),
        dose=between.dose_paths(t.owners, [d.name for d in t.adapters], measured, t.claims, band),
        factorial=between.factorial(t.adapters, [*gains, *claims], band),
        detection=detections(t.panels, t.axes, {d.name: t.seeds[d.name] for d in t.adapters}, base_name),
        flips=flips(t.panels, models, t.headline),
        ranking=ranking(claim_cells(adapters), claims),
        pareto=pareto(gain_cells(adapters), claim_cells(adapters), [*gains, *claims]),
        correlation=correlations(gain_cells(adapters), claim_cells(adapters), t.adapters),
        refused=tuple(e for e in audit if e.level == "refuse"),
    )
    return findings.model_copy(update={"recommendation": recommend(findings)})


def _of(cells: Mapping[tuple[str, str], T], adapter: str) -> dict[str, T]:
    """One adapter's findings by name."""
    return {name: cell for (owner, name), cell in cells.items() if owner == adapter}


def _adapter(
    t: TrialPanels,
    domain: DomainFacts,
    gains: Sequence[PairedEffect],
    claims: Sequence[PairedEffect],
    shift_cells: Mapping[tuple[str, str], Shift],
    *cells: Mapping[tuple[str, str], Finding],
) -> AdapterFindings:
    """One adapter's entry. `cells`: findings of all adapters: gains, every contrast, shifts beyond the format-only adapter."""
    models, shift = t.seeds[domain.name], _of(shift_cells, domain.name)
    gain, effect, beyond = (_of(every, domain.name) for every in cells)
    own_gains, own_shifts = ([e for e in every if e.adapter == domain.name] for every in (gains, claims))
    return AdapterFindings(
        name=domain.name,
        domain=domain.name,
        role=domain.role,
        own_benchmark=domain.own_benchmark,
        seeds=tuple(seed for _, seed in models),
        gains=gain,
        shifts=shift,
        effects={i.name: {k[len(i.name) + 1 :]: c for k, c in effect.items() if k.startswith(f"{i.name}.")} for i in t.axes},
        drift=_drift([m for m, _ in models], t.panels, t.base) | sharpness_drift(t.panels, t.headline, [m for m, _ in models], t.base),
        vs_format_only=beyond,
        mean_gain=_mean(gain.values()),
        mean_shift=_mean(s.claim for s in shift.values()),
        per_seed=tuple(
            SeedFindings(
                seed=seed,
                gains={e.name: _seed_estimate(e, row) for e in own_gains},
                shifts={e.name: _seed_estimate(e, row) for e in own_shifts},
            )
            for row, (_, seed) in enumerate(models)
        ),
    )


def _mean(cells: Iterable[Finding]) -> float | None:
    estimates = [c.estimate for c in cells if c.estimate is not None]
    return float(np.mean(estimates)) if estimates else None


def _by_role(
    effects: Sequence[PairedEffect], roles: Mapping[str, AdapterRole], band: float, claims: bool = True
) -> dict[tuple[str, str], Finding]:
    """One family per role of the adapters: Holm's for domains where `claims` are made, else exploratory (Benjamini-Hochberg)."""
    out: dict[tuple[str, str], Finding] = {}
    for role in dict.fromkeys(roles.values()):
        own = [e for e in effects if roles[e.adapter] == role]
        out |= family(own, band=band, adjust=holm if claims and role == "domain" else benjamini_hochberg)
    return out


def _estimate(interval: Interval | None, **other: Any) -> Estimate:
    """The one place where an estimate over items is made of an interval; None: no item has a value."""
    if interval is None:
        return Estimate(estimate=None, lower=None, upper=None, n=0, num_clusters=0, **other)
    return Estimate(**{name: getattr(interval, name) for name in INTERVAL_FIELDS}, **other)


def _base_level(panel: Panel, model: str, contrast: Contrast, form: str | None) -> Estimate:
    """A model's own level, with an interval over items. `form`: how coverage is read; None: as the answers were given."""
    value = np.where(common_items(panel, [model], contrast), item_value(panel, model, contrast), np.nan)
    if np.isnan(value).all():
        return _estimate(None, coverage=None, contrast=contrast.name)
    e = crossed(value[None], panel.clusters)
    coverage = panel.coverage(model, contrast.plus, form or panel.form(model, contrast.plus))
    return _estimate(e, num_seeds=0, coverage=coverage, contrast=contrast.name, se=e.se, df=e.df)


def _seed_estimate(effect: PairedEffect, row: int) -> Estimate:
    """One training seed's own difference, with an interval over items only."""
    rows = effect.views[:, row]
    if np.isnan(rows).all():
        return _estimate(None, notes=("no item in the set",))
    notes = ("interval over items only: it says nothing about training noise",)
    own = envelope([crossed(diff_I[None], effect.clusters) for diff_I in rows], effect.tolerance)
    return _estimate(own, num_seeds=1, notes=notes)


def _drift(models: Sequence[str], by_name: Mapping[str, Panel], base: str) -> dict[str, float | None]:
    """Means over seeds of adapted - base other than in the answers; read them first: a damaged model moves on these axes, too.

    `INSTRUMENT.kappa` (format coverage), `.refused`, `.num_new_tokens`, and `.kl`, the mean KL(base || adapted) in nats. nan: unknown.
    """

    def mean(values: Iterable[np.ndarray]) -> float:
        means = [np.nanmean(v) for v in values if not np.isnan(v).all()]
        return float(np.mean(means)) if means else math.nan

    out: dict[str, float] = {}
    for name, panel in by_name.items():
        conditions = sorted(panel.value.get(base, {}))
        out[f"{name}.kl"] = mean(panel.get(m, c, "kl") for m in models for c in panel.value.get(m, {}))
        written = np.nansum(panel.get(base, "neutral", "num_new_tokens")) > 0
        for column in ("kappa", "refused", "num_new_tokens") if written else ("kappa",):
            out[f"{name}.{column}"] = mean(panel.get(m, c, column) - panel.get(base, c, column) for m in models for c in conditions)
    return {key: value for key, value in out.items() if key.endswith(".kappa") or not math.isnan(value)}
