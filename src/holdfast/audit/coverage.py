"""Coverage: answers that could not be read are missing, and a rate over the rest is not identified (METRICS section 4, rule 1)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from holdfast.audit.context import AuditContext, entry


def check(context: AuditContext) -> list[dict[str, Any]]:
    table = context.trials.filter(pc.not_equal(context.trials["form"], "loglik"))
    known = pc.if_else(
        pc.equal(table["form"], "mass"), table["kappa"], pc.cast(pc.not_equal(table["outcome"], "unparsed"), pa.float64())
    )
    mean = table.append_column("known", known).group_by(["instrument", "condition", "model"]).aggregate([("known", "mean")])
    low = [r for r in mean.to_pylist() if r["known_mean"] < 0.95]
    out = []
    for name in sorted({r["instrument"] for r in low}):
        mine = sorted((r for r in low if r["instrument"] == name), key=lambda r: (r["known_mean"], r["model"], r["condition"]))
        out.append(
            entry(
                "coverage",
                "warn",
                f"answers to {name} fall short of 95 % coverage for {len({r['model'] for r in mine})} models: "
                "their shifts are bounded, not identified",
                {"worst": [[r["model"], r["condition"], round(r["known_mean"], 4)] for r in mine[:10]]},
            )
        )
    return out or [
        entry(
            "coverage", "ok", "every model's answers are covered to at least 95 % under every condition", {"cells": mean.num_rows}
        )
    ]
