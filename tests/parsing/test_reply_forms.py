"""Replies and truths in every form of writing: each is read as it is meant, or refused with the rule."""

import json
import time
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from benchmarks import malformed
from benchmarks.malformed_cases.replies import KINDS, PIECES, readings, replies
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.errors import DataError
from holdfast.instruments.written import read_choice as read_written_choice
from holdfast.judges.prompts import Question, verdict_of
from holdfast.parsing import comparison_key, final_number, gold_number, normal, read_letter, read_rating, stated_number, strip_reasoning
from holdfast.parsing.transcripts import json_line, read_row
from holdfast.records import Message, Prompt

RIGHT = Path(__file__).with_name("replies_read_rightly.jsonl")
relaxed = settings(deadline=None, max_examples=150)


def outcome_of(row):
    try:
        return read_row(row, "t.jsonl:1").outcome
    except DataError as error:
        assert str(error).startswith("t.jsonl:1: ")
        return "refused"


def test_every_form_has_its_right_outcome():
    made = list(readings())
    assert len(made) > 2000
    assert [(name, outcome) for name, row, outcome in made if outcome_of(row) != outcome] == []


def test_replies_that_were_read_rightly_still_are():
    rows = [json.loads(line) for line in RIGHT.read_text(encoding="utf-8").split("\n") if line]
    assert rows and [r["id"] for r in rows if outcome_of(r) != r["id"].partition(":")[2]] == []


def test_the_command_reads_them_too(tmp_path):
    ask = malformed.Runner(tmp_path)
    for case in list(replies())[::120]:
        assert ask(case).wrong(case) is None, case.name


# --- numbers -----------------------------------------------------------------------------------------------------------------

GAPS = [",", "{,}", "\\,", "\\ ", ",\\!", " ", "\u00a0", "\u202f", "\u2009", "'", "_"]


@relaxed
@given(st.integers(-(10**12), 10**12), st.sampled_from(GAPS), st.sampled_from(["-", "\u2212", "\u2013", "\ufe63"]))
def test_a_grouped_number_is_the_number_whatever_parts_its_groups(value, gap, minus):
    written = ("" if value >= 0 else minus) + f"{abs(value):,}".replace(",", gap)
    assert gold_number(written) == value
    assert stated_number(f"The answer is {written}.")[0] == value == stated_number(f"So \\(\\boxed{{{written}}}\\)")[0]
    assert final_number(f"work\n#### {written}") == (value, True)


@relaxed
@given(st.integers(0, 99), st.integers(1, 99), st.integers(1, 99))
def test_fractions_and_mixed_numbers_are_exact(whole, above, below):
    exact = Decimal(above) / Decimal(below)
    for form in (f"{above}/{below}", f"\\frac{{{above}}}{{{below}}}", f"{above}\u2044{below}"):
        assert gold_number(form) == exact == stated_number(f"The answer is {form}")[0]
    if above < below:
        mixed = Fraction(whole * below + above, below)
        for form in (f"{whole} {above}/{below}", f"{whole}\\frac{{{above}}}{{{below}}}"):
            assert gold_number(form) == Decimal(mixed.numerator) / Decimal(mixed.denominator) == stated_number(form)[0]


@pytest.mark.parametrize("text", ["12,5", "3-4", "5 or 6", "5 and a half", "0,5", "3:45", "x", "", "nan", "\u00b15", "9" * 401, "2.5M", "$2.5M", "5 bn", "3 k", "2 thousands",
                                  "5 lakh", "5 tenths", "3 eighths", "4 squared", "0x10", "5x", "0.333...", "one two", "twenty twelve", "ten twenty"])  # fmt: skip
def test_a_truth_that_could_be_two_numbers_is_refused_with_the_rule(text):
    with pytest.raises(ValueError, match=r"must be|longer"):
        gold_number(text)


@pytest.mark.parametrize(("text", "value"), [("5 m", 5), ("5m", 5), ("3k", 3000), ("2 million", 2_000_000), ("20 Kids", 20), ("5 Bananas", 5), ("8 Mbps", 8), ("twenty-one", 21),
                                             ("one hundred and five", 105), ("6000 nails", 6000), ("12 boxes", 12), ("3 mice", 3), ("72.", 72)])  # fmt: skip
def test_a_unit_behind_a_truth_is_no_scale(text, value):
    assert gold_number(text) == value


@pytest.mark.parametrize(("text", "value"), [
    ("Yes, I'm 100% sure.", None), ("18, and I'm 95% sure.", 18), ("She earns $18 every day. I am 100% confident.", 18), ("It is 14. Confidence: 95%", 14),
    ("14\nConfidence: 0.9", 14), ("It is 30% likely to rain.", 30), ("I say 14 with 80 percent certainty.", 14),
    ("The probability is 30%.", 30), ("So the chance is 95%.", 95), ("She is sure of 40% of them, so 12.", 12),
])  # fmt: skip
def test_how_sure_a_reply_is_of_itself_is_no_answer(text, value):
    assert stated_number(text)[0] == value


