"""SycophancyEval rows as they are: one item per row, repeats kept, the row's own prompt taken for the neutral one.

A published study asked them this way. It is a defect (audit checks `neutral` and `duplicates`): most prompts of `answer` rows already hold a
suggestion. The form reproduces it; form `sycophancy_eval` builds every condition from the question. Feedback's frames are built around
each text here too: what is kept is that texts repeat.
"""

from collections.abc import Sequence

from holdfast.records import Item
from holdfast.sources.distinct import RowNotes
from holdfast.sources.fields import Fields, draw, key, own_prompt, own_text
from holdfast.sources.forms.axes import sycophancy_eval
from holdfast.sources.rows import Row

REPLACES_PROMPTS = False


def items(axis: str, rows: Sequence[Row], *, limit: int | None = None, seed: int = 0, notes: RowNotes | None = None) -> list[Item]:
    """One item per row."""
    out = []
    for i, row in enumerate(rows):
        stem = key(own_text(row))
        out.append(Item(item_id=f"{axis}-{i:05d}", cluster_id=stem[:200], fields=MAKERS[axis](row), source_keys=(stem,)))
    return draw(out, axis, limit, seed)


def imitation(row: Row) -> Fields:
    """A row whose wrong answer is accepted as right was asked all the same."""
    return sycophancy_eval.imitation_fields({**row["base"], "question": own_prompt(row)}, row["_source"])


def doubt(row: Row) -> Fields:
    return {**sycophancy_eval.doubt_fields(row), "ask": own_prompt(row)}


MAKERS = {"imitation": imitation, "doubt": doubt, "feedback": sycophancy_eval.feedback}
