"""MMLU rows (Hendrycks et al. 2021): question, choices, answer (the key's place, from 0), subject."""

from holdfast.errors import DataError
from holdfast.sources import fields
from holdfast.sources.fields import Fields
from holdfast.sources.rows import Row

TYPICAL = (522, 9)


def knows(row: Row) -> bool:
    return {"question", "choices", "answer"} <= row.keys()


def read(row: Row) -> Fields:
    choices, subject = fields.options(row, "choices", row.get("choices")), row.get("subject") or ""
    if not isinstance(subject, str):
        raise DataError(f"{row['_source']}: subject: {subject!r:.60}: must be text; leave it out if there is none")
    return {"question": fields.text(row, "question").strip(), "choices": choices, "gold": fields.label(row, "answer", len(choices)),
            "subject": subject}  # fmt: skip
