"""Coverage: answers that could not be read leave a shift bounded, not identified; gains do not depend on it (docs/metrics.md, section 4, rule 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from holdfast.analysis.effects import MAX_COVERAGE_GAP, MIN_COVERAGE
from holdfast.analysis.trials import Groups, Trials, pc
from holdfast.auditing.context import AuditContext, AuditEntry, entry

NEXT = "For a shift, read the bounds instead of the estimate; give the model a format it keeps (template, prefill, more new tokens) and measure again."
GAINS = "gains do not depend on this: an unread reply counts as wrong, probability outside the options is left out"


class Coverage(NamedTuple):
    """`mean`: mean kappa of scored answers, or else the share of parsed replies."""

    instrument: str
    condition: str
    model: str
    form: str
    mean: float

    @property
    def place(self) -> tuple[str, str, str]:
        """The part that must agree before two coverages are compared."""
        return self.instrument, self.condition, self.form


def coverage(trials: pa.Table | Trials) -> list[Coverage]:
    """Coverage per instrument, condition, model and form; log-likelihoods cover everything and are left out."""
    groups = Groups(["instrument", "condition", "model", "form"])
    total, count = np.zeros(0), np.zeros(0)
    for piece in Trials.of(trials).pieces([*groups.codes, "kappa", "outcome"]):
        piece = piece.filter(pc.not_equal(piece["form"], "loglik"))
        parsed = pc.not_equal(piece["outcome"], "unparsed")
        scored = pc.and_(pc.equal(piece["form"], "mass"), parsed)  # a missing answer covers nothing
        share = pc.if_else(scored, piece["kappa"], pc.cast(parsed, pa.float64()))
        group, valid = groups.of(piece), share.is_valid().to_numpy(zero_copy_only=False)
        total, count = (np.r_[sums, np.zeros(len(groups) - len(sums))] for sums in (total, count))
        np.add.at(total, group[valid], share.drop_null().to_numpy())
        np.add.at(count, group[valid], 1)
    keys = zip(groups.keys(), total, count, strict=True)
    means = [Coverage(instrument, condition, model, form, float(t / n)) for (instrument, condition, model, form), t, n in keys if n]
    return [c for c in means if c.mean == c.mean]


def check(context: AuditContext) -> list[AuditEntry]:
    means = coverage(context.table) if context.table is not None else []
    low = sorted((c for c in means if c.mean < MIN_COVERAGE), key=lambda c: (c.instrument, c.mean, c.model, c.condition))
    benchmarks = {i.name for i in context.study.instruments if i.kind == "benchmark"}
    out = []
    for name in dict.fromkeys(c.instrument for c in low):
        own = [c for c in low if c.instrument == name]
        effect = GAINS if name in benchmarks else "shifts are bounded, not identified"
        claim = f"answers to {name} fall short of 95 % coverage for {_models(own)}: {effect}"
        out.append(entry("coverage", "warn", claim, {"worst": [[c.model, c.condition, round(c.mean, 4)] for c in own[:10]]}))
    out += _gaps(means, {*context.adapters("null")}, benchmarks)
    if out or not means:
        return out
    return [entry("coverage", "ok", "every model's answers are covered to at least 95 % under every condition", {"cells": len(means)})]


def _models(rows: Sequence[Coverage]) -> str:
    count = len({c.model for c in rows})
    return f"{count} model{'s' * (count != 1)}"


def _gaps(means: Sequence[Coverage], nulls: set[str], benchmarks: set[str]) -> list[AuditEntry]:
    """Differences of coverage from the base above 2 points: missing answers could account for a whole shift. Null adapters are left out."""
    base = {c.place: c.mean for c in means if c.model == "base"}
    adapted = [c for c in means if c.model.rsplit("/seed", 1)[0] not in {"base", *nulls} and c.place in base]
    wide = [c for c in adapted if abs(c.mean - base[c.place]) > MAX_COVERAGE_GAP]
    wide.sort(key=lambda c: (c.instrument, -abs(c.mean - base[c.place]), c.model, c.condition))
    out = []
    for name in dict.fromkeys(c.instrument for c in wide):
        own = [c for c in wide if c.instrument == name]
        worst = [[c.model, c.condition, round(c.mean, 4), round(base[c.place], 4)] for c in own[:10]]
        claim = (
            f"coverage of {name} differs from the base's by more than 2 points for {_models(own)} "
            f"(most: {own[0].model}, {own[0].condition}, {own[0].mean:.3f} against {base[own[0].place]:.3f}): {GAINS if name in benchmarks else 'shifts are not identified'}"
        )
        out.append(entry("coverage", "warn", claim, {"model, condition, its own, base": worst}))
    return out
