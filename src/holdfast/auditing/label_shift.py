"""Label-choice rates: an adapter that starts to prefer a letter moves accuracy without knowing more or less."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from holdfast.analysis.trials import Codes, Groups, Trials
from holdfast.auditing.context import AuditContext, adapters_in, entry
from holdfast.instruments.style import LETTERS
from holdfast.stats.crossed import crossed

LEAST = 0.10  # the limit nearer to 0 must be beyond this
NEXT = "Read the number with all orders of the options averaged, and beside the score of always choosing that letter."


def choice_rates(trials: pa.Table | Trials) -> dict[str, tuple[dict[str, np.ndarray], np.ndarray]]:
    """Per instrument ({model: share of each chosen position [items, positions]}, cluster of each item); nan where not asked."""
    places, models = Groups(["instrument", "item_id", "cluster_id"]), Groups(["instrument", "model"])
    size: dict[str, int] = {}
    for piece in _lettered(trials):
        places.of(piece)
        for name, label in _largest(piece).items():
            size[name] = max(size.get(name, 0), label + 1)
    item = places.codes["item_id"]
    found, place = {}, {}
    for name in size:
        asked = sorted((i, c) for instrument, i, c in places.keys() if instrument == name)
        place[name] = np.zeros(len(item), dtype=np.int64)
        place[name][[item.number[i] for i, _ in asked]] = np.arange(len(asked))
        found[name] = ({}, np.array([c for _, c in asked]))
    for piece in _lettered(trials):
        group, code, label = models.of(piece), item.of(piece["item_id"]), piece["label"].to_numpy()
        keys = models.keys()
        for k in np.unique(group):
            name, model = keys[k]
            rates, clusters = found[name]
            count = rates.setdefault(model, np.zeros((len(clusters), size[name])))
            np.add.at(count, (place[name][code[group == k]], label[group == k]), 1.0)
    for rates, _ in found.values():
        for model, count in rates.items():
            total = count.sum(1, keepdims=True)
            rates[model] = np.divide(count, total, out=np.full_like(count, np.nan), where=total > 0)
    return found


def _lettered(trials: pa.Table | Trials) -> Iterator[pa.RecordBatch]:
    """Rows whose choice was one of several scored positions."""
    for piece in Trials.of(trials).pieces(["instrument", "model", "item_id", "cluster_id", "label", "form"]):
        letter = pc.and_(pc.greater_equal(piece["label"], 0), pc.less(piece["label"], len(LETTERS)))
        yield piece.filter(pc.and_(letter, pc.equal(piece["form"], "mass")))


def _largest(piece: pa.RecordBatch) -> dict[str, int]:
    """{instrument: largest label}"""
    names = Codes()
    code, label = names.of(piece["instrument"]), piece["label"].to_numpy()
    largest = np.full(len(names), -1)
    np.maximum.at(largest, code, label)
    return {name: int(k) for name, k in zip(names.number, largest, strict=True) if k >= 0}


def check(context: AuditContext) -> list[dict[str, Any]]:
    trials = Trials.of(context.trials) if context.trials is not None else None
    if trials is None or not {"label", "domain", "cluster_id"} <= {*trials.column_names}:
        return []
    out, looked, adapters = [], [], adapters_in(trials)
    for name, (rates, clusters) in sorted(choice_rates(trials).items()):
        if "base" not in rates or len(rates) < 2:
            continue
        looked.append(name)
        for domain, models in adapters.items():
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
