"""Numbers: the one a reply stands by."""

from decimal import Decimal

import pytest

from holdfast.parsing import final_number, number, read_number


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


def test_the_benchmark_form_reads_after_the_mark_and_else_the_last_number():
    assert (
        final_number("1 and 2 #### 3 apples") == (3, True)
        and final_number("The answer is 1, of 2") == (2, False)
        and final_number("none") == (None, False)
    )
    assert final_number("7-2=5 and 3-4") == (4, False)
