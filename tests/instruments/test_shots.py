"""Solved examples: earlier turns for a chat model, one text for a plain style; too few of them are refused."""

import pytest

from holdfast.config import load_study
from holdfast.errors import ConfigError, DataError
from holdfast.instruments import build
from holdfast.instruments.style import CHAT_STYLE, LM_EVAL_STYLE
from holdfast.sources import items_from_rows, with_shots

GSM = [{"question": f"{i} and 1?", "answer": f"{i} + 1 = {i + 1}\n#### {i + 1}", "_source": f"f:{i + 1}"} for i in range(8)]
MMLU = [{"question": f"Which {i}?", "subject": "ab"[i % 2], "choices": ["p", "q", "r", "s"], "answer": i % 4, "_source": f"g:{i + 1}"}
        for i in range(12)]  # fmt: skip


def test_a_chat_model_sees_them_as_earlier_turns():
    (item,) = with_shots("gsm8k", items_from_rows("gsm8k", GSM[:1]), GSM[1:], 5)
    (prompt,) = build("gsm8k", CHAT_STYLE).prompts(item)
    assert [m.role for m in prompt.messages] == ["user", "assistant"] * 5 + ["user"]
    assert prompt.messages[1].content == "1 + 1 = 2\n#### 2" and prompt.messages[-1].content == "0 and 1?"


def test_a_plain_style_holds_them_in_one_text_with_the_heading_once():
    (item,) = with_shots("mmlu", items_from_rows("mmlu", MMLU[:1]), MMLU[1:], 2)
    (message,) = build("mmlu", LM_EVAL_STYLE, rotations=1).prompts(item)[0].messages
    assert message.content.count("multiple choice questions") == 1
    assert "Which 2?\nA. p\nB. q\nC. r\nD. s\nAnswer: C\n\nWhich 4?" in message.content and "Which 1?" not in message.content


def test_an_item_is_never_its_own_example_and_too_few_are_refused():
    (item,) = with_shots("gsm8k", items_from_rows("gsm8k", GSM[:1]), GSM, 7)
    assert all(s["question"] != item.fields["question"] for s in item.fields["shots"])
    with pytest.raises(DataError, match="lower shots"):
        with_shots("gsm8k", items_from_rows("gsm8k", GSM[:1]), GSM, 8)


def test_shots_without_a_split_are_refused():
    with pytest.raises(ConfigError, match="shots_split"):
        load_study("llama2-7b", ["instruments.mmlu.shots=5"])
    assert load_study("llama2-7b", ["instruments.mmlu.shots=5", "instruments.mmlu.shots_split=dev"])
