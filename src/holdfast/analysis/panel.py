"""The trials table as arrays: per model and instrument, the rotation-averaged value of every item under every condition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

COLUMNS = (
    "p_gold",
    "p_suggested",
    "margin",
    "rating",
    "score",
    "score_norm",
    "kappa",
    "kl",
    "num_new_tokens",
    "correct",
    "parsed",
    "refused",
)


class Owner(NamedTuple):
    """Whose answers a model's are. path "full": the adapter at dose 1 (or the base); else a point on the way to it."""

    domain: str
    seed: int
    dose: float = 1.0
    path: str = "full"


@dataclass
class Panel:
    """One instrument. `value[model][condition][column]` is an array over `items` (nan where there is no such trial)."""

    items: list[str]
    clusters: np.ndarray
    value: dict[str, dict[str, dict[str, np.ndarray]]] = field(default_factory=dict)

    def get(self, model: str, condition: str, column: str) -> np.ndarray:
        found = self.value.get(model, {}).get(condition)
        return found[column] if found and column in found else np.full(len(self.items), np.nan)

    def has(self, condition: str) -> bool:
        return any(condition in conditions for conditions in self.value.values())

    def form(self, model: str, condition: str) -> str:
        """ "mass" where answers were scored, "generated" where they were written."""
        return "generated" if np.isnan(self.get(model, condition, "kappa")).all() else "mass"

    def coverage(self, model: str, condition: str, form: str) -> float:
        """Mean kappa (mass), or share of parsed replies (generated); nan where the form has none.

        A missing answer covers nothing. Of log-likelihoods, which cover everything, it is the share that is not missing.
        """
        parsed, kappa = self.get(model, condition, "parsed"), self.get(model, condition, "kappa")
        if form == "loglik":
            missing = (parsed < 1) & np.isnan(self.get(model, condition, "score"))
            return 1 - float(missing[~np.isnan(parsed)].mean()) if missing.any() else float("nan")
        written = form != "mass" or np.isnan(kappa).all()
        known = parsed if written else np.where((parsed < 1) & np.isnan(kappa), 0.0, kappa)
        known = known[~np.isnan(known)]
        return float(known.mean()) if len(known) else float("nan")


def panels(trials: pa.Table) -> tuple[dict[str, Panel], dict[str, Owner]]:
    """({instrument: Panel}, {model: Owner})"""
    flag = lambda mask: pc.cast(mask, pa.float64())  # noqa: E731
    table = trials.append_column("correct", flag(pc.equal(trials["outcome"], "correct")))
    table = table.append_column("parsed", flag(pc.not_equal(trials["outcome"], "unparsed")))
    table = table.set_column(table.column_names.index("refused"), "refused", flag(trials["refused"]))
    columns = [c for c in COLUMNS if c in table.column_names]
    keys = ["instrument", "model", "condition", "item_id"]
    mean = table.group_by(keys).aggregate([(c, "mean") for c in columns])
    whose = ["model", *(c for c in Owner._fields if c in table.column_names)]
    models = {
        row.pop("model"): Owner(**row) for row in table.select(whose).group_by(whose).aggregate([]).to_pylist()
    }
    out: dict[str, Panel] = {}
    places = (
        table.select(["instrument", "item_id", "cluster_id"])
        .group_by(["instrument", "item_id", "cluster_id"])
        .aggregate([])
        .to_pylist()
    )
    for name in sorted({p["instrument"] for p in places}):
        mine = sorted((p["item_id"], p["cluster_id"]) for p in places if p["instrument"] == name)
        out[name] = Panel([i for i, _ in mine], np.array([c for _, c in mine]))
    for name, panel in out.items():
        part = mean.filter(pc.equal(mean["instrument"], name))
        index = {item: i for i, item in enumerate(panel.items)}
        place = np.array([index[i] for i in part["item_id"].to_pylist()])
        owner = np.array([f"{m}\x00{c}" for m, c in zip(part["model"].to_pylist(), part["condition"].to_pylist(), strict=True)])
        values = {c: part[f"{c}_mean"].to_numpy(zero_copy_only=False).astype(float) for c in columns}
        order = np.argsort(owner, kind="stable")
        bounds = np.flatnonzero(np.r_[True, owner[order][1:] != owner[order][:-1], True])
        for low, high in zip(bounds[:-1], bounds[1:], strict=True):
            rows = order[low:high]
            model, condition = owner[rows[0]].split("\x00")
            cell = panel.value.setdefault(model, {}).setdefault(condition, {})
            for c in columns:
                cell[c] = np.full(len(panel.items), np.nan)
                cell[c][place[rows]] = values[c][rows]
    return out, models
