"""Label-choice rates: an adapter that starts to prefer a letter changes its accuracy without knowing more or less."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from holdfast.analysis.trials import Groups, Trials, pc
from holdfast.auditing.context import AuditContext, AuditEntry, adapters_in, entry
from holdfast.instruments.style import LETTERS
from holdfast.stats.crossed import crossed

LEAST = 0.10  # the limit nearer to 0 must be beyond this
NEXT = "Average over all orders of the options, and compare the number with the score of always choosing that letter."


def choice_rates(trials: pa.Table | Trials) -> dict[str, tuple[dict[str, np.ndarray], np.ndarray]]:
    """Per instrument ({model: share of each chosen position [items, positions]}, cluster of each item); nan where not asked."""
    places, models, labels = (Groups(["instrument", *columns]) for columns in (["item_id", "cluster_id"], ["model"], ["label"]))
    size: dict[str, int] = {}
    for piece in _lettered(trials):
        places.of(piece)
        labels.of(piece)
    for name, label in labels.keys():
        size[name] = max(size.get(name, 0), label + 1)
    item = places.codes["item_id"]
    out, place = {}, {}
    for name in size:
        items = sorted((i, c) for instrument, i, c in places.keys() if instrument == name)
        place[name] = np.zeros(len(item.number), dtype=np.int64)
        place[name][[item.number[i] for i, _ in items]] = np.arange(len(items))
        out[name] = ({}, np.array([c for _, c in items]))
    for piece in _lettered(trials):
        group, code, label = models.of(piece), item.of(piece["item_id"]), piece["label"].to_numpy()
        keys = models.keys()
        for k in np.unique(group):
            name, model = keys[k]
            rates, clusters = out[name]
            count = rates.setdefault(model, np.zeros((len(clusters), size[name])))
            np.add.at(count, (place[name][code[group == k]], label[group == k]), 1.0)
    for rates, _ in out.values():
        for model, count in rates.items():
            total = count.sum(1, keepdims=True)
            rates[model] = np.divide(count, total, out=np.full_like(count, np.nan), where=total > 0)
    return out


def _lettered(trials: pa.Table | Trials) -> Iterator[pa.RecordBatch]:
    """Rows whose choice was one of several scored positions."""
    for piece in Trials.of(trials).pieces(["instrument", "model", "item_id", "cluster_id", "label", "form"]):
        letter = pc.and_(pc.greater_equal(piece["label"], 0), pc.less(piece["label"], len(LETTERS)))
        yield piece.filter(pc.and_(letter, pc.equal(piece["form"], "mass")))


def check(context: AuditContext) -> list[AuditEntry]:
    trials = context.table
    if trials is None or not {"label", "domain", "cluster_id"} <= {*trials.column_names}:
        return []
    out, instruments, adapters = [], [], adapters_in(trials)
    for name, (rates, clusters) in sorted(choice_rates(trials).items()):
        if "base" not in rates or len(rates) < 2:
            continue
        instruments.append(name)
        for domain, models in adapters.items():
            # A null adapter may answer with one letter on purpose.
            seeds = [rates[m] for m, _ in models if m in rates and domain not in context.adapters("null")]
            out += _shift(name, domain, np.array(seeds), rates["base"], clusters) if seeds else []
    if not out and instruments:
        out = [entry("label_shift", "ok", "no adapter prefers a letter that the base did not", {"instruments": instruments})]
    return out


def _shift(name: str, domain: str, rate_SIP: np.ndarray, base_IP: np.ndarray, clusters: np.ndarray) -> list[AuditEntry]:
    size = base_IP.shape[1]
    shifts = {}
    for k in range(size):
        diff = rate_SIP[:, :, k] - base_IP[:, k]
        if np.isnan(diff).all():
            continue
        e = crossed(diff, clusters, level=1 - 0.05 / size)
        if e.lower > LEAST or e.upper < -LEAST:
            shifts[k] = e
    if not shifts:
        return []
    k, e = max(shifts.items(), key=lambda pair: abs(pair[1].estimate))
    now, before = float(np.nanmean(rate_SIP[:, :, k])), float(np.nanmean(base_IP[:, k]))
    claim = f"{domain} chooses {LETTERS[k]} in {now:.3f} of {name}'s answers, the base in {before:.3f}: part of its change is a preference for a letter"
    evidence = {
        "rate": round(now, 4),
        "base": round(before, 4),
        "lower": round(e.lower, 4),
        "upper": round(e.upper, 4),
        "shifts": {LETTERS[j]: round(shift.estimate, 4) for j, shift in shifts.items()},
        "adapter": domain,
        "instrument": name,
    }
    return [entry("label_shift", "warn", claim, evidence)]
