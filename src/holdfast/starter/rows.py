"""Which rows train and which are asked, chosen among those that a folder holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holdfast.sources.survey import Found

SYCOPHANCY_EVAL = "sycophancy_eval"
# What the hub has, for a study without local rows: (kind, data, training split, evaluation split, their rows).
HUB_ROWS = (
    ("gsm8k", "openai/gsm8k", "train", "test", 7473, 1319),
    ("mmlu", "cais/mmlu", "validation", "test", 1531, 14042),
    ("hellaswag", "Rowan/hellaswag", "train", "validation", 39905, 10042),
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one file or split, or a slice of it drawn with seed 0."""

    data: str
    split: str | None
    count: int
    sliced: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """`train` is None where there is nothing to train on; `form`: of an axis's items; `why`: what a user should know of the choice, or nothing."""

    kind: str
    train: Rows | None
    asked: Rows
    why: str = ""
    form: str | None = None


def choose(kind: str, found: Sequence[Found] | None) -> Chosen | None:
    """Rows of a benchmark or axis; `found` None: the hub's own. None if there are none.

    One file alone is cut: two thirds train, a third is asked. Of several without a training split the smallest trains.
    """
    if found is None:
        return _hub(kind)
    mine = [f for f in found if f.kind == kind and f.num_rows]
    mine = [f for f in mine if f.known] or mine
    if not mine:
        return None
    if kind in ("imitation", "feedback", "doubt"):
        return Chosen(kind, None, _whole(max(mine, key=lambda f: f.num_rows)), form=SYCOPHANCY_EVAL)
    if len(mine) == 1:
        return _cut(kind, mine[0].data, mine[0].split, mine[0].num_rows, "one split, cut: two thirds train, a third is asked")
    named = [f for f in mine if "train" in f.file.lower()]
    asked = max((f for f in mine if f not in named), key=lambda f: ("test" in f.file.lower(), f.num_rows), default=None)
    if asked is None:
        asked = min(named, key=lambda f: f.num_rows)
    rest = [f for f in mine if f is not asked]
    train = max([f for f in named if f is not asked] or rest, key=lambda f: f.num_rows)
    why = "" if train in named else f"no training split was found: rows of {train.file} train"
    return Chosen(kind, _whole(train), _whole(asked), why)


def with_lettered(chosen: list[Chosen]) -> list[Chosen]:
    """Axes without rows of their own are asked with the lettered questions of a benchmark that is asked (imitation and doubt)."""
    present = {c.kind: c for c in chosen}
    lettered = present.get("mmlu") or present.get("truthfulqa")
    if lettered is None:
        return chosen
    why = f"no SycophancyEval rows were found: lettered questions of {lettered.kind} are asked under pressure"
    return chosen + [Chosen(axis, None, lettered.asked, why, "lettered") for axis in ("imitation", "doubt") if axis not in present]


def _whole(f: Found) -> Rows:
    return Rows(f.data, f.split, f.num_rows)


def _cut(kind: str, data: str, split: str | None, count: int, why: str) -> Chosen:
    place = max(1, count * 2 // 3)
    name = split or ""
    return Chosen(kind, Rows(data, f"{name}[:{place}]", place, True), Rows(data, f"{name}[{place}:]", count - place, True), why)


def _hub(kind: str) -> Chosen:
    for mine, data, train, test, num_train, num_test in HUB_ROWS:
        if mine == kind:
            return Chosen(kind, Rows(data, train, num_train), Rows(data, test, num_test))
    if kind == "truthfulqa":
        return _cut(kind, "truthfulqa/truthful_qa", "validation", 817, "one split, cut: two thirds train, a third is asked")
    split = {"imitation": "answer", "feedback": "feedback", "doubt": "are_you_sure"}[kind]
    return Chosen(
        kind,
        None,
        Rows("meg-tong/sycophancy-eval", split, {"imitation": 7268, "feedback": 8500, "doubt": 4888}[kind]),
        form=SYCOPHANCY_EVAL,
    )