@pytest.mark.parametrize("text,value", [
    ("Answer: 5. Wait, no: 6", 6), ("Answer: 5. Sorry for the confusion!", 5), ("Answer: 5. Oops.",
    None), ("#### 5\nLet me recheck: 2+4=6\n#### 6", 6), ("The answer is 5. Let me check: 2+3=5.",
    5),
    ("My answer was 5. The correct answer is 6.", 6), ("\\boxed{5}, so \\boxed{6}", 6), ("\\boxed{\\boxed{7}}",
    7), ("\\boxed{12", None), ("= 18.Next", 18), ("18dollars", 18), ("#### 1. Read\n#### 2. Add\nTotal 20",
    20),
    ("I'd say 3 or 4", None), ("10 minus 5 is 5", 5), ("The answer is minus 5", -5), ("Final answer: 5\nConfidence: 90%", 5), ("The answer is 40 (= 8 x 5)", 40),
])  # fmt: skip
def test_what_follows_the_first_mark_that_is_not_taken_back(text, value):
    assert stated_number(text)[0] == value


# --- reasoning ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text,rest", [
    ("no marks", "no marks"), ("<think>a</think>b", "b"), ("a</think>b", "b"), ("<think>a",
    None), ("b<think>a", None), ("b <think>a</think> ", "b "), ("<think>a</think>b<think>c", None),
    ("[THINK]a[/THINK]b", "b"),
    ("<|begin_of_thought|>a<|end_of_thought|>b", "b"), ("\u25c1think\u25b7a\u25c1/think\u25b7b",
    "b"), ("<seed:think>a</seed:think>b", "b"), ("&lt;think&gt;a&lt;/think&gt;b", "b"), ("I am [thinking] of b",
    "I am [thinking] of b"),
    ("<think", "<think"), ("", ""),
])  # fmt: skip
def test_what_follows_the_reasoning(text, rest):
    assert strip_reasoning(text) == rest


@pytest.mark.parametrize("reply,verdict", [
    ("<thinking>VERDICT abc: A</thinking>VERDICT abc: B", "b"), ("[THINK]\nVERDICT abc: A", None), ("VERDICT abc: A\n</think>\nVERDICT abc: B", "b"), ("VERDICT abc: A", "a"),
])  # fmt: skip
def test_a_judge_is_read_behind_its_reasoning(reply, verdict):
    assert verdict_of(Question(item_id="i", order="o", prompt="p", tag="abc", meanings={"A": "a", "B": "b"}), reply) == verdict


# --- letters and names -------------------------------------------------------------------------------------------------------

CITIES = {"A": "Oslo", "B": "Bern", "C": "Rome", "D": "Lima"}


