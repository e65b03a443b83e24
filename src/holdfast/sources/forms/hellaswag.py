"""HellaSwag rows (Zellers et al. 2019): a context, four endings, the key's place; learnt as plain text."""

from __future__ import annotations

import re
from typing import Any

from holdfast.records import Example, Message
from holdfast.sources import fields
from holdfast.sources.forms import Asked
from holdfast.sources.rows import Row

_TAG = re.compile(r"\[.*?\]")


def knows(row: Row) -> bool:
    return "endings" in row and "label" in row


def read(row: Row) -> dict[str, Any]:
    # The published harness's preprocessing: titles become sentence ends, other tags vanish.
    clean = lambda text: _TAG.sub("", text.strip().replace(" [title]", ". ")).replace("  ", " ")  # noqa: E731
    endings = fields.options(row, "endings", row.get("endings"))
    halves = row.get("ctx_a"), row.get("ctx_b")
    both = all(isinstance(h, str) for h in halves) and any(map(str.strip, halves))
    context = f"{halves[0]} {str(halves[1]).capitalize()}" if both else fields.text(row, "ctx")
    activity = row.get("activity_label") or ""
    return {"context": clean(f"{activity}: {context}" if activity else context), "endings": [clean(e) for e in endings],
            "gold": fields.label(row, "label", len(endings))}  # fmt: skip


def example(found: dict[str, Any], asked: Asked) -> Example:
    return Example(plain=True, messages=(Message("user", found["context"]),), completion=found["endings"][found["gold"]])
