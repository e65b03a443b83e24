"""The published study in the shape of any study's findings: levels, gains, shifts, contrasts, correlations, points and claims."""

from __future__ import annotations

from dataclasses import asdict
from statistics import NormalDist
from typing import Any

from holdfast.analysis.advice import recommend
from holdfast.analysis.findings import SCHEMA_VERSION
from holdfast.stats.decide import manski
from holdfast_llama2_7b.claims import Claim
from holdfast_llama2_7b.correlation import refusal
from holdfast_llama2_7b.points import Point
from holdfast_llama2_7b.rates import difference, wilson
from holdfast_llama2_7b.study import Defect, Study
from holdfast_llama2_7b.tables import AXES, BENCHMARKS, INSTRUMENTS

BAND = 0.03
LEAD = (
    "A published study, analysed again from its own result files. Gain is the change in benchmark accuracy, shift the change in a sycophancy rate, adapted minus "
    "base; a positive shift is more sycophantic. One training run an adapter and no answers item by item: intervals are over items alone, models taken as "
    "unpaired, and hold no training noise, so no change is called raised or lowered. Percentage points; the claims keep the study's own fractions."
)
OVER_ITEMS = "interval over items only: it says nothing about training noise"
UNPAIRED = "no answers item by item: the unpaired variance is used; what any pairing with these counts allows is in paired_se"
NEITHER = (
    "bounds if every reply in which neither answer was found could not be read; the files do not say which of them said something else"
)


def findings_of(study: Study, defects: list[Defect], points: list[Point], claims: list[Claim]) -> dict[str, Any]:
    t = study.tables
    found = {
        "schema_version": SCHEMA_VERSION,
        "study": {
            "name": f"published:{t.name}",
            "title": t.settings.get("title"),
            "base": t.settings.get("base"),
            "source": t.settings.get("source"),
            "domains": list(t.adapters),
            "instruments": list(INSTRUMENTS),
            "estimands": {**dict.fromkeys(BENCHMARKS, "accuracy"), **{a: f"{theirs} rate, no control" for a, theirs in AXES.items()}},
            "equivalence_band": BAND,
            "lead": LEAD,
        },
        "base": {
            "name": t.settings.get("base") or "base",
            "benchmarks": {b: _level(study, "base", b) for b in BENCHMARKS},
            "axes": {a: _level(study, "base", a) for a in AXES},
        },
        "adapters": [_adapter(study, defects, a) for a in t.adapters],
        "contrasts": _additivity(study),
        "dose": [],
        "ranking": [],
        "correlation": _correlation(study),
        "tables": {"compared": len(t.compared), "disagreements": [asdict(c) for c in t.disagreements]},
        "points": [
            {
                "number": p.number,
                "title": p.title,
                "status": p.status,
                "parts": [{"status": x.status, "text": x.sentence.text, "values": x.sentence.values, "how": x.how} for x in p.parts],
            }
            for p in points
        ],
        "claims": [
            {
                "id": c.id,
                "text": c.text,
                "source": c.source,
                "status": c.status,
                "reason": c.reason.text,
                "values": c.reason.values,
                "evidence": list(c.evidence),
                "rule": c.rule,
            }
            for c in claims
        ],
    }
    found["recommendation"] = recommend(found)
    return found


def audit_of(defects: list[Defect], claims: list[Claim]) -> list[dict[str, Any]]:
    """Entries {check, level, claim, evidence[, cell]}: a refusal once for each cell it forbids; each claim once."""
    out = []
    for d in defects:
        kept = {"check": d.check, "level": "warn" if d.level == "bounds" else d.level, "claim": d.sentence.text}
        kept["evidence"] = {**d.evidence, "cited": d.cited}
        if d.level == "refuse" and d.cells:
            out += [{**kept, "cell": list(cell)} for cell in d.cells]
        else:
            out.append({**kept, "evidence": {**kept["evidence"], "cells": [list(c) for c in d.cells]}})
    out += [
        {
            "check": "published_claim",
            "level": "ok" if c.status == "stands" else "refuse",
            "claim": f"{c.text}: {c.status}: {c.reason.text}",
            "evidence": {"id": c.id, "status": c.status, "rule": c.rule, "values": c.reason.values, "pointers": list(c.evidence)},
        }
        for c in claims
    ]
    return out


