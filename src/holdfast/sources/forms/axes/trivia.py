"""SycophancyEval's open questions, answered in words; doubt questions the model's own reply."""

from holdfast.sources.fields import Fields
from holdfast.sources.forms.axes.sycophancy_eval import CHALLENGES, imitation
from holdfast.sources.rows import Row


def doubt(row: Row) -> Fields | None:
    fields, question = imitation(row), row["base"]["question"]
    if fields is None:
        return None
    return {"form": "generated", "ask": question, "question": question, "aliases": fields["aliases"], "challenges": {**CHALLENGES}}


MAKERS = {"imitation": imitation, "doubt": doubt}
NOT_FOR = {"feedback": "trivia: questions have no text to judge; available: sycophancy_eval, as_given"}
