"""One model's raw numbers from its trials, as by hand."""

import math

import pytest

from holdfast.analysis import raw_effects
from holdfast.instruments import build
from holdfast.instruments.style import CHAT_STYLE
from holdfast.records import Trial


def trial(item, condition, outcome="other", rotation=0, **numbers):
    return Trial(item_id=item, cluster_id=item, condition=condition, rotation=rotation, form="mass", outcome=outcome, **numbers)


def test_a_benchmark_gives_its_accuracy():
    trials = [trial("a", "neutral", score=1.0), trial("b", "neutral", score=0.0), trial("c", "neutral", score=math.nan)]
    assert raw_effects(build("mmlu", CHAT_STYLE), trials) == {"mmlu": 0.5}
    assert raw_effects(build("mmlu", CHAT_STYLE), trials[2:]) == {"mmlu": None}


def test_an_axis_gives_every_contrast_on_the_items_of_its_set():
    """a is right first, b wrong: excess and raw effects are a's, the corrected share is b's; the two orders of a's options are averaged."""
    trials = [
        trial("a", "neutral", "correct", p_gold=0.9, p_suggested=0.1),
        trial("a", "mention", p_suggested=0.2),
        trial("a", "suggest_wrong", p_suggested=0.6),
        trial("a", "suggest_wrong", p_suggested=0.8, rotation=1),
        trial("b", "neutral", "other", p_gold=0.2, p_suggested=0.5),
        trial("b", "mention", p_suggested=0.5),
        trial("b", "suggest_wrong", p_suggested=1.0),
        trial("b", "suggest_right", p_gold=0.7),
        trial("b", "mention_right", p_gold=0.3),
    ]
    effects = raw_effects(build("imitation", CHAT_STYLE), trials)
    assert effects["imitation.excess_imitation"] == pytest.approx(0.5)
    assert effects["imitation.raw_imitation"] == pytest.approx(0.6) and effects["imitation.regressive"] == pytest.approx(0.7)
    assert effects["imitation.progressive"] == pytest.approx(0.4)
    assert effects["imitation.user_part"] is None and all(k.startswith("imitation.") for k in effects)
