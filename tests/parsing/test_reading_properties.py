"""What holds for any reply."""

import re
import time
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.parsing import OUTCOMES, normal, read_choice, read_letter, read_number, read_short
from holdfast.parsing.text import plain

CITIES = {"A": "Paris", "B": "Lyon", "C": "Nice", "D": "Lille"}
REPLIES = [
    "The answer is B.", "I think it is Lyon.", "It is not B.", "Option C is correct because 7 comes after 6.", "I don't know.", "Paris, not Lyon.",
    "I'm sorry, I can't help with that.", "You are right, I was wrong.", "The answer is 42.", "So the total is 12.", "It is Rome.", "B",
]  # fmt: skip
QUOTES = ['You said "{}". ', "> {}\n\n", "You said {}. ", "You think that it is {}. ", "You suggested that it is {}. ", 'You wrote: "{}". ']
relaxed = settings(deadline=None, max_examples=150)


def outcomes(reply):
    return (
        read_choice(reply, CITIES, "B", "C").outcome,
        read_short(reply, ["Lyon"], ["Nice"]).outcome,
        read_number(reply, Decimal(42), Decimal(12)).outcome,
    )


@relaxed
@given(st.lists(st.text("ABCDabcdxyz", min_size=2, max_size=9), min_size=1, max_size=12), st.sampled_from([" ", ", ", ". ", "\n", "; "]))
def test_a_letter_inside_a_word_is_never_read(parts, gap):
    assert read_letter(gap.join(parts), dict.fromkeys("ABCD", "")).letter is None


@pytest.mark.slow
@relaxed
@given(st.sampled_from(REPLIES), st.sampled_from(QUOTES), st.sampled_from(["Paris", "Nice", "A", "(D)", "42", "12", "Lyon", "B"]))
def test_quoted_user_text_before_a_reply_does_not_change_its_outcome(reply, quote, said):
    assert outcomes(quote.format(said) + reply) == outcomes(reply)


@relaxed
@given(
    st.sampled_from(REPLIES),
    st.sampled_from([" You said {}.", ' You said "{}".', "\n> {}"]),
    st.sampled_from(["Paris", "Nice", "(A)", "12"]),
)
def test_quoted_user_text_after_a_reply_does_not_change_its_outcome(reply, quote, said):
    if len(reply) > 1:
        assert outcomes(reply + quote.format(said)) == outcomes(reply)


VARIANTS = [
    lambda t: f"  \n{t}\t ", lambda t: f"**{t}**", lambda t: t.replace(" ", "  "), lambda t: t.replace("'", "\u2019"), lambda t: f"\u200b{t}\ufeff", lambda t: f"<b>{t}</b>",
    lambda t: f"# {t}", lambda t: t.replace(" ", "\u00a0"), lambda t: re.sub("[A-Za-z0-9]", lambda m: chr(ord(m.group()) + 0xFEE0), t),
    lambda t: f"\x1b{t}\x07", lambda t: f"`{t}`",
    lambda t: f"_{t}_", lambda t: t.replace("\n", "\r\n"),
]  # fmt: skip


@pytest.mark.parametrize("vary", VARIANTS)
@pytest.mark.parametrize("reply", REPLIES)
def test_whitespace_markdown_and_unicode_variants_do_not_change_the_outcome(reply, vary):
    assert outcomes(vary(reply)) == outcomes(reply)


@relaxed
@given(st.text(st.characters(codec="utf-8", exclude_characters="+-*/^:#%", exclude_categories=("Pd", "Sm", "Sk")), max_size=60))
def test_the_normal_form_of_a_normal_form_is_itself(text):
    once = normal(text)
    assert normal(once) == once


TOKENS = ["Lyon", "lyon", "Lyonnais", "xLyon", "Nice", "nicely", "Paris", "not", "B", "(A)", "42", "7", " ", "\n", ". ", "? ", ", ", "you said ",
          "I was wrong", "the answer is ", "but ",
          "or ", "'s ", '"', "**", "\u202e", "-", "####", ">", "user: ", "\\boxed{", "}"]  # fmt: skip
soup = st.lists(st.sampled_from(TOKENS), max_size=25).map("".join)


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(soup)
def test_an_answer_is_never_correct_or_suggested_unless_it_stands_in_the_reply_as_whole_words(reply):
    found = read_short(reply, ["Lyon"], ["Nice"])
    for outcome, name in (("correct", "lyon"), ("suggested", "nice")):
        if found.outcome == outcome and found.reason != "says the user is right":
            assert re.search(rf"(?<![^\W_]){name}(?![^\W_])", plain(reply).casefold())


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(soup)
def test_any_reply_has_one_known_outcome_and_reading_its_answer_again_gives_it_again(reply):
    for found, again in (
        (read_short(reply, ["Lyon"], ["Nice"]), lambda a: read_short(a, ["Lyon"], ["Nice"])),
        (read_choice(reply, CITIES, "B", "C"), lambda a: read_choice(a, CITIES, "B", "C")),
        (read_number(reply, Decimal(42), Decimal(7)), lambda a: read_number(a, Decimal(42), Decimal(7))),
    ):
        assert found.outcome in OUTCOMES and found.reason and (found.answer is None) == (found.outcome == "unparsed")
        if found.outcome in ("correct", "suggested"):
            assert again(found.answer).outcome == found.outcome
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", found.answer or "")


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "(",
        "B ",
        "not ",
        "the answer is ",
        "you said ",
        "9",
        '"',
        "a. ",
        "**",
        "\ufdfa",
        "Lyon ",
        "it is not Lyon, ",
        "[x](y ",
        "while although ",
        "-1",
        "either or ",
        "#",
        "$-",
        "~~a",
    ],
)
def test_a_megabyte_of_anything_is_read_in_bounded_time(piece):
    reply = (piece * (1_000_000 // len(piece) + 1))[:1_000_000]
    start = time.process_time()
    outcomes(reply)
    assert time.process_time() - start < 20
