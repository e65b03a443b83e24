"""GSM8K rows (Cobbe et al. 2021): question, and an answer that ends in `#### number`."""

from holdfast.errors import DataError
from holdfast.parsing import gold_number
from holdfast.records import Example, Message
from holdfast.sources import fields
from holdfast.sources.fields import Fields
from holdfast.sources.forms import ExampleLayout
from holdfast.sources.rows import Row

TYPICAL = (519, 286)


def knows(row: Row) -> bool:
    return "question" in row and "####" in str(row.get("answer", ""))


def read(row: Row) -> Fields:
    answer = fields.text(row, "answer")
    if "####" not in answer:
        raise DataError(f"{row['_source']}: answer: holds no '#### number'; correct the row")
    stated = answer.rsplit("####", 1)[1].strip()
    try:
        number = gold_number(stated)
    except ValueError as error:
        raise DataError(f"{row['_source']}: answer: '#### {stated:.60}': {error}; correct the row") from None
    return {"question": fields.text(row, "question"), "answer": format(number, "f"), "solution": answer}


def example(row: Fields, layout: ExampleLayout) -> Example:
    """The whole solution is learned."""
    return Example(messages=(Message("user", row["question"]), Message("assistant", row["solution"])))
