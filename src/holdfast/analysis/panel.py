"""The trials table as arrays: per model and instrument, the rotation-averaged value of every item under every condition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from holdfast.analysis.trials import Groups, Trials, distinct

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


class _Sums:
    """Of one model under one condition: sums over the rotations of every item, added in the order of the rows.

    A column gets an array once it holds a number; missing values (not nan) count for nothing.
    """

    def __init__(self, num_items: int):
        self.count = np.zeros(num_items, dtype=np.int32)
        self.sum: dict[str, np.ndarray] = {}
        self.missing: dict[str, np.ndarray] = {}

    def add(self, place: np.ndarray, columns: dict[str, np.ndarray], known: dict[str, np.ndarray]) -> None:
        """`place` [rows]: of the row's item; `known`: of columns that have missing values, which rows have one."""
        for name, values in columns.items():
            if name not in self.sum and name not in known and np.isnan(values).all():
                continue
            if name not in self.sum:
                self.sum[name] = np.where(self.count > 0, np.nan, 0.0)
            np.add.at(self.sum[name], place, values)
            if name in known:
                np.add.at(self.missing.setdefault(name, np.zeros_like(self.count)), place, ~known[name])
        np.add.at(self.count, place, 1)

    def means(self) -> dict[str, np.ndarray]:
        """Per column over items; nan where there is no value."""
        out = {}
        for name, total in self.sum.items():
            count = self.count - self.missing.get(name, 0)
            out[name] = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
        return out


def panels(trials: pa.Table | Trials) -> tuple[dict[str, Panel], dict[str, Owner]]:
    """({instrument: Panel}, {model: Owner}); of `Trials` they are made once. A column without any number is left out."""
    trials = Trials.of(trials)
    if trials.opened is None:
        trials.opened = _read(trials)
    return trials.opened


def _read(trials: Trials) -> tuple[dict[str, Panel], dict[str, Owner]]:
    named = [c for c in Owner._fields if c in trials.column_names]
    owners = {model: Owner(**dict(zip(named, rest, strict=True))) for model, *rest in distinct(trials, ["model", *named])}
    places = Groups(["instrument", "item_id", "cluster_id"])
    for piece in trials.pieces([*places.codes]):
        places.of(piece)
    items = places.codes["item_id"]
    asked: dict[str, list[tuple[str, str]]] = {}
    for name, item_id, cluster in places.keys():
        asked.setdefault(name, []).append((item_id, cluster))
    out, at = {}, {}
    for name, mine in sorted(asked.items()):
        mine.sort()
        out[name] = Panel([i for i, _ in mine], np.array([c for _, c in mine]))
        at[name] = np.full(len(items), -1)
        at[name][[items.number[i] for i, _ in mine]] = np.arange(len(mine))
    sums: dict[tuple[str, str, str], _Sums] = {}
    groups = Groups(["instrument", "model", "condition"])
    for piece in trials.pieces([*groups.codes, "item_id", "outcome", *COLUMNS]):
        group, item = groups.of(piece), items.of(piece["item_id"])
        columns, known = _columns(piece)
        keys, order = groups.keys(), np.argsort(group, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            key = keys[group[rows[0]]]
            found = sums.setdefault(key, _Sums(len(out[key[0]].items)))
            found.add(at[key[0]][item[rows]], {c: v[rows] for c, v in columns.items()}, {c: k[rows] for c, k in known.items()})
    for name, model, condition in sorted(sums):
        out[name].value.setdefault(model, {})[condition] = sums.pop((name, model, condition)).means()
    return out, owners


def _columns(piece: pa.RecordBatch) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(values of COLUMNS as float64, and of those that have missing ones which rows are known)"""
    outcome = piece["outcome"]
    flags = {"correct": pc.equal(outcome, "correct"), "parsed": pc.not_equal(outcome, "unparsed")}
    columns, known = {}, {}
    for name in COLUMNS:
        column = flags[name] if name in flags else piece[name] if name in piece.schema.names else None
        if column is None:
            continue
        if column.null_count:
            known[name] = column.is_valid().to_numpy(zero_copy_only=False)
            column = column.fill_null(pa.scalar(0).cast(column.type))
        columns[name] = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    return columns, known
