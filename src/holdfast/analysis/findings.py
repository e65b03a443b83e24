"""Trials -> findings: gains, shifts, every other effect, contrasts between adapters, ranking, correlation, recommendation."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import stats as scipy_stats

from holdfast.analysis.advice import recommend
from holdfast.analysis.effects import Measured, among, family, item_value, measure
from holdfast.analysis.panel import Panel, panels
from holdfast.records import Contrast
from holdfast.stats.crossed import Interval, crossed
from holdfast.stats.decide import benjamini_hochberg

SCHEMA_VERSION = 1
ACCURACY = Contrast(name="accuracy", column="score", plus="neutral", minus=None)


def analyze(trials: pa.Table, study: dict[str, Any], *, base_name: str = "base") -> dict[str, Any]:
    """The findings of a trials table. `study`: see DESIGN's findings schema; `audit` entries at level refuse forbid their claims."""
    by_name, models = panels(trials)
    instruments = [i for i in study["instruments"] if i["name"] in by_name]
    benchmarks = [i for i in instruments if i["kind"] == "benchmark"]
    axes = [i for i in instruments if i["kind"] == "axis"]
    contrasts = {i["name"]: [Contrast(**c) for c in i["contrasts"]] for i in axes}
    headline = {name: next(c for c in found if c.headline) for name, found in contrasts.items()}
    adapters = [d for d in study["domains"] if any(domain == d["name"] for domain, _ in models.values())]
    seeds = {d["name"]: sorted((m, s) for m, (domain, s) in models.items() if domain == d["name"]) for d in adapters}
    band = study["equivalence_band"]
    forbidden = {tuple(e["cell"]): e["claim"] for e in study.get("audit", []) if e["level"] == "refuse" and e.get("cell")}

    gains, shifts, others = [], [], []
    for d in adapters:
        for i in benchmarks:
            m = measure(by_name[i["name"]], d["name"], seeds[d["name"]], base_name, ACCURACY, "loglik")
            m.name, m.contrast = i["name"], "accuracy"
            m.coverage = min(
                by_name[i["name"]].coverage(x, "neutral", i["form"]) for x in [base_name, *(x for x, _ in seeds[d["name"]])]
            )
            gains.append((d["role"], m))
        for i in axes:
            panel = by_name[i["name"]]
            head = measure(panel, d["name"], seeds[d["name"]], base_name, headline[i["name"]])
            _all_items(head, panel, contrasts[i["name"]], d["name"], seeds[d["name"]], base_name)
            head.name = i["name"]
            shifts.append((d["role"], head))
            for c in contrasts[i["name"]]:
                if panel.has(c.plus) and (c.minus is None or panel.has(c.minus)):
                    m = measure(panel, d["name"], seeds[d["name"]], base_name, c)
                    m.name = f"{i['name']}.{c.name}"
                    others.append(m)
    gain = _families(gains, band, forbidden)
    shift = _families(shifts, band, forbidden)
    effect = family(others, band=band, adjust=benjamini_hochberg)
    entries = [
        _adapter(d, seeds[d["name"]], benchmarks, axes, gain, shift, effect, gains, shifts, by_name, base_name) for d in adapters
    ]
    findings = {
        "schema_version": SCHEMA_VERSION,
        "study": {k: study[k] for k in ("name", "base", "equivalence_band", "estimands")}
        | {"domains": [d["name"] for d in study["domains"]], "instruments": [i["name"] for i in instruments]},
        "base": {
            "name": study["base"],
            "benchmarks": {i["name"]: _alone(by_name[i["name"]], base_name, ACCURACY, i["form"]) for i in benchmarks},
            "axes": {i["name"]: _alone(by_name[i["name"]], base_name, headline[i["name"]], None) for i in axes},
        },
        "adapters": entries,
        "contrasts": _between(shifts, band),
        "dose": [],
        "ranking": _ranking(entries),
        "correlation": _correlation(entries, axes),
    }
    findings["recommendation"] = recommend(findings)
    return findings


