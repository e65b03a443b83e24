"""Trials -> findings: gains, shifts, every other effect, contrasts, doses, mixes, relation of gain and shift, recommendation."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa

from holdfast.analysis import between
from holdfast.analysis.advice import recommend
from holdfast.analysis.detection import detections
from holdfast.analysis.dose import dose_paths
from holdfast.analysis.effects import Measured, family, measure
from holdfast.analysis.entries import adapter_entry, alone
from holdfast.analysis.flips import all_flips
from holdfast.analysis.mixes import factorial
from holdfast.analysis.panel import Panel, panels
from holdfast.analysis.relation import correlations, pareto, ranking
from holdfast.analysis.trials import Trials
from holdfast.records import Contrast
from holdfast.stats.crossed import crossed
from holdfast.stats.decide import benjamini_hochberg

SCHEMA_VERSION = 1
ACCURACY = Contrast(name="accuracy", column="score", plus="neutral", minus=None)
Models = list[tuple[str, int]]


class Reading:
    """A trials table opened: its panels, its models, and the paired measurements made of them."""

    def __init__(self, trials: pa.Table | Trials, study: dict[str, Any], base: str):
        self.panels, self.owners = panels(trials)
        self.base, self.study = base, study
        self.instruments = [i for i in study["instruments"] if i["name"] in self.panels]
        self.benchmarks = [i for i in self.instruments if i["kind"] == "benchmark"]
        self.axes = [i for i in self.instruments if i["kind"] == "axis"]
        self.contrasts = {i["name"]: [Contrast(**c) for c in i["contrasts"]] for i in self.axes}
        self.headline = {name: next(c for c in found if c.headline) for name, found in self.contrasts.items()}
        full = {m: o for m, o in self.owners.items() if o.path == "full"}
        self.seeds: dict[str, Models] = {
            d["name"]: sorted((m, o.seed) for m, o in full.items() if o.domain == d["name"]) for d in study["domains"]
        }
        self.adapters = [d for d in study["domains"] if self.seeds[d["name"]]]

    def gain(self, adapter: str, models: Models, name: str) -> Measured:
        panel = self.panels[name]
        form = next(i["form"] for i in self.benchmarks if i["name"] == name)
        m = measure(panel, adapter, models, self.base, ACCURACY, "loglik")
        m.name, m.contrast = name, "accuracy"
        m.coverage = min(panel.coverage(x, "neutral", form) for x in [self.base, *(x for x, _ in models)])
        return m

    def shift(self, adapter: str, models: Models, name: str) -> Measured:
        panel = self.panels[name]
        m = measure(panel, adapter, models, self.base, self.headline[name])
        _all_items(m, panel, self.contrasts[name], adapter, models, self.base)
        m.name = name
        return m

    def measured(self, adapter: str, models: Models, name: str) -> Measured:
        return self.shift(adapter, models, name) if name in self.headline else self.gain(adapter, models, name)

    def effects(self, adapter: str) -> list[Measured]:
        """Every declared contrast of every axis that the table has both conditions of."""
        out = []
        for name, declared in self.contrasts.items():
            panel = self.panels[name]
            for c in declared:
                if panel.has(c.plus) and (c.minus is None or panel.has(c.minus)):
                    m = measure(panel, adapter, self.seeds[adapter], self.base, c)
                    m.name = f"{name}.{c.name}"
                    out.append(m)
        return out


def analyze(trials: pa.Table | Trials, study: dict[str, Any], *, base_name: str = "base") -> dict[str, Any]:
    """The findings of a trials table. `study`: see `holdfast.facts`; its `audit` entries at level refuse forbid their claims."""
    r = Reading(trials, study, base_name)
    band = study["equivalence_band"]
    forbidden = {tuple(e["cell"]): e["claim"] for e in study.get("audit", []) if e["level"] == "refuse" and e.get("cell")}
    gains, shifts = (
        [(d["role"], make(d["name"], r.seeds[d["name"]], i["name"])) for d in r.adapters for i in part]
        for make, part in ((r.gain, r.benchmarks), (r.shift, r.axes))
    )
    gain, shift = _families(gains, band, forbidden), _families(shifts, band, forbidden)
    effect = family([m for d in r.adapters for m in r.effects(d["name"])], band=band, adjust=benjamini_hochberg)
    beyond = between.beyond_format(study["domains"], shifts, band)
    entries = [
        adapter_entry(d, r.seeds[d["name"]], r.benchmarks, r.axes, gain, shift, effect, gains, shifts, r.panels, base_name)
        | {"vs_format_only": {i["name"]: beyond[d["name"], i["name"]] for i in r.axes if (d["name"], i["name"]) in beyond}}
        for d in r.adapters
    ]
    parts = [(i["name"], "gains") for i in r.benchmarks] + [(i["name"], "shifts") for i in r.axes]
    full = [base_name, *(m for d in r.adapters for m, _ in r.seeds[d["name"]])]
    findings = {
        "schema_version": SCHEMA_VERSION,
        "study": {k: study[k] for k in ("name", "base", "equivalence_band", "estimands")}
        | {"domains": [d["name"] for d in study["domains"]], "instruments": [i["name"] for i in r.instruments]},
        "base": {
            "name": study["base"],
            "benchmarks": {i["name"]: alone(r.panels[i["name"]], base_name, ACCURACY, i["form"]) for i in r.benchmarks},
            "axes": {i["name"]: alone(r.panels[i["name"]], base_name, r.headline[i["name"]], None) for i in r.axes},
        },
        "adapters": entries,
        "contrasts": between.contrasts(r.adapters, shifts, band),
        "mitigation": between.mitigation(r.adapters, gains, shifts, band),
        "dose": dose_paths(r.owners, [d["name"] for d in r.adapters], parts, r.measured, band),
        "factorial": factorial(r.adapters, [*gains, *shifts], band),
        "detection": detections(r.panels, r.axes, r.adapters, r.seeds, base_name),
        "flips": all_flips(r.panels, full, r.headline),
        "ranking": ranking(entries),
        "pareto": pareto(entries),
        "correlation": correlations(entries, [i["name"] for i in r.benchmarks], [i["name"] for i in r.axes]),
        "refused": [e for e in study.get("audit", []) if e["level"] == "refuse"],
    }
    findings["recommendation"] = recommend(findings)
    return findings


def _families(found: list[tuple[str, Measured]], band: float, forbidden: dict[Any, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Domain adapters by Holm in one family; controls and nulls are exploratory, by Benjamini-Hochberg."""
    main = [m for role, m in found if role == "domain"]
    rest = [m for role, m in found if role != "domain"]
    return {**family(main, band=band, forbidden=forbidden), **(family(rest, band=band, adjust=benjamini_hochberg) if rest else {})}


def _all_items(head: Measured, panel: Panel, every: list[Contrast], adapter: str, models: list[tuple[str, int]], base: str) -> None:
    """Rule 3: where the common-right set and the all-items form disagree in sign, both clear of 0, nothing is claimed."""
    twin = next((c for c in every if c.all_items_of == head.contrast), None)
    if twin is None:
        return
    other = measure(panel, adapter, models, base, twin)
    a, b = (crossed(m.diff_SI, m.clusters) if not np.isnan(m.diff_SI).all() else None for m in (head, other))
    if a and b and a.estimate * b.estimate < 0 and all(x.lower * x.upper > 0 for x in (a, b)):
        head.notes.append("the common-right set and the all-items form disagree in sign")


def findings_json(findings: dict[str, Any]) -> bytes:
    """Canonical bytes: sorted keys, 12 significant digits, unknown as null."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(k): clean(v) for k, v in value.items()}
        if isinstance(value, (list, tuple)):
            return [clean(v) for v in value]
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        if isinstance(value, (float, np.floating)):
            return float(f"{float(value):.12g}") if math.isfinite(value) else None
        return int(value) if isinstance(value, np.integer) else value

    return (json.dumps(clean(findings), sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
