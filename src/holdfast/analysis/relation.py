"""Gain against shift over adapters: ranking, Pareto front, correlation by rule 7 or its refusal. The unit is the domain mix."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from holdfast.stats.correlation import correlate
from holdfast.stats.pareto import p_dominates, p_front, p_rank, pareto_front

NUM_DRAWS = 4000


def _known(cell: dict[str, Any]) -> bool:
    return cell["estimate"] is not None and cell["se"] is not None and cell["se"] == cell["se"]


def _domains(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [e for e in entries if e["role"] == "domain"]


def _draws(entries: list[dict[str, Any]], part: str, rng: np.random.Generator) -> np.ndarray:
    """[draws, adapters]: means over instruments, each estimate drawn from its own normal distribution."""
    columns = [np.mean([rng.normal(c["estimate"], c["se"], NUM_DRAWS) for c in e[part].values()], axis=0) for e in entries]
    return np.array(columns).T


def ranking(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """P(rank) of the mean shift, smallest first; descriptive: it mixes scales."""
    usable = [e for e in _domains(entries) if e["shifts"] and all(map(_known, e["shifts"].values()))]
    if len(usable) < 2:
        return []
    ranks = p_rank(_draws(usable, "shifts", np.random.default_rng(0)))
    return [{"name": e["name"], "p_rank": row.tolist()} for e, row in zip(usable, ranks, strict=True)]


def pareto(entries: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Who is on the front of mean gain (up) and mean shift (down), how surely, and P(one dominates another); descriptive."""
    usable = [
        e for e in _domains(entries) if e["gains"] and e["shifts"] and all(map(_known, [*e["gains"].values(), *e["shifts"].values()]))
    ]
    if len(usable) < 2:
        return None
    rng = np.random.default_rng(0)
    draws = _draws(usable, "gains", rng), _draws(usable, "shifts", rng)
    front = pareto_front([e["mean_gain"] for e in usable], [e["mean_shift"] for e in usable])
    names, beats = [e["name"] for e in usable], p_dominates(*draws)
    return {
        "front": [{"name": n, "on_front": bool(on), "p_front": float(p)} for n, on, p in zip(names, front, p_front(*draws), strict=True)],
        "p_dominates": {a: {b: float(beats[i, j]) for j, b in enumerate(names) if i != j} for i, a in enumerate(names)},
    }


def correlations(entries: list[dict[str, Any]], benchmarks: list[str], axes: list[str]) -> dict[str, Any]:
    """Mean gain, and every benchmark's gain, with every axis's shift over the domain mixes; under 8 mixes a description only."""
    usable = [e for e in _domains(entries) if e["mean_gain"] is not None]
    out: dict[str, Any] = {"num_mixes": len(usable), "refused": None, "description": {}, "cells": {}}
    for axis in axes:
        pairs = {"mean_gain": [(e["mean_gain"], _mean_se(e["gains"]), e["shifts"][axis]) for e in usable]}
        pairs |= {n: [(e["gains"][n]["estimate"], e["gains"][n]["se"], e["shifts"][axis]) for e in usable] for n in benchmarks}
        for name, rows in pairs.items():
            known = [(g, gs, s["estimate"], s["se"]) for g, gs, s in rows if g is not None and gs is not None and _known(s)]
            if not known:
                continue
            gain, gain_se, shift, shift_se = zip(*known, strict=True)
            found = correlate(gain, shift, gain_se, shift_se, np.random.default_rng(0))
            if name == "mean_gain":
                out["description"][axis] = found.pearson
                out["refused"] = out["refused"] or found.refused
            out["cells"][f"{name} x {axis}"] = dataclasses.asdict(found)
    return out


def _mean_se(cells: dict[str, Any]) -> float | None:
    known = [c["se"] for c in cells.values() if c["se"] is not None]
    return float(np.sqrt(np.sum(np.square(known)))) / len(known) if known else None
