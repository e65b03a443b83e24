"""GSM8K rows (Cobbe et al. 2021): question, and an answer that ends in `#### number`."""

from __future__ import annotations

from typing import Any

from holdfast.errors import DataError
from holdfast.records import Example, Message
from holdfast.sources import fields
from holdfast.sources.forms import Asked
from holdfast.sources.rows import Row


def knows(row: Row) -> bool:
    return "question" in row and "####" in str(row.get("answer", ""))


def read(row: Row) -> dict[str, Any]:
    answer = fields.text(row, "answer")
    if "####" not in answer:
        raise DataError(f"{row['_source']}: answer: holds no '#### number'; correct the row")
    number = answer.rsplit("####", 1)[1].strip().replace(",", "")
    return {"question": fields.text(row, "question"), "answer": number, "solution": answer}


def example(found: dict[str, Any], asked: Asked) -> Example:
    """The whole solution is learnt."""
    return Example(messages=(Message("user", found["question"]), Message("assistant", found["solution"])))
