"""Coverage: answers that could not be read are missing, and a rate over the rest is not identified (METRICS section 4, rule 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from holdfast.analysis.trials import Groups, Trials
from holdfast.auditing.context import AuditContext, entry

LEAST, LARGEST_GAP = 0.95, 0.02
NEXT = "Read the bounds instead of the rate; give the model a format it keeps (template, prefill, more new tokens) and measure again."


def coverage(trials: pa.Table | Trials) -> list[dict[str, Any]]:
    """[{instrument, condition, model, form, known_mean}]: mean kappa of mass answers, share of parsed generated ones."""
    groups = Groups(["instrument", "condition", "model", "form"])
    total, count = np.zeros(0), np.zeros(0)
    for piece in Trials.of(trials).pieces([*groups.codes, "kappa", "outcome"]):
        piece = piece.filter(pc.not_equal(piece["form"], "loglik"))
        parsed = pc.not_equal(piece["outcome"], "unparsed")
        scored = pc.and_(pc.equal(piece["form"], "mass"), parsed)  # a missing answer covers nothing
        known = pc.if_else(scored, piece["kappa"], pc.cast(parsed, pa.float64()))
        group, there = groups.of(piece), known.is_valid().to_numpy(zero_copy_only=False)
        total, count = (np.r_[sums, np.zeros(len(groups) - len(sums))] for sums in (total, count))
        np.add.at(total, group[there], known.drop_null().to_numpy())
        np.add.at(count, group[there], 1)
    rows = [
        dict(zip((*groups.codes, "known_mean"), (*key, float(t / n)), strict=True))
        for key, t, n in zip(groups.keys(), total, count, strict=True)
        if n
    ]
    return [r for r in rows if r["known_mean"] == r["known_mean"]]


def check(context: AuditContext) -> list[dict[str, Any]]:
    if context.trials is None:
        return []
    mean = coverage(context.trials)
    low = [r for r in mean if r["known_mean"] < LEAST]
    kinds = {i["name"]: i["kind"] for i in context.study.get("instruments", [])}
    out = []
    for name in sorted({r["instrument"] for r in low}):
        mine = sorted((r for r in low if r["instrument"] == name), key=lambda r: (r["known_mean"], r["model"], r["condition"]))
        weak = "gains rest on the covered part" if kinds.get(name) == "benchmark" else "shifts are bounded, not identified"
        out.append(
            entry(
                "coverage",
                "warn",
                f"answers to {name} fall short of 95 % coverage for {_models(mine)}: their {weak}",
                {"worst": [[r["model"], r["condition"], round(r["known_mean"], 4)] for r in mine[:10]]},
            )
        )
    out += _gaps(mean, {*context.adapters("null")})
    if out or not mean:
        return out
    return [entry("coverage", "ok", "every model's answers are covered to at least 95 % under every condition", {"cells": len(mean)})]


def _models(rows: list[dict[str, Any]]) -> str:
    count = len({r["model"] for r in rows})
    return f"{count} model{'s' * (count != 1)}"


def _gaps(mean: list[dict[str, Any]], nulls: set[str]) -> list[dict[str, Any]]:
    """Differences of coverage from the base above 2 points: the missing answers alone could make the shift. Nulls claim none."""
    base = {(r["instrument"], r["condition"], r["form"]): r["known_mean"] for r in mean if r["model"] == "base"}
    gaps = [
        (abs(r["known_mean"] - base[place]), r, base[place])
        for r in mean
        if r["model"].rsplit("/seed", 1)[0] not in {"base", *nulls} and (place := (r["instrument"], r["condition"], r["form"])) in base
    ]
    wide = sorted((g for g in gaps if g[0] > LARGEST_GAP), key=lambda g: (-g[0], g[1]["model"], g[1]["condition"]))
    out = []
    for name in sorted({r["instrument"] for _, r, _ in wide}):
        mine = [(r, own) for _, r, own in wide if r["instrument"] == name]
        worst = [[r["model"], r["condition"], round(r["known_mean"], 4), round(own, 4)] for r, own in mine[:10]]
        first = mine[0][0]
        claim = (
            f"coverage of {name} differs from the base's by more than 2 points for {_models([r for r, _ in mine])} "
            f"(most: {first['model']}, {first['condition']}, {first['known_mean']:.3f} against {mine[0][1]:.3f}): not identified"
        )
        out.append(entry("coverage", "warn", claim, {"model, condition, its own, base": worst}))
    return out
