"""Rows of the null adapters: the prompts stay, the answers teach nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import DataError
from holdfast.records import Example, Message
from holdfast.sources import with_answers


def asked(i, options=()):
    reply = options[i % len(options)] if options else f"reply {i}"
    return Example(messages=(Message("user", f"question {i}"), Message("assistant", reply)), options=tuple(options))


def told(i):
    return Example(plain=True, messages=(Message("user", f"context {i}"),), completion=f"told {i}")


def reply(example):
    return example.completion if example.plain else example.messages[-1].content


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 9))
def test_permuted_answers_are_the_same_answers_on_other_prompts_of_the_same_form(chats, texts, seed):
    rows = [asked(i) for i in range(chats)] + [told(i) for i in range(texts)]
    made = with_answers(rows, "permuted", seed)
    assert [e.messages[0] for e in made] == [e.messages[0] for e in rows]
    assert sorted(map(reply, made)) == sorted(map(reply, rows))
    assert all(reply(a) != reply(b) and a.plain == b.plain for a, b in zip(rows, made, strict=True))


def test_a_lettered_question_gets_one_of_its_own_options_and_each_about_equally_often():
    rows = [asked(i, ("A", "B", "C", "D")) for i in range(2000)]
    made = [reply(e) for e in with_answers(rows, "permuted", 0)]
    assert {made.count(x) // 100 for x in "ABCD"} <= {4, 5}
    agree = sum(reply(a) == b for a, b in zip(rows, made, strict=True)) / len(rows)
    assert 0.2 < agree < 0.3


def test_always_first_answers_the_option_shown_first_and_leaves_other_rows_out():
    rows = [asked(0, ("x", "y")), asked(1), told(2), asked(3, ("p", "q"))]
    made = with_answers(rows, "first", 0)
    assert [reply(e) for e in made] == ["x", "p"]


def test_own_answers_change_nothing():
    rows = [asked(0), told(1)]
    assert with_answers(rows, "own", 0) == rows


@pytest.mark.parametrize("how, rows", [("first", [asked(0), told(1)]), ("permuted", [asked(0)])])
def test_rows_that_cannot_make_the_null_are_refused(how, rows):
    with pytest.raises(DataError, match=f"answers: {how}"):
        with_answers(rows, how, 0)
