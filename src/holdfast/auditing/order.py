"""Order of training rows: parts laid end to end and never shuffled teach the last part last; a sorted split is a different sample."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from scipy import stats

from holdfast.auditing.answer_key import key_letter
from holdfast.auditing.context import AuditContext, AuditEntry, Origin, TrainingSet, entry
from holdfast.instruments import instrument_class

LUMPED, ENOUGH, TAIL = 0.5, 50, 0.1
NEXT = "Leave train.shuffle on; draw slices of one split with a split_seed; evaluate on a split that no training row comes from."


def lumping(labels: Sequence[str]) -> tuple[float, float]:
    """(0 for a random order .. 1 for sorted labels, one-sided p-value of the number of neighbours with equal labels).

    The count of equal neighbours against its mean and variance over all orders of the same labels (Wald-Wolfowitz runs test in
    its form for several categories: Mood 1940, Ann. Math. Stat. 11:367). nan where every label is the same or differs.
    """
    n = len(labels)
    counts = np.array(list(Counter(labels).values()), dtype=float)
    if n < 3 or len(counts) < 2 or counts.max() < 2:
        return float("nan"), float("nan")
    equal = sum(a == b for a, b in zip(labels[:-1], labels[1:], strict=True))
    pairs = (counts * (counts - 1)).sum()
    expected = pairs / n
    # E[X^2] over orders: a place with itself, two places that share a row, two that share none.
    triples = (counts * (counts - 1) * (counts - 2)).sum()
    fours = (counts * (counts - 1) * (counts - 2) * (counts - 3)).sum() + pairs**2 - ((counts * (counts - 1)) ** 2).sum()
    square = expected + (2 * triples + fours) / (n * (n - 1))
    variance = max(square - expected**2, 1e-12)
    most = n - len(counts)
    share = (equal - expected) / (most - expected) if most > expected else float("nan")
    return float(share), float(stats.norm.sf((equal - 0.5 - expected) / np.sqrt(variance)))


def is_lumped(labels: Sequence[str]) -> bool:
    """Whether rows of one label mostly lie together."""
    if len(labels) < ENOUGH:
        return False
    share, p = lumping(labels)
    return share >= LUMPED and p < 1e-3


def check(context: AuditContext) -> list[AuditEntry]:
    out: list[AuditEntry] = []
    shuffled = context.settings.get("shuffle", True)
    if not shuffled:
        for name in context.adapters():
            if name in context.training:
                out += _tail(name, context.training[name])
                out += _sorted_rows(name, context.training[name])
    out += _slices(context.origins)
    out += _same_split(context)
    if not out and (context.training or context.origins):
        how = "training rows are shuffled every epoch" if shuffled else "training rows are not sorted"
        out = [entry("order", "ok", f"{how}, and no slice is cut from a sorted file", {"shuffle": shuffled})]
    return out


def _tail(name: str, rows: TrainingSet) -> list[AuditEntry]:
    """A last tenth that holds one part only, though the set has several."""
    parts = Counter(rows.owners)
    tail = rows.owners[-max(1, round(TAIL * len(rows.owners))) :]
    if len(parts) < 2 or len({*tail}) > 1 or len(tail) < 5:
        return []
    claim = f"the {len(rows.owners)} training rows of {name} are not shuffled: the last tenth ({len(tail)} rows) is all {tail[-1]}"
    evidence = {"last_tenth": dict(Counter(tail)), "rows": dict(parts), "order": list(dict.fromkeys(rows.owners))}
    return [entry("order", "warn", claim + "; what came last weighs most", evidence)]


def _sorted_rows(name: str, rows: TrainingSet) -> list[AuditEntry]:
    if rows.combined:
        return []
    out = []
    for what, labels in (("category", rows.categories), ("answer letter", [key_letter(e) or "" for e in rows.examples])):
        if labels and is_lumped(labels):
            claim = f"the training rows of {name} are sorted by {what} and not shuffled"
            out.append(entry("order", "warn", claim, {"sorted_by": what, "values": len({*labels}), "rows": len(labels)}))
    return out


def _slices(origins: Sequence[Origin]) -> list[AuditEntry]:
    """Slices cut from a file in its own order, where that order is one of categories: the slice is a choice of categories."""
    out = []
    for o in origins:
        if o.sorted_by and o.split_seed is None and (o.start, o.stop) != (None, None):
            claim = f"{o.owner} takes rows {o.start or 0}:{'' if o.stop is None else o.stop} of {_name(o)}, which is sorted by {o.sorted_by}, without a split_seed"
            out.append(
                entry("order", "warn", claim + ": the slice is a choice of categories", {"owner": o.owner, "sorted_by": o.sorted_by})
            )
    return out


def _same_split(context: AuditContext) -> list[AuditEntry]:
    """Training and evaluation rows of one upstream split: by name, or by the rows' own `split` field."""
    out = []
    asked = {o.kind: o for o in context.origins if o.role == "ask"}
    for o in context.origins:
        other = asked.get(o.kind)
        if o.role != "train" or other is None:
            continue
        same_name = o.data == other.data and o.split == other.split
        fields, data = {*o.upstream} & {*other.upstream}, instrument_class(o.kind).data_set
        has_training_split = data is None or data.train is not None  # assumed where no data set is declared
        if same_name and not _disjoint(o, other):
            claim = f"{o.owner} trains on and {other.owner} asks the same rows of {_name(o)}: the two slices overlap"
            out.append(
                entry(
                    "order", "warn", claim, {"train": [o.start, o.stop, o.split_seed], "ask": [other.start, other.stop, other.split_seed]}
                )
            )
        elif has_training_split and ((same_name and o.split) or fields):
            where = o.split if same_name else ", ".join(sorted(fields))
            claim = (
                f"training rows of {o.owner} and items of {other.owner} are cut from one upstream split ({where}) although {o.kind} has "
                "a split for each: the gain is one within that split"
            )
            out.append(entry("order", "warn", claim, {"split": where, "train": _name(o), "ask": _name(other)}))
    return out


def _disjoint(a: Origin, b: Origin) -> bool:
    if a.split_seed != b.split_seed:
        return False
    first, second = sorted([a, b], key=lambda o: o.start or 0)
    return first.stop is not None and first.stop <= (second.start or 0)


def _name(o: Origin) -> str:
    """Data and split in words, without the folders of this machine."""
    data = o.data.rsplit("/", 1)[-1] if o.data.startswith(("/", ".", "~")) else o.data
    return f"{data}, {o.split}" if o.split else data
