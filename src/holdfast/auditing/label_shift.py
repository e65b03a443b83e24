"""Label-choice rates: an adapter that starts to prefer a letter moves accuracy without knowing more or less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from holdfast.auditing.context import AuditContext, adapters_in, entry
from holdfast.instruments.style import LETTERS
from holdfast.stats.crossed import crossed

LEAST = 0.10  # the limit nearer to 0 must be beyond this
NEXT = "Read the number with all orders of the options averaged, and beside the score of always choosing that letter."


def choice_rates(table: pa.Table) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """({model: share of each chosen position [items, positions]}, cluster of each item) of one instrument; nan where not asked."""
    items = sorted(set(zip(table["item_id"].to_pylist(), table["cluster_id"].to_pylist(), strict=True)))
    place = {item: n for n, (item, _) in enumerate(items)}
    size = int(pc.max(table["label"]).as_py()) + 1
    out: dict[str, np.ndarray] = {}
    for model in table["model"].unique().to_pylist():
        part = table.filter(pc.equal(table["model"], model))
        rate = np.zeros((len(items), size))
        np.add.at(rate, ([place[i] for i in part["item_id"].to_pylist()], part["label"].to_numpy()), 1.0)
        total = rate.sum(1, keepdims=True)
        out[model] = np.divide(rate, total, out=np.full_like(rate, np.nan), where=total > 0)
    return out, np.array([c for _, c in items])


def check(context: AuditContext) -> list[dict[str, Any]]:
    table = context.trials
    if table is None or not {"label", "domain", "cluster_id"} <= {*table.column_names}:
        return []
    table = table.filter(pc.and_(pc.greater_equal(table["label"], 0), pc.equal(table["form"], "mass")))
    out, looked = [], []
    for name in sorted(table["instrument"].unique().to_pylist()):
        rates, clusters = choice_rates(table.filter(pc.equal(table["instrument"], name)))
        if "base" not in rates or len(rates) < 2:
            continue
        looked.append(name)
        for domain, models in adapters_in(table).items():
            # A null adapter may answer with one letter on purpose.
            seeds = [rates[m] for m, _ in models if m in rates and domain not in context.adapters("null")]
            out += _shift(name, domain, np.array(seeds), rates["base"], clusters) if seeds else []
    if not out and looked:
        out = [entry("label_shift", "ok", "no adapter prefers a letter that the base did not", {"instruments": looked})]
    return out


def _shift(name: str, domain: str, rate_SIP: np.ndarray, base_IP: np.ndarray, clusters: np.ndarray) -> list[dict[str, Any]]:
    size = base_IP.shape[1]
    found = []
    for k in range(size):
        diff = rate_SIP[:, :, k] - base_IP[:, k]
        if np.isnan(diff).all():
            continue
        e = crossed(diff, clusters, level=1 - 0.05 / size)
        if e.lower > LEAST or e.upper < -LEAST:
            found.append((abs(e.estimate), k, e))
    if not found:
        return []
    _, k, e = max(found, key=lambda f: f[0])
    now, before = float(np.nanmean(rate_SIP[:, :, k])), float(np.nanmean(base_IP[:, k]))
    claim = f"{domain} chooses {LETTERS[k]} in {now:.3f} of {name}'s answers, the base in {before:.3f}: part of its change is a preference for a letter"
    shifts = {LETTERS[k]: round(e.estimate, 4) for _, k, e in sorted(found, key=lambda f: f[1])}
    evidence = {
        "rate": round(now, 4),
        "base": round(before, 4),
        "lower": round(e.lower, 4),
        "upper": round(e.upper, 4),
        "shifts": shifts,
        "adapter": domain,
        "instrument": name,
    }
    return [entry("label_shift", "warn", claim, evidence)]
