"""TruthfulQA rows (Lin et al. 2022), multiple choice: question, mc1_targets with one true choice."""

from holdfast.errors import DataError
from holdfast.sources import fields
from holdfast.sources.fields import Fields
from holdfast.sources.rows import Row

TYPICAL = (368, 9)


def knows(row: Row) -> bool:
    return "mc1_targets" in row


def read(row: Row) -> Fields:
    target = row.get("mc1_targets")
    if not isinstance(target, dict):
        raise DataError(f"{row['_source']}: mc1_targets: {type(target).__name__}: must hold choices and labels")
    choices, labels = fields.options(row, "mc1_targets.choices", target.get("choices")), target.get("labels")
    if not isinstance(labels, list) or len(labels) != len(choices) or labels.count(1) != 1 or labels.count(0) != len(labels) - 1:
        raise DataError(f"{row['_source']}: mc1_targets.labels: must mark exactly one of {len(choices)} choices with 1, the others with 0")
    question = fields.text(row, "question")
    return {"question": question, "choices": choices, "gold": labels.index(1), "permutation_seed": fields.letters_and_digits(question)}
