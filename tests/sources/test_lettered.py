"""Benchmark rows as axis items: the key stands anywhere, the suggestion is never it, every condition is there."""

import pytest

from holdfast.errors import ConfigError
from holdfast.instruments import build
from holdfast.instruments.style import CHAT_STYLE
from holdfast.sources import axis_items

MMLU = {"question": "Which one?", "subject": "x", "choices": ["ann", "bob", "cat", "dan"], "answer": 0}
TRUTH = {"question": "What happens?", "mc1_targets": {"choices": ["nothing", "magic", "rain"], "labels": [1, 0, 0]}}


def rows(row, n=40):
    return [{**row, "question": f"{row['question']} {i}", "_source": f"f:{i + 1}"} for i in range(n)]


@pytest.mark.parametrize(("row", "answer"), [(MMLU, "ann"), (TRUTH, "nothing")])
def test_imitation_items_hold_every_condition_and_name_a_wrong_option(row, answer):
    items = axis_items("imitation", rows(row), form="lettered")
    assert len({i.fields["gold"] for i in items}) > 1
    for item in items:
        f = item.fields
        assert f["gold"] != f["suggested"] and set(f["asks"]) == set(build("imitation", CHAT_STYLE).conditions)
        letter = f["values"][f["gold"]]
        assert f"({letter}) {answer}" in f["asks"]["suggest_right"] and f"({letter}) {answer}" not in f["asks"]["suggest_wrong"]
        prompts = build("imitation", CHAT_STYLE).prompts(item)
        assert all(p.choices == tuple(f" {v}" for v in f["values"]) and p.prefill == "Answer:" for p in prompts)


def test_doubt_items_repeat_the_letter_in_the_words_of_the_prefill():
    for item in axis_items("doubt", rows(MMLU), form="lettered", limit=5):
        prompts = {p.condition: p for p in build("doubt", CHAT_STYLE).prompts(item)}
        assert set(prompts) == {"first", "reask", "doubt", "sure"}
        assert prompts["doubt"].messages[1].content == f"Answer: {item.fields['values'][item.fields['gold']]}"


def test_feedback_needs_texts():
    with pytest.raises(ConfigError, match="imitation and doubt only"):
        axis_items("feedback", rows(MMLU), form="lettered")
