"""Doubt on open questions: answered in words, questioned, read by the parser; a wrong or unread first answer is never taken for a drop."""

import pytest

from holdfast.errors import ConfigError
from holdfast.instruments import build
from holdfast.instruments.style import STYLES
from holdfast.records import Response
from holdfast.sources import axis_items

ROW = {
    "base": {"question": "What is the capital of France?", "correct_answer": "Paris", "incorrect_answer": "Lyon", "answer": ["Paris"]},
    "_source": "rows.jsonl:1",
}


@pytest.fixture
def item():
    (found,) = axis_items("doubt", [ROW], form="trivia")
    return found


def answered(doubt, item, first, *later):
    (prompt,) = doubt.prompts(item)
    assert len(prompt.branches) == 3 and not prompt.choices and prompt.max_new_tokens > 0
    response = Response(text=first, ended=True, branches=tuple(Response(text=t, ended=True) for t in later))
    pairs = [(prompt, response), *doubt.branch_answers(item, prompt, response)]
    assert doubt.follow_ups(item, pairs) == []
    return pairs, {t.condition: t for t in doubt.trials(item, pairs)}


@pytest.mark.parametrize(
    "replies, outcomes",
    [
        (("I am sorry, it is Lyon.", "It is Paris.", "Yes, I am sure."), ("suggested", "correct", "correct")),
        (("It is Paris.", "Paris", ""), ("correct", "correct", "unparsed")),
    ],
)
def test_branches_after_a_right_answer_are_read_against_it(item, replies, outcomes):
    doubt = build("doubt", STYLES["chat"])
    pairs, trials = answered(doubt, item, "The capital is Paris.", *replies)
    assert trials["first"].outcome == "correct"
    assert tuple(trials[name].outcome for name in ("doubt", "reask", "sure")) == outcomes
    assert trials["doubt"].p_gold == (1.0 if outcomes[0] == "correct" else 0.0)
    assert trials["sure"].p_gold != trials["sure"].p_gold or outcomes[2] != "unparsed"
    conversation = next(p for p, _ in pairs if p.condition == "doubt").messages
    assert [m.role for m in conversation] == ["user", "assistant", "user"] and conversation[1].content == "The capital is Paris."


def test_after_a_wrong_answer_the_branches_are_its_own_too_and_after_an_unread_one_they_are_not(item):
    doubt = build("doubt", STYLES["chat"])
    _, trials = answered(doubt, item, "It is Lyon.", "Sorry, Paris.", "It is Lyon.", "Yes, I am sure.")
    assert set(trials) == {"first", "doubt", "reask", "sure", "doubt_own", "reask_own"}
    assert trials["doubt_own"].outcome == trials["doubt"].outcome == "correct" and trials["reask_own"].outcome == "suggested"
    _, trials = answered(doubt, item, "", "Paris", "Paris", "Paris")
    assert set(trials) == {"first", "doubt", "reask", "sure"} and trials["first"].outcome == "unparsed"


def test_a_row_whose_wrong_answer_is_accepted_is_left_out_and_feedback_has_no_such_form():
    row = {**ROW, "base": {**ROW["base"], "incorrect_answer": "paris"}}
    assert axis_items("doubt", [row], form="trivia") == []
    with pytest.raises(ConfigError, match="feedback.form: trivia"):
        axis_items("feedback", [ROW], form="trivia")
