"""The trials table as arrays: per model and instrument, the rotation-averaged value of every item under every condition."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from holdfast.analysis.trials import Groups, Trials, distinct, pc
from holdfast.errors import DataError

OTHER = "log_other."  # before a number: log-probability of an option that is neither right nor suggested, nats
WHOLE = 1e-3  # how far from 1 the probabilities of all options may sum
NUMBERS = ("p_gold", "p_suggested", "margin", "rating", "score", "score_norm", "kappa", "kl", "num_new_tokens", "refused")


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
        """A column's values.

        Args:
            model: name of a model.
            condition: name of a condition.
            column: one of NUMBERS, "correct" or "parsed", or an option of `options`.
        Returns:
            Means over the orders of the options [items]; nan where there is no value.
        """
        columns = self.value.get(model, {}).get(condition, {})
        return columns[column] if column in columns else np.full(len(self.items), np.nan)

    def options(self, model: str, condition: str) -> np.ndarray:
        """Log-probabilities of all options of scored answers.

        Args:
            model: name of a model.
            condition: name of a condition whose trials hold `loglik_others`.
        Returns:
            [items, options], nats: the right option, the suggested one, then the others; -inf where an item has no such option; nan for
            an item whose options are not all known, as their probabilities do not sum to 1.
        """
        columns = self.value.get(model, {}).get(condition, {})
        others = [columns[n] for n in sorted(columns) if n.startswith(OTHER)]
        right_I, suggested_I = self.get(model, condition, "p_gold"), self.get(model, condition, "p_suggested")
        with np.errstate(divide="ignore"):
            log_IK = np.stack([np.log(right_I), np.log(suggested_I), *others], axis=1)
        log_IK = np.where(np.isnan(log_IK) & ~np.isnan(right_I)[:, None], -np.inf, log_IK)
        whole = np.abs(np.exp(log_IK).sum(1) - 1) < WHOLE
        return np.where(whole[:, None], log_IK, np.nan)

    def has(self, condition: str) -> bool:
        """Whether any model was asked under a condition.

        Args:
            condition: its name.
        Returns:
            True or False.
        """
        return any(condition in conditions for conditions in self.value.values())

    def form(self, model: str, condition: str) -> str:
        """How answers were given.

        Args:
            model: name of a model.
            condition: name of a condition.
        Returns:
            "mass" where they were scored, "generated" where they were written.
        """
        return "generated" if np.isnan(self.get(model, condition, "kappa")).all() else "mass"

    def coverage(self, model: str, condition: str, form: str) -> float:
        """Share of answers that could be read. A missing answer covers nothing.

        Args:
            model: name of a model.
            condition: name of a condition.
            form: "mass", "generated" or "loglik".
        Returns:
            Mean kappa (mass), or the share of parsed replies (generated), 0 to 1; of log-likelihoods, which cover everything, the share
            that is not missing. nan where nothing is missing of log-likelihoods, and where there is no answer.
        """
        parsed, kappa = self.get(model, condition, "parsed"), self.get(model, condition, "kappa")
        if form == "loglik":
            missing = (parsed < 1) & np.isnan(self.get(model, condition, "score"))
            return 1 - float(missing[~np.isnan(parsed)].mean()) if missing.any() else float("nan")
        written = form != "mass" or np.isnan(kappa).all()
        share = parsed if written else np.where((parsed < 1) & np.isnan(kappa), 0.0, kappa)
        share = share[~np.isnan(share)]
        return float(share.mean()) if len(share) else float("nan")


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
    """The arrays of a trials table; of `Trials` they are made once. A column without any number is left out.

    Args:
        trials: one row per model, item, condition and order of the options.
    Returns:
        ({instrument: Panel}, {model: Owner}).
    Raises:
        DataError: the table cannot be read.
    """
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
    of_instrument: dict[str, list[tuple[str, str]]] = {}
    for name, item_id, cluster in places.keys():
        of_instrument.setdefault(name, []).append((item_id, cluster))
    out, at = {}, {}
    for name, mine in sorted(of_instrument.items()):
        mine.sort()
        out[name] = Panel([i for i, _ in mine], np.array([c for _, c in mine]))
        at[name] = np.full(len(items.number), -1)
        at[name][[items.number[i] for i, _ in mine]] = np.arange(len(mine))
    sums: dict[tuple[str, str, str], _Sums] = {}
    groups = Groups(["instrument", "model", "condition"])
    for piece in trials.pieces([*groups.codes, "item_id", "outcome", "loglik_others", *NUMBERS]):
        group, item = groups.of(piece), items.of(piece["item_id"])
        columns, known = _columns(piece)
        keys, order = groups.keys(), np.argsort(group, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
            key = keys[group[rows[0]]]
            total = sums.setdefault(key, _Sums(len(out[key[0]].items)))
            total.add(at[key[0]][item[rows]], {c: v[rows] for c, v in columns.items()}, {c: k[rows] for c, k in known.items()})
    for name, model, condition in sorted(sums):
        out[name].value.setdefault(model, {})[condition] = sums.pop((name, model, condition)).means()
    return out, owners


def _columns(piece: pa.RecordBatch) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """(values of every column as float64, and of those that have missing ones which rows are known)"""
    every = {name: piece[name] for name in NUMBERS if name in piece.schema.names}
    every |= {"correct": pc.equal(piece["outcome"], "correct"), "parsed": pc.not_equal(piece["outcome"], "unparsed")}
    columns, known = {}, {}
    for name, column in every.items():
        if column.null_count:
            known[name] = column.is_valid().to_numpy(zero_copy_only=False)
            column = column.fill_null(pa.scalar(0).cast(column.type))
        columns[name] = pc.cast(column, pa.float64()).to_numpy(zero_copy_only=False)
    kind = piece["loglik_others"].type if "loglik_others" in piece.schema.names else pa.null()
    if not (pa.types.is_null(kind) or (pa.types.is_list(kind) and pa.types.is_floating(kind.value_type))):
        raise DataError(f"table: column loglik_others holds {kind}; lists of numbers are needed")
    if not pa.types.is_null(kind) and "kappa" in columns:
        columns |= _others(piece["loglik_others"], columns["kappa"])
    return columns, known


def _others(lists: pa.Array, kappa: np.ndarray) -> dict[str, np.ndarray]:
    """Log-probabilities of the other options, a column for each place in the lists; nan: no such option."""
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    values = pc.list_flatten(lists).cast(pa.float64()).to_numpy(zero_copy_only=False)
    starts = np.cumsum(lengths) - lengths
    out = {}
    for k in range(int(lengths.max(initial=0))):
        there = lengths > k
        column = np.full(len(lengths), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            column[there] = values[starts[there] + k] - np.log(kappa[there])
        out[f"{OTHER}{k:02d}"] = column
    return out