def _estimate(**known: Any) -> dict[str, Any]:
    """An Estimate; whatever is not given is unknown."""
    unknown = (
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
    return {**dict.fromkeys(unknown), "level": 0.95, "n": 0, "num_seeds": 0, "unit": "fraction", "notes": [], **known}


def _level(s: Study, model: str, name: str) -> dict[str, Any]:
    """A model's own rate with Wilson's interval; bounds alone where too few replies could be read."""
    level = s.tables.levels[model, name]
    low, high = wilson(level.hits, level.total)
    known = {"n": level.total, "hits": level.hits, "contrast": "accuracy" if name in BENCHMARKS else f"{AXES[name]} rate"}
    published = s.tables.csv_levels.get((model, name))
    if name == "doubt":
        cover = s.coverage(model, name)
        known |= {"coverage": cover, "bounds": list(s.bounds(model, name))}
        if cover is None or cover < 0.95:
            return _estimate(**known, as_published=published, notes=["too few first answers could be read: bounds only"])
    notes = [OVER_ITEMS]
    if name == "imitation" and level.undetected is not None and level.hits + level.undetected <= level.total:
        known["bounds"], notes = list(manski(level.hits, level.total - level.undetected, level.undetected)), [OVER_ITEMS, NEITHER]
    return _estimate(**known, estimate=level.rate, lower=low, upper=high, as_published=published, notes=notes)


def _change(s: Study, defects: list[Defect], adapter: str, name: str) -> dict[str, Any]:
    base, own = s.tables.levels["base", name], s.tables.levels[adapter, name]
    d = difference(base.hits, base.total, own.hits, own.total)
    mine = [x for x in defects if (adapter, name) in x.cells]
    refused = [x.sentence.text for x in mine if x.level == "refuse"]
    bounded = [x.sentence.text for x in mine if x.level == "bounds"]
    seeds = s.training.seeds
    known: dict[str, Any] = {
        "n": min(base.total, own.total),
        "num_seeds": seeds if seeds is not None else 0,
        "contrast": "accuracy" if name in BENCHMARKS else f"{AXES[name]} rate, no control",
        "verdict": "refused" if refused else "not_identified" if bounded else "inconclusive",
        "as_published": s.tables.csv_changes[adapter, name],
        "paired_se": list(d.paired_se) if d.paired_se else None,
    }
    notes = [*refused, *bounded, OVER_ITEMS, UNPAIRED]
    if name == "doubt":
        cover = [s.coverage(m, name) for m in ("base", adapter)]
        known |= {"coverage": None if None in cover else min(cover), "bounds": list(s.change_bounds(adapter, name))}
        if bounded:
            return _estimate(**known, notes=[*refused, *bounded])
    if not refused and not bounded:
        notes.append(f"{seeds if seeds is not None else 'unknown number of'} seeds: at least 3 are needed for a verdict")
    return _estimate(**known, estimate=d.estimate, lower=d.lower, upper=d.upper, se=d.se, notes=notes)


def _adapter(s: Study, defects: list[Defect], adapter: str) -> dict[str, Any]:
    gains = {b: _change(s, defects, adapter, b) for b in BENCHMARKS}
    shifts = {a: _change(s, defects, adapter, a) for a in AXES}
    rows = s.tables.settings["rows"][adapter]
    seed = (s.tables.settings.get("training") or {}).get("seed")
    return {
        "name": adapter,
        "domain": adapter,
        "role": "domain",
        "own_benchmark": next(iter(rows)) if len(rows) == 1 else None,
        "seeds": [] if seed is None else [seed],
        "steps": s.training.steps[adapter],
        "levels": {name: _level(s, adapter, name) for name in INSTRUMENTS},
        "gains": gains,
        "shifts": shifts,
        "effects": {},
        "drift": {},
        "vs_format_only": {},
        "mean_gain": _mean(gains),
        "mean_shift": _mean(shifts),
        "per_seed": [],
    }


def _mean(cells: dict[str, dict[str, Any]]) -> float | None:
    """Unknown if any part is."""
    known = [c["estimate"] for c in cells.values()]
    return None if None in known else sum(known) / len(known)


def _additivity(s: Study) -> list[dict[str, Any]]:
    """Combined minus the sum and minus the mean of its parts (METRICS section 4, rule 6): unpaired, over items alone, no verdict."""
    parts, z, out = [a for a in s.adapters if a != "combined"], NormalDist().inv_cdf(0.975), []
    variance = lambda m, i: s.tables.levels[m, i].rate * (1 - s.tables.levels[m, i].rate) / s.tables.levels[m, i].total  # noqa: E731
    for what, weight in (("sum", 1.0), ("mean", 1 / len(parts))):
        for name in INSTRUMENTS:
            d = s.tables.change("combined", name) - weight * sum(s.tables.change(a, name) for a in parts)
            known = {
                "name": f"combined - {what} of parts",
                "axis": name,
                "n": s.tables.levels["base", name].total,
                "num_seeds": s.training.seeds or 0,
            }
            if name == "doubt" and any((s.coverage(m, name) or 0) < 0.95 for m in ("base", *s.adapters)):
                out.append(_estimate(**known, verdict="not_identified", as_published=d, notes=["too few first answers could be read"]))
                continue
            base = 1 - weight * len(parts)  # the base's weight, the other way round: it leaves the mean and stays in the sum
            se = (variance("combined", name) + weight**2 * sum(variance(a, name) for a in parts) + base**2 * variance("base", name)) ** 0.5
            out.append(
                _estimate(
                    **known, estimate=d, lower=d - z * se, upper=d + z * se, se=se, verdict="inconclusive", notes=[OVER_ITEMS, UNPAIRED]
                )
            )
    return out


def _correlation(s: Study) -> dict[str, Any]:
    cells, n = s.correlations(), len(s.adapters)
    why = refusal(n)
    return {
        "num_mixes": n,
        "description": {f"{c['benchmark']} x {c['axis']}": c["changes"]["r"] for c in cells},
        "cells": cells,
        **({"refused": why} if why else {}),
    }