def _families(found: list[tuple[str, Measured]], band: float, forbidden: dict[Any, str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Domain adapters by Holm in one family; controls and nulls are exploratory, by Benjamini-Hochberg."""
    main = [m for role, m in found if role == "domain"]
    rest = [m for role, m in found if role != "domain"]
    return {
        **family(main, band=band, forbidden=forbidden),
        **(family(rest, band=band, adjust=benjamini_hochberg) if rest else {}),
    }


def _all_items(
    head: Measured, panel: Panel, every: list[Contrast], adapter: str, models: list[tuple[str, int]], base: str
) -> None:
    """Rule 3: where the common-right set and the all-items form disagree in sign, both clear of 0, nothing is claimed."""
    twin = next((c for c in every if c.all_items_of == head.contrast), None)
    if twin is None:
        return
    other = measure(panel, adapter, models, base, twin)
    a, b = (crossed(m.diff_SI, m.clusters) if not np.isnan(m.diff_SI).all() else None for m in (head, other))
    if a and b and a.estimate * b.estimate < 0 and all(x.lower * x.upper > 0 for x in (a, b)):
        head.notes.append("the common-right set and the all-items form disagree in sign")


def _over_items(e: Interval) -> dict[str, Any]:
    return {name: getattr(e, name) for name in ("estimate", "lower", "upper", "level", "n", "num_clusters")}


def _alone(panel: Panel, model: str, contrast: Contrast, form: str | None) -> dict[str, Any]:
    """The base's own level, with an interval over items."""
    value = np.where(among(panel, [model], contrast), item_value(panel, model, contrast), np.nan)
    if np.isnan(value).all():
        return {
            "estimate": None,
            "lower": None,
            "upper": None,
            "n": 0,
            "coverage": None,
            "num_clusters": 0,
            "contrast": contrast.name,
        }
    e = crossed(value[None], panel.clusters)
    return {
        **_over_items(e),
        "num_seeds": 0,
        "coverage": panel.coverage(model, contrast.plus, form or panel.form(model, contrast.plus)),
        "contrast": contrast.name,
        "se": e.se,
        "df": e.df,
    }


def _adapter(
    d: dict[str, Any],
    models: list[tuple[str, int]],
    benchmarks: list[Any],
    axes: list[Any],
    gain: Any,
    shift: Any,
    effect: Any,
    gains: list[Any],
    shifts: list[Any],
    by_name: dict[str, Panel],
    base: str,
) -> dict[str, Any]:
    name = d["name"]
    mine = {i["name"]: gain[name, i["name"]] for i in benchmarks}
    moved = {i["name"]: shift[name, i["name"]] for i in axes}
    effects = {
        i["name"]: {
            key[1].split(".", 1)[1]: v for key, v in effect.items() if key[0] == name and key[1].startswith(i["name"] + ".")
        }
        for i in axes
    }
    per_seed = []
    for row, (_, seed) in enumerate(models):
        single = lambda found: {m.name: _single(m, row) for _, m in found if m.adapter == name}  # noqa: E731, B023
        per_seed.append({"seed": seed, "gains": single(gains), "shifts": single(shifts)})
    known = lambda cells: [c["estimate"] for c in cells.values() if c["estimate"] is not None]  # noqa: E731
    return {
        "name": name,
        "domain": name,
        "role": d["role"],
        "own_benchmark": d["own_benchmark"],
        "seeds": [s for _, s in models],
        "gains": mine,
        "shifts": moved,
        "effects": effects,
        "drift": _drift([m for m, _ in models], by_name, base),
        "vs_format_only": {},
        "mean_gain": float(np.mean(known(mine))) if known(mine) else None,
        "mean_shift": float(np.mean(known(moved))) if known(moved) else None,
        "per_seed": per_seed,
    }


def _single(m: Measured, row: int) -> dict[str, Any]:
    if np.isnan(m.diff_SI[row]).all():
        return {"estimate": None, "lower": None, "upper": None, "n": 0, "notes": ["no item in the set"]}
    e = crossed(m.diff_SI[row][None], m.clusters)
    return {
        **_over_items(e),
        "num_seeds": 1,
        "notes": ["interval over items only: it says nothing about training noise"],
    }


def _drift(models: list[str], by_name: dict[str, Panel], base: str) -> dict[str, float | None]:
    """Means over seeds of adapted - base: format coverage, refusals, reply length; and mean KL(base || adapted), nats. Read these before calling a shift character."""

    def change(panel: Panel, column: str) -> float:
        conditions = sorted(panel.value.get(base, {}))
        values = [
            np.nanmean(panel.get(m, c, column) - panel.get(base, c, column))
            for m in models
            for c in conditions
            if not np.isnan(panel.get(m, c, column)).all() and not np.isnan(panel.get(base, c, column)).all()
        ]
        return float(np.mean(values)) if values else math.nan

    def divergence(panel: Panel) -> float:
        known = [np.nanmean(v) for m in models for c in panel.value.get(m, {}) if not np.isnan(v := panel.get(m, c, "kl")).all()]
        return float(np.mean(known)) if known else math.nan

    out = {f"{name}.kl": d for name, panel in by_name.items() if not math.isnan(d := divergence(panel))}
    out |= {f"{name}.kappa": change(panel, "kappa") for name, panel in by_name.items()}
    out |= {
        f"{name}.{column}": change(panel, column)
        for name, panel in by_name.items()
        for column in ("refused", "num_new_tokens")
        if not np.isnan(change(panel, column))
        and not np.isnan(panel.get(base, "neutral", "parsed")).all()
        and np.nansum(panel.get(base, "neutral", "num_new_tokens")) > 0
    }
    return out


def _between(shifts: list[tuple[str, Measured]], band: float) -> list[dict[str, Any]]:
    """Each pair of domain adapters on each axis, seeds paired by rank: own Holm family."""
    pairs = []
    domain = [m for role, m in shifts if role == "domain"]
    for a, b in itertools.combinations(domain, 2):
        if a.name == b.name and a.diff_SI.shape == b.diff_SI.shape:
            pairs.append(
                Measured(
                    f"{a.adapter} - {b.adapter}",
                    a.name,
                    a.contrast,
                    a.diff_SI - b.diff_SI,
                    a.clusters,
                    a.seeds,
                    min(a.coverage, b.coverage),
                    a.identified and b.identified,
                )
            )
    made = family(pairs, band=band)
    return [{"name": adapter, "axis": axis, **cell} for (adapter, axis), cell in made.items()]


def _ranking(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """P(rank) of the mean shift, smallest first, from independent normal draws; descriptive: it mixes scales."""
    usable = [
        e
        for e in entries
        if e["role"] == "domain" and all(s["estimate"] is not None and s["se"] is not None for s in e["shifts"].values())
    ]
    if len(usable) < 2:
        return []
    rng = np.random.default_rng(0)
    draws = np.array(
        [
            np.mean([rng.normal(s["estimate"], 0 if s["se"] != s["se"] else s["se"], 4000) for s in e["shifts"].values()], axis=0)
            for e in usable
        ]
    )
    rank = draws.argsort(0).argsort(0)
    return [
        {"name": e["name"], "p_rank": [float((rank[k] == r).mean()) for r in range(len(usable))]} for k, e in enumerate(usable)
    ]


def _correlation(entries: list[dict[str, Any]], axes: list[dict[str, Any]]) -> dict[str, Any]:
    usable = [e for e in entries if e["role"] == "domain" and e["mean_gain"] is not None]
    out: dict[str, Any] = {"num_mixes": len(usable), "description": {}}
    if len(usable) < 8:
        out["refused"] = (
            "five points, no claim" if len(usable) == 5 else f"{len(usable)} points, no claim: at least 8 domain mixes are needed"
        )
    for i in axes:
        pairs = [
            (e["mean_gain"], e["shifts"][i["name"]]["estimate"]) for e in usable if e["shifts"][i["name"]]["estimate"] is not None
        ]
        constant = len(pairs) < 3 or np.ptp([g for g, _ in pairs]) == 0 or np.ptp([s for _, s in pairs]) == 0
        out["description"][i["name"]] = None if constant else float(scipy_stats.pearsonr(*zip(*pairs, strict=True)).statistic)
    return out


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
