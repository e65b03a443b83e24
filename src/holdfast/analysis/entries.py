"""One entry of the findings: the base's own levels, and an adapter's gains, shifts, effects, drift and single seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from holdfast.analysis.effects import Measured, among, item_value
from holdfast.analysis.panel import Panel
from holdfast.records import Contrast
from holdfast.stats.crossed import Interval, crossed


def _over_items(e: Interval) -> dict[str, Any]:
    return {name: getattr(e, name) for name in ("estimate", "lower", "upper", "level", "n", "num_clusters")}


def alone(panel: Panel, model: str, contrast: Contrast, form: str | None) -> dict[str, Any]:
    """The base's own level, with an interval over items."""
    value = np.where(among(panel, [model], contrast), item_value(panel, model, contrast), np.nan)
    if np.isnan(value).all():
        return {"estimate": None, "lower": None, "upper": None, "n": 0, "coverage": None, "num_clusters": 0, "contrast": contrast.name}
    e = crossed(value[None], panel.clusters)
    return {
        **_over_items(e),
        "num_seeds": 0,
        "coverage": panel.coverage(model, contrast.plus, form or panel.form(model, contrast.plus)),
        "contrast": contrast.name,
        "se": e.se,
        "df": e.df,
    }


def adapter_entry(
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
        i["name"]: {key[1].split(".", 1)[1]: v for key, v in effect.items() if key[0] == name and key[1].startswith(i["name"] + ".")}
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
    return {**_over_items(e), "num_seeds": 1, "notes": ["interval over items only: it says nothing about training noise"]}


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