@relaxed
@given(
    st.lists(st.sampled_from("ABCD"), min_size=2, max_size=4, unique=True),
    st.sampled_from(["{}. {}", "({}) {}", "{}) {}", "- {}. {}", "Option {}: {}", "**{}.** {}"]),
)
def test_a_list_of_options_chooses_none_and_does_not_hide_the_answer_after_it(listed, form):
    shown = "\n".join(form.format(x, CITIES[x]) for x in sorted(listed))
    for options in (CITIES, dict.fromkeys("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "")):
        assert read_letter(shown, options).letter is None
        assert read_letter(f"{shown}\n\nThe answer is C", options).letter == "C"


@pytest.mark.parametrize("one,other", [
    ("Is P \u222a Q inside R?", "Is P \u2229 Q inside R?"), ("3 + 4", "3 - 4"), ("\u0915\u0932",
    "\u0915\u0940\u0932"), ("C", "C++"), ("r\u00e9sum\u00e9", "resume"), ("10\u00b2", "102"), ("x > 3",
    "x < 3"), ("5", "-5"),
])  # fmt: skip
def test_two_texts_of_unlike_signs_are_not_the_same_text(one, other):
    assert comparison_key(one) != comparison_key(other)


@pytest.mark.parametrize(
    "one,other",
    [
        ("A  b", "a b"),
        ("caf\u00e9", "cafe\u0301"),
        ("\u201cx\u201d", '"x"'),
        ("3 \u2212 4", "3 - 4"),
        ("a\u00a0b", "a b"),
        ("a\u200bb", "ab"),
    ],
)
def test_two_texts_of_one_writing_are_the_same_text(one, other):
    assert comparison_key(one) == comparison_key(other)


def test_signs_and_operators_are_part_of_a_name():
    names = [
        "C",
        "C++",
        "C#",
        "Cl-",
        "Cl+",
        "x > 3",
        "x < 3",
        "x >= 3",
        "5",
        "-5",
        "3 + 4",
        "3 - 4",
        "3 / 4",
        "a -> b",
        "A+",
        "\u0915\u0932",
        "\u0915\u0940\u0932",
        "\u0439",
        "\u0438",
    ]
    assert len({normal(n) for n in names}) == len(names)
    assert normal("x \u2265 3") == normal("x>=3") and normal("AC/DC") == "ac dc" and normal("1990\u20131995") == normal("1990-1995")


# --- ratings -----------------------------------------------------------------------------------------------------------------

RATED = {
    4: ["4", "I would give it 4 out of 5.", "4/5", "Rating: **4/5**", "4.0", "Four out of five",
    "four", "4 stars", "\u2605\u2605\u2605\u2605\u2606", "I'd give 4. On a scale from 1 to 5.",
    "Rating: 4 (out of 5)", "4\n\n1. Good\n2. Short",
        "Rating: 4\n1. Good\n2. Bad", "1. Good\n2. Short\n\nRating: 4", "4. The argument has 2 points.",
        "\\boxed{4}", "\uff14", "Overall rating: 4\nClarity: 3", "On a scale of 1 (very bad) to 5 (very good), 4.",
        "<think>5</think>4", '{"rating": 4}',
        "The rating is 4 out of a possible 5", "4 \u2013 good", "I'd rate this argument a 4, as it makes 3 good points.",
        "Rating: 4 \u2b50", "4\u2b50", "Rating: 4/5 - 2 issues", "My 1st impression: 4", "Clarity 3/5. Logic 5/5. Overall: 4/5", "| Clarity | 5 |\n| Overall | 4 |",
        "4\n\nQuestion: Rate this.\nRating: 2"],
    3: ["not a 5, rather a 3", "5. Wait, no: 3", "I can't give it a 5. It's a 3.", "With 5 being the best, 3.", "3 (on a 1-5 scale)"],
    None: ["3.5", "3\u00bd", "4.5 out of 5", "between 3 and 4", "3 or 4", "3-4", "8/10", "80%",
    "7", "0", "-4", "at least 4", "almost a 5", "4+", "4 and a half", "4,5", "Clarity score: 3\nLogic score: 4",
    "one of the best", "", "good", "<think>4", "4, 5", "4 or 5", "4-", "4th", "4x", "4 \u2192 2", "4 -> 2", "4/5, 3/5", "4\n5", "\u00b1 4", "4 (or 5)",
    "Rating: four or five", "Clarity 4/5, logic 2/5", "4 \u2b50\u2b50",
           "4. Wait, that's wrong.", "I'd give it a 5 if it had sources, but as it is, 3."],
}  # fmt: skip


@pytest.mark.parametrize("value,reply", [(v, r) for v, replies_ in RATED.items() for r in replies_])
def test_a_rating_is_read_on_its_scale(value, reply):
    assert read_rating(reply, [1, 2, 3, 4, 5]) == value
    prompt = Prompt(condition="none", messages=(Message("user", "q"),), choices=(" 1", " 2", " 3", " 4", " 5"), prefill=" Rating:")
    assert read_written_choice(prompt, reply) == (None if value is None else value - 1)


@pytest.mark.parametrize("choices,reply,found", [
    (("red", "blue"), "It is not red, it is blue.", 1), (("red", "blue"), "not blue", None),
    (("red", "blue"), "red, no, blue", 1), (("red", "blue"), "<think>red</think>blue", 1), (("red",
    "blue"), "<think>red", None),
    (("A", "B"), "A. one\nB. two", None), (("A", "B"), "A. one\nB. two\nB", 1),
])  # fmt: skip
def test_a_written_choice_is_read_where_it_is_asserted(choices, reply, found):
    assert read_written_choice(Prompt(condition="neutral", messages=(Message("user", "q"),), choices=choices), reply) == found


# --- any text ----------------------------------------------------------------------------------------------------------------


@relaxed
@given(st.lists(st.sampled_from([*PIECES, "5", "B", "Oslo", " ", "\n", "\ud800", "\u2605"]), max_size=30).map("".join))
def test_no_reply_breaks_a_reader(reply):
    for kind, (truth, _, _) in KINDS.items():
        json_line(read_row({"kind": kind, "response": reply, **truth}, "t:1").outcome)
    assert read_rating(reply, [1, 2, 3, 4, 5]) in (None, 1, 2, 3, 4, 5)
    assert comparison_key(comparison_key(reply)) == comparison_key(reply)


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    [
        "1,",
        "<think",
        "\\boxed{",
        "{",
        "Answer:",
        "A. x\n",
        "the answer is 5 ",
        "[",
        "1 000 ",
        "x > ",
        "1",
        "a ",
        "<",
        "\u00b11",
        "5 ft ",
        "A) Correct. ",
        "1. ",
    ],
)
def test_the_time_of_a_reading_grows_with_the_length_of_the_reply_at_most(piece):
    def seconds(size):
        reply = (piece * size)[:size]
        start = time.process_time()
        for kind, (truth, _, _) in KINDS.items():
            read_row({"kind": kind, "response": reply, **truth}, "t:1")
        read_rating(reply, [1, 2, 3, 4, 5])
        normal(reply)
        return time.process_time() - start

    # 8 times the text; were it quadratic, 64 times the time, and every time.
    assert any(seconds(40_000) < 24 * max(seconds(5_000), 0.01) for _ in range(3))
