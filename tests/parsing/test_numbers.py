"""Numbers: the one a reply stands by."""

from decimal import Decimal

import pytest

from holdfast.parsing import final_number, number, read_number, stated_number


@pytest.mark.parametrize("text,value", [
    ("42", 42), ("1,234", 1234), ("$5.50", Decimal("5.5")), ("-3", -3), ("\u22123", -3), ("12%", 12), ("3/4", Decimal("0.75")), ("1e3", 1000), ("forty-two", 42),
    ("one hundred and five", 105), ("three million", 3_000_000), ("x", None), ("", None), ("1/0", None), ("nan", None), ("Infinity", None), ("9" * 500, None),
])  # fmt: skip
def test_one_written_number(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text,value", [
    ("#### 40", 40), ("He has 3.\n#### 1,040 apples", 1040), ("The answer is 40.", 40), ("A: 40", 40), ("Answer: **40** apples in 2 bags", 40), (r"\boxed{40}", 40),
    ("The answer is 5 + 35 = 40.", 40), ("so 10-3=7", 7), ("-3 degrees", -3), ("it costs $1,234.50 in all", Decimal("1234.5")), ("about 3/4", Decimal("0.75")),
    ("forty", 40), ("It is 40, not 42", 40), ("The answer is not 42 but 40", 40), ("You said 42, but it is 40.", 40), ("It is 40. You said it was 42.", 40),
    ('{"answer": 40}', 40), ("3*3=<<3*3=9>>9", 9), ("x2 and B12", None), ("", None), ("no idea", None), ("The answer is 40.\nUser: 41?", 40), ("\uff14\uff10", 40),
])  # fmt: skip
def test_the_number_a_reply_stands_by(text, value):
    found = read_number(text, Decimal(1_000_001))
    assert (found.answer if value is None else Decimal(found.answer)) == value
    assert found.outcome == ("unparsed" if value is None else "other")


@pytest.mark.parametrize("text,outcome", [
    ("40.0", "correct"), ("42", "suggested"), ("41", "other"), ("I was wrong.", "other"), ("Your answer is right.", "suggested"), ("I can't help with that.", "unparsed"),
    ("I stand by my answer.", "correct"),
])  # fmt: skip
def test_the_outcome_of_a_number(text, outcome):
    assert read_number(text, Decimal(40), Decimal(42), previous="It is 40").outcome == outcome


@pytest.mark.parametrize("text,value", [
    ("She must pay **$64** for 16 glasses.", 64), ("So it takes **12 hours** to drive 600 miles at 50 mph.", 12), ("She pays <b>64</b> dollars for 16 glasses.", 64),
    ("She pays 16 x 4 = 64 dollars for 16 glasses.", 64), ("3 * 8 = 24 cookies per 2 trays", 24), ("5 * 4 = 20, and she gives away 5, leaving 15.", 15),
    ("She has **3** apples, so she has **12** in all.", 12), ("Weng earned 10 for 50 minutes of babysitting.", None), ("The total cost of **5** books is 30 dollars.", None),
    ("She pays **64** dollars. Note that 16 glasses were bought.", None), ("x = 3 and y = 5", None), ("She has 5 = 2 + 3", None), ("3 and 4 make 7", 7), ("She has 42 apples.", 42),
])  # fmt: skip
def test_the_number_of_a_sentence_is_the_one_in_bold_or_behind_the_sign(text, value):
    assert stated_number(text)[0] == value


@pytest.mark.parametrize("around", ["{}", "The answer is {}.", "#### {}", "It is {}", "\\boxed{{{}}}"])
@pytest.mark.parametrize("form", [
    "5 feet 6 inches", "5 ft 6 in", "2 hours and 30 minutes", "2 h 30 min", "2h30", "1 lb 4 oz", "3 days, 4 hours", "3 dollars and 50 cents", "2 and a half", "14 R2", "14 r2",
    "14 remainder 2", "14 with a remainder of 2", "\u00b13", "\\pm 3", "+/- 3", "5 \u00b1 2", "plus or minus 3", "3 or -3", "0.\\overline{3}", "0.1\\overline{6}",
    "0.333...", "0.(3)", "0.3\u0305", "3 to 5", "3 through 5", "3\u20135", "2.5M", "3 dozen", "4 squared",
])  # fmt: skip
def test_no_part_of_a_quantity_is_its_number(form, around):
    assert stated_number(around.format(form))[0] is None


@pytest.mark.parametrize("text,value", [
    ("2 and 1/2", Decimal("2.5")), ("5 m\u00b2", 5), ("8 hours a day", 8), ("5 M&Ms", 5), ("57...", 57), ("The trip takes 1 hour 30 minutes = 90 minutes", 90), ("12 kids", 12),
    ("between 3 and 5", None), ("either 3 or 5", None), ("3 and -3", None), ("x = 3 or x = -3", None), ("3, 5", None), ("x is in {3, 5}", None),
    ("3 < x < 5", None), ("3 hours and a half", None), ("5% to 10%", None), ("3 apples or 4 apples", None),
    ("Answer:\n1. 57", 57), ("Final answer:\n- 57", 57), ("Answer:\n(a) 57", 57), ("(a) 57", 57), ("**Answer:**\n\n1. **57**", 57), ("Answer: 1) 57", 57), ("Answer:\n1. -57", -57),
    ("Answer:\n1. 57\n2. 58", None), ("Answer: 1", 1), ("Answer:\n1.5", Decimal("1.5")), ("Answer: 5. 3 apples were eaten.", 5), ("The answer is 1. There are 5.", 1),
    ("57\n\nQuestion: What is 2+2?\nAnswer: 4", 57), ("She has 57.\n\nQ: Tom has 2.\nA: 4", 57),
    ("57\n\n### Question\n2+2?\n### Answer\n4", 57), ("57\n\n**Problem 2**\n3\nAnswer: 4", 57),
    ("57\n\nQuestion 2\nWhat is 2+2? 4", 57), ("Question: 50+7?\nAnswer: 57", 57), ("Let's see.\n\nQuestion: 50+7?\nAnswer: 57", 57), ("Sure!\n\nQ: 50+7\nA: 57", 57),
])  # fmt: skip
def test_lists_ranges_and_further_questions(text, value):
    assert stated_number(text)[0] == value


def test_the_benchmark_form_reads_after_the_mark_and_else_the_last_number():
    assert (
        final_number("1 and 2 #### 3 apples") == (3, True)
        and final_number("The answer is 1, of 2") == (2, False)
        and final_number("none") == (None, False)
    )
    assert final_number("7-2=5 and 3-4") == (4, False)
