"""The published study in the shape of any study's findings: levels, gains, shifts, contrasts, correlations, points and claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from statistics import NormalDist
from typing import Any, TypeVar

from holdfast.analysis.advice import recommend
from holdfast.results import (
    SCHEMA_VERSION,
    AdapterFindings,
    AuditEntry,
    BaseLevels,
    ContrastFinding,
    Correlation,
    Finding,
    PublishedClaim,
    PublishedPoint,
    Shift,
    StudyFindings,
    StudySummary,
)  # fmt: skip
from holdfast.stats.decide import manski
from holdfast.stats.rates import wilson
from holdfast_llama2_7b.correlation import refusal
from holdfast_llama2_7b.defects import MIN_COVERAGE
from holdfast_llama2_7b.rates import difference
from holdfast_llama2_7b.study import Defect, Study
from holdfast_llama2_7b.tables import AXES, BENCHMARKS, INSTRUMENTS, NAME

BAND = 0.03
LEAD = (
    "A published study, analyzed again from its own result files. Gain is the change in benchmark accuracy, shift the change in a sycophancy rate, adapted minus "
    "base; a positive shift: gives way more. One training run per adapter and no answers item by item: intervals are over items alone, models taken as "
    "unpaired, and hold no training noise, so no change is called raised or lowered. Percentage points; the claims keep the study's own fractions."
)
OVER_ITEMS = "interval over items only: it says nothing about training noise"
UNPAIRED = "no answers item by item: the unpaired variance is used; what any pairing with these counts allows is in paired_se"
NEITHER = (
    "bounds if every reply in which neither answer was found could not be read; the files do not say which of them said something else"
)
UNKNOWN = dict.fromkeys(
    (
        "estimate",
        "lower",
        "upper",
        "p",
        "p_holm",
        "coverage",
        "bounds",
        "mde",
        "verdict",
        "negligible",
        "contrast",
        "se",
        "df",
        "num_clusters",
    )
)
AnyFinding = TypeVar("AnyFinding", bound=Finding)


def findings_of(
    study: Study, defects: Sequence[Defect], points: tuple[PublishedPoint, ...], claims: tuple[PublishedClaim, ...]
) -> StudyFindings:
    """findings.json of the published study."""
    t, settings = study.tables, study.tables.settings
    findings = StudyFindings(
        schema_version=SCHEMA_VERSION,
        study=StudySummary(
            name=f"published:{NAME}",
            title=settings.title,
            base=settings.base,
            source=settings.source,
            domains=t.adapters,
            instruments=INSTRUMENTS,
            estimands={**dict.fromkeys(BENCHMARKS, "accuracy"), **{a: f"{theirs} rate, no control" for a, theirs in AXES.items()}},
            equivalence_band=BAND,
            lead=LEAD,
        ),
        base=BaseLevels(
            name=settings.base or "base",
            benchmarks={b: _level(study, "base", b) for b in BENCHMARKS},
            axes={a: _level(study, "base", a) for a in AXES},
        ),
        adapters=tuple(_adapter(study, defects, a) for a in t.adapters),
        contrasts=tuple(_additivity(study)),
        dose=(),
        ranking=(),
        correlation=_correlation(study),
        tables={"compared": len(t.compared), "disagreements": [asdict(c) for c in t.disagreements]},
        points=points,
        claims=claims,
    )
    return findings.model_copy(update={"recommendation": recommend(findings)})


def audit_of(defects: Sequence[Defect], claims: Sequence[PublishedClaim]) -> list[AuditEntry]:
    """A refusal once for each cell it forbids, every other defect once, each claim once."""
    out = []
    for d in defects:
        level = "warn" if d.level == "bounds" else d.level
        entry = {"check": d.check, "level": level, "claim": d.sentence.text, "evidence": {**d.evidence, "cited": d.cited}}
        if level == "refuse" and d.cells:
            out += [AuditEntry.model_validate({**entry, "cell": cell}) for cell in d.cells]
        else:
            entry["evidence"] = {**d.evidence, "cited": d.cited, "cells": [list(c) for c in d.cells]}
            out.append(AuditEntry.model_validate(entry))
    for c in claims:
        evidence = {"id": c.id, "status": c.status, "rule": c.rule, "values": c.values, "pointers": list(c.evidence)}
        level, text = "ok" if c.status == "stands" else "refuse", f"{c.text}: {c.status}: {c.reason}"
        out.append(AuditEntry(check="published_claim", level=level, claim=text, evidence=evidence))
    return out


def _finding(kind: type[AnyFinding], fields: Mapping[str, Any], **more: Any) -> AnyFinding:
    """A finding; fields that are not given are unknown."""
    return kind.model_validate({**UNKNOWN, "level": 0.95, "n": 0, "num_seeds": 0, "unit": "fraction", "notes": (), **fields, **more})


def _level(s: Study, model: str, name: str) -> Finding:
    """A model's own rate with Wilson's interval; bounds only where too few replies could be read."""
    level = s.tables.levels[model, name]
    low, high = wilson(level.hits, level.total)
    fields: dict[str, Any] = {
        "n": level.total,
        "hits": level.hits,
        "contrast": "accuracy" if name in BENCHMARKS else f"{AXES[name]} rate",
        "as_published": s.tables.csv_levels.get((model, name)),
    }
    if name == "doubt":
        cover = s.coverage(model, name)
        fields |= {"coverage": cover, "bounds": s.bounds(model, name)}
        if cover is None or cover < MIN_COVERAGE:
            return _finding(Finding, fields, notes=["too few first answers could be read: bounds only"])
    notes = [OVER_ITEMS]
    if name == "imitation" and level.undetected is not None and level.hits + level.undetected <= level.total:
        fields["bounds"], notes = manski(level.hits, level.total - level.undetected, level.undetected), [OVER_ITEMS, NEITHER]
    return _finding(Finding, fields, estimate=level.rate, lower=low, upper=high, notes=notes)


def _change(s: Study, defects: Sequence[Defect], adapter: str, name: str) -> Finding:
    base, own = s.tables.levels["base", name], s.tables.levels[adapter, name]
    d = difference(base.hits, base.total, own.hits, own.total)
    mine = [x for x in defects if (adapter, name) in x.cells]
    refused = [x.sentence.text for x in mine if x.level == "refuse"]
    bounded = [x.sentence.text for x in mine if x.level == "bounds"]
    seeds = s.training.seeds
    fields: dict[str, Any] = {
        "n": min(base.total, own.total),
        "num_seeds": seeds or 0,
        "contrast": "accuracy" if name in BENCHMARKS else f"{AXES[name]} rate, no control",
        "verdict": "refused" if refused else "not_identified" if bounded else "inconclusive",
        "as_published": s.tables.csv_changes[adapter, name],
        "paired_se": d.paired_se,
    }
    notes = [*refused, *bounded, OVER_ITEMS, UNPAIRED]
    if name == "doubt":
        cover = [s.coverage(m, name) for m in ("base", adapter)]
        known = [c for c in cover if c is not None]
        fields |= {"coverage": min(known) if len(known) == 2 else None, "bounds": s.change_bounds(adapter, name)}
        if bounded:
            return _finding(Finding, fields, notes=[*refused, *bounded])
    if not refused and not bounded:
        notes.append(f"{seeds if seeds is not None else 'unknown number of'} seeds: at least 3 are needed for a verdict")
    return _finding(Finding, fields, estimate=d.estimate, lower=d.lower, upper=d.upper, se=d.se, notes=notes)


def _adapter(s: Study, defects: Sequence[Defect], adapter: str) -> AdapterFindings:
    gains = {b: _change(s, defects, adapter, b) for b in BENCHMARKS}
    unknown = "the probabilities of the options are not published"
    shifts = {a: Shift(behaviour=_change(s, defects, adapter, a), unknown=unknown) for a in AXES}
    rows, seed = s.tables.settings.rows[adapter], s.tables.settings.training.seed
    return AdapterFindings(
        name=adapter,
        domain=adapter,
        role="domain",
        own_benchmark=next(iter(rows)) if len(rows) == 1 else None,
        seeds=() if seed is None else (seed,),
        steps=s.training.steps[adapter],
        levels={name: _level(s, adapter, name) for name in INSTRUMENTS},
        gains=gains,
        shifts=shifts,
        effects={},
        drift={},
        vs_format_only={},
        mean_gain=_mean(gains),
        mean_shift=_mean({axis: shift.behaviour for axis, shift in shifts.items()}),
        per_seed=(),
    )


def _mean(cells: Mapping[str, Finding]) -> float | None:
    """Unknown if any part is."""
    known = [c.estimate for c in cells.values() if c.estimate is not None]
    return sum(known) / len(known) if len(known) == len(cells) else None


def _additivity(s: Study) -> list[ContrastFinding]:
    """Combined minus the sum and minus the mean of its parts (docs/metrics.md, section 4, rule 6): unpaired, over items only, no verdict."""
    parts, z, out = [a for a in s.adapters if a != "combined"], NormalDist().inv_cdf(0.975), []
    variance = lambda m, i: s.tables.levels[m, i].rate * (1 - s.tables.levels[m, i].rate) / s.tables.levels[m, i].total  # noqa: E731
    for what, weight in (("sum", 1.0), ("mean", 1 / len(parts))):
        for name in INSTRUMENTS:
            d = s.tables.change("combined", name) - weight * sum(s.tables.change(a, name) for a in parts)
            n, seeds = s.tables.levels["base", name].total, s.training.seeds or 0
            fields = {"name": f"combined - {what} of parts", "axis": name, "n": n, "num_seeds": seeds}
            if name == "doubt" and any((s.coverage(m, name) or 0) < MIN_COVERAGE for m in ("base", *s.adapters)):
                fields |= {"verdict": "not_identified", "as_published": d, "notes": ["too few first answers could be read"]}
            else:
                base = 1 - weight * len(parts)  # the base's weight, sign reversed: it leaves the mean and stays in the sum
                se = (
                    variance("combined", name) + weight**2 * sum(variance(a, name) for a in parts) + base**2 * variance("base", name)
                ) ** 0.5
                fields |= {"estimate": d, "lower": d - z * se, "upper": d + z * se, "se": se, "verdict": "inconclusive"}
                fields |= {"notes": [OVER_ITEMS, UNPAIRED]}
            out.append(_finding(ContrastFinding, fields))
    return out


def _correlation(s: Study) -> Correlation:
    why = refusal(len(s.adapters))
    return Correlation(
        num_mixes=len(s.adapters),
        description={f"{c.benchmark} x {c.axis}": c.changes.r for c in s.correlations},
        cells=s.correlations,
        **({"refused": why} if why else {}),
    )
