"""HellaSwag rows (Zellers et al. 2019): a context, four endings, the key's place; learned as plain text."""

import re

from holdfast.errors import DataError
from holdfast.records import Example, Message
from holdfast.sources import fields
from holdfast.sources.fields import Fields
from holdfast.sources.forms import ExampleLayout
from holdfast.sources.rows import Row

_TAG = re.compile(r"\[.*?\]")

TYPICAL = (363, 225)


def knows(row: Row) -> bool:
    return "endings" in row and "label" in row


def read(row: Row) -> Fields:
    # The published harness's preprocessing: titles become sentence ends, other tags vanish.
    clean = lambda text: _TAG.sub("", text.strip().replace(" [title]", ". ")).replace("  ", " ")  # noqa: E731
    endings = fields.options(row, "endings", row.get("endings"), most=None)
    first, second = row.get("ctx_a"), row.get("ctx_b")
    both = isinstance(first, str) and isinstance(second, str) and (first.strip() or second.strip())
    context = f"{first} {str(second).capitalize()}" if both else fields.text(row, "ctx")
    activity = row.get("activity_label") or ""
    cleaned = [clean(e) for e in endings]
    for name, given in (("ctx", clean(context)), *((f"endings.{i}", e) for i, e in enumerate(cleaned))):
        if fields.empty(given):
            raise DataError(f"{row['_source']}: {name}: is empty, or is once its [tags] are taken out; correct or remove the row")
    return {"context": clean(f"{activity}: {context}" if activity else context), "endings": cleaned,
            "gold": fields.label(row, "label", len(endings))}  # fmt: skip


def example(row: Fields, layout: ExampleLayout) -> Example:
    return Example(plain=True, messages=(Message("user", row["context"]),), completion=row["endings"][row["gold"]])
