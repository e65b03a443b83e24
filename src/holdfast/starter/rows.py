"""Which rows train and which are evaluated, chosen among those that a folder holds or the hub has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from holdfast import instruments
from holdfast.instruments.lettered import Lettered
from holdfast.sources import forms
from holdfast.sources.forms import axes
from holdfast.sources.forms.axes import lettered
from holdfast.sources.survey import RowFile

CUT = "one split, cut: two thirds train, a third is asked"


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one file or split, or a slice of it drawn with seed 0."""

    data: str
    split: str | None
    count: int
    sliced: bool = False


class RowChoice(NamedTuple):
    """`train` is None where there is nothing to train on; `form`: of an axis's items; `why`: a remark for the user, or nothing."""

    kind: str
    train: Rows | None
    asked: Rows
    why: str = ""
    form: str | None = None


def choose_all(files: Sequence[RowFile] | None) -> list[RowChoice]:
    """Rows of every benchmark and axis that has some; `files` None: the hub's own.

    Axes without rows of their own are asked with the lettered questions of a chosen benchmark, where that form has items for them.
    """
    classes = instruments.available()
    choices = [c for kind in classes if (c := _choose(kind, files)) is not None]
    source = next((c for c in choices if issubclass(classes[c.kind], Lettered) and c.kind in forms.names()), None)
    if source is None or not any(c.train for c in choices):
        return choices
    why = f"no SycophancyEval rows were found: lettered questions of {source.kind} are asked under pressure"
    made_here = [
        n for n, axis in instruments.available("axis").items() if axis.items_of is None and (axis.items_like or n) in lettered.MAKERS
    ]
    absent = [axis for axis in made_here if axis not in {c.kind for c in choices}]
    return choices + [RowChoice(axis, None, source.asked, why, "lettered") for axis in absent]


def _choose(kind: str, files: Sequence[RowFile] | None) -> RowChoice | None:
    """A single file is cut: two thirds train, a third is asked. Of several without a training split the smaller trains."""
    classes = instruments.available()
    made = classes[kind]
    source = made.items_like or kind
    trains = made.kind == "benchmark" and kind in forms.names()
    form = axes.DEFAULT if made.kind == "axis" and made.items_of is None else None
    if files is None:
        data = made.data_set or classes[source].data_set
        if data is None:
            return None
        asked = Rows(data.name, data.test, data.num_test)
        if trains and data.train is None:
            return _cut(kind, asked)
        return RowChoice(kind, Rows(data.name, data.train, data.num_train) if trains else None, asked, form=form)
    mine = [f for f in files if f.kind == source and f.num_rows]
    mine = [f for f in mine if f.in_place] or mine
    if not mine:
        return None
    if not trains:
        return RowChoice(kind, None, _whole(max(mine, key=lambda f: f.num_rows)), form=form)
    if len(mine) == 1:
        return _cut(kind, _whole(mine[0]))
    named = [f for f in mine if "train" in f.file.lower()]
    asked = max((f for f in mine if f not in named), key=lambda f: ("test" in f.file.lower(), f.num_rows), default=None)
    if asked is None:
        asked = min(named, key=lambda f: f.num_rows)
    train = max([f for f in named if f is not asked] or [f for f in mine if f is not asked], key=lambda f: f.num_rows)
    why = "" if train in named else f"no training split was found: rows of {train.file} train"
    return RowChoice(kind, _whole(train), _whole(asked), why)


def _whole(f: RowFile) -> Rows:
    return Rows(f.data, f.split, f.num_rows)


def _cut(kind: str, rows: Rows) -> RowChoice:
    place = max(1, rows.count * 2 // 3)
    name = rows.split or ""
    train = Rows(rows.data, f"{name}[:{place}]", place, True)
    asked = Rows(rows.data, f"{name}[{place}:]", rows.count - place, True)
    return RowChoice(kind, train, asked, CUT)
