"""Optional judges behind any OpenAI-compatible server, believed only after they agree with labels."""

from holdfast.judges.agreement import Kappa, cohens_kappa, measure
from holdfast.judges.cache import ReplyCache
from holdfast.judges.judging import Judged, judge, summary
from holdfast.judges.records import Agreement, Heard, Judgement
from holdfast.judges.rows import judged_items, labelled_items
from holdfast.judges.settings import JudgeSettings, judge_settings

__all__ = [
    "Agreement",
    "Heard",
    "Judged",
    "JudgeSettings",
    "Judgement",
    "Kappa",
    "ReplyCache",
    "cohens_kappa",
    "judge",
    "judge_settings",
    "judged_items",
    "labelled_items",
    "measure",
    "summary",
]
