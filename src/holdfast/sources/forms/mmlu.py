"""MMLU rows (Hendrycks et al. 2021): question, choices, answer (the key's place, from 0), subject."""

from holdfast.sources import fields
from holdfast.sources.fields import Fields
from holdfast.sources.rows import Row

TYPICAL = (522, 9)


def knows(row: Row) -> bool:
    return {"question", "choices", "answer"} <= row.keys()


def read(row: Row) -> Fields:
    choices = fields.options(row, "choices", row.get("choices"))
    return {"question": fields.text(row, "question").strip(), "choices": choices, "gold": fields.label(row, "answer", len(choices)),
            "subject": row.get("subject", "")}  # fmt: skip
