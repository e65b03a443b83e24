"""Row forms of axes. A module here is found by its file, whose name is the form's.

`MAKERS[axis]`: row -> the fields of an item, or None for a row that makes none. Rows of one question or text make one item, unless the
module has `items(axis, rows, limit=, seed=, notes=)` of its own. `NOT_FOR[axis]`: why there is no maker for an axis. `REPLACES_PROMPTS = False`: the
rows' own prompts are asked. `knows(row, stem)`: the axis that a row of a file of that name is for.
"""

import importlib
import pkgutil
from collections.abc import Callable, Sequence
from types import ModuleType

from holdfast.errors import ConfigError
from holdfast.records import Item
from holdfast.sources.distinct import Candidate, RowNotes, distinct
from holdfast.sources.fields import Fields, draw, key, own_text
from holdfast.sources.rows import Row

DEFAULT = "sycophancy_eval"
Maker = Callable[[Row], Fields | None]


def names() -> list[str]:
    return sorted((m.name for m in pkgutil.iter_modules(__path__)), key=lambda name: (name != DEFAULT, name))


def axis_form(axis: str, name: str | None) -> ModuleType:
    """The form of that name, the default for None. Raises ConfigError for a name that no module here has."""
    name = name or DEFAULT
    if name not in names():
        raise ConfigError(f"instruments.{axis}.form: {name!r}; available: {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}")


def replaces_prompts(axis: str, name: str | None) -> bool:
    """Whether a form builds items anew, so that prompts which the rows came with are not used."""
    return getattr(axis_form(axis, name), "REPLACES_PROMPTS", True)


def axis_items(
    axis: str, rows: Sequence[Row], *, form: str | None = None, limit: int | None = None, seed: int = 0, notes: RowNotes | None = None
) -> list[Item]:
    """Items of an axis. Raises ConfigError for a form that has none for it, DataError for a malformed row."""
    module = axis_form(axis, form)
    if axis not in module.MAKERS:
        why = f"{form or DEFAULT} rows make items of {', '.join(module.MAKERS)} only; give the axis items_like or items_of"
        raise ConfigError(f"instruments.{axis}.form: {getattr(module, 'NOT_FOR', {}).get(axis, why)}")
    if hasattr(module, "items"):
        return module.items(axis, rows, limit=limit, seed=seed, notes=notes)
    return draw(one_per_text(axis, rows, module.MAKERS[axis], notes), axis, limit, seed)


def axis_of(row: Row, stem: str) -> str | None:
    """The axis for which the first form that recognizes a row makes items; `stem`: its file's name without suffix."""
    modules = (importlib.import_module(f"{__name__}.{name}") for name in names())
    return next((axis for m in modules if hasattr(m, "knows") and (axis := m.knows(row, stem)) is not None), None)


def one_per_text(axis: str, rows: Sequence[Row], make: Maker, notes: RowNotes | None = None) -> list[Item]:
    """One item per question or text, with its options where it has some, from its first row that makes one."""
    candidates = []
    for row in rows:
        text, made = own_text(row), make(row)
        if made is not None:
            right = made["aliases"]["correct"] if "aliases" in made else [] if made.get("gold") is None else [made["values"][made["gold"]]]
            options = (made["ask"],) if "ask" in made else ()
            candidates.append(Candidate(row["_source"], made, text, options, frozenset(map(key, right))))
        elif notes is not None:
            notes.unusable.append(f"{row['_source']}: a wrong answer is right too")
    return distinct(axis, candidates, notes)
