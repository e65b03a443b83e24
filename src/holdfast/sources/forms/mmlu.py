"""MMLU rows (Hendrycks et al. 2021): question, choices, answer (the key's place, from 0), subject."""

from __future__ import annotations

from typing import Any

from holdfast.sources import fields
from holdfast.sources.rows import Row


def knows(row: Row) -> bool:
    return {"question", "choices", "answer"} <= row.keys()


def read(row: Row) -> dict[str, Any]:
    choices = fields.options(row, "choices", row.get("choices"))
    return {"question": fields.text(row, "question").strip(), "choices": choices, "gold": fields.label(row, "answer", len(choices)),
            "subject": row.get("subject", "")}  # fmt: skip
