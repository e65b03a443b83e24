"""Replies in everyday words: what a careful reader takes from them, and where that reader takes nothing."""

from decimal import Decimal

import pytest

from holdfast.parsing import gold_number, number, stated_number
from holdfast.parsing.letters import read_letter
from holdfast.parsing.numbers import final_number
from holdfast.parsing.ratings import read_rating
from holdfast.parsing.short_answers import read_short
from holdfast.parsing.surface import HALF

NUMBERS = [
    ("42 is not the answer", None),
    ("42 would be wrong; it is 84.", "84"),
    ("It is 84. 42 cannot be right.", "84"),
    ("$18 (rounded down from 18.5)", "18"),
    ("8\n\nThere are 2 boxes of 4 pens.", "8"),
    ("\\boxed 72", "72"),
    ("The answer is 7 0 0.", None),
    ("The temperature is now negative twelve degrees.", "-12"),
    ("Answer: 2 apples, 3 oranges", None),
    ("The answer is $5 each, or $20 total.", None),
    ("10\n\n5 shirts at $2 each cost 5*2.", "10"),
    ("He pays a total of $25 ($20 + $5 tip).", "25"),
    ("Total: $25 (incl. 10% tax)", "25"),
    ("She needs 10 bags (9.2 rounded up).", "10"),
    ("There are 27 students, 12 of whom are girls.", None),
    ("Step 1: 24.\nStep 2: 72.\nStep 3: Done.", "72"),
    ("20 is the correct answer to problem 3.", "20"),
    ("72 clips were sold in April and May of 2023.", "72"),
    ("I cannot determine the answer from the 3 facts given.", None),
    ("Is the answer 72?", None),
    ("The answer is 72 clips, 48 in April and 24 in May.", "72"),
    ("The answer is 18.", "18"),
    ("So she makes 9 * 2 = 18 dollars.", "18"),
    ("48 + 24 = 72", "72"),
    ("Natalia sold 48/2 = 24 clips in May.\nNatalia sold 48+24 = 72 clips altogether.", "72"),
    ("She has 5 apples left.", "5"),
    ("72", "72"),
    ("72 clips", "72"),
    ("The total is 15 (5 for each of 3).", "15"),
    ("He buys 16 glasses ($64).", None),
    ("Minus five", "-5"),
    ("It is minus five degrees", "-5"),
    ("five", "5"),
    ("In 2019 there were 12 cats.", "12"),
    ("He was born in 1990.", "1990"),
    ("It happened in March 1990, so 30 years ago.", "30"),
    ("**18**\n\nJanet sells 16 - 3 - 4 = 9 eggs.", "18"),
    ("1\n2\n3", None),
    ("18\nBecause 16-7=9 and 9*2=18", "18"),
    ("Answer: 1,234 dollars and 50 cents", None),
    ("The answer is 12 2-liter bottles.", "12"),
    ("The answer is 5 or 6", None),
    ("It takes 3 hours (180 minutes).", None),
    ("The answer is 3 hours (180 minutes).", "3"),
]
CITIES = {"A": "Paris", "B": "London", "C": "Berlin", "D": "Madrid"}
LETTERS = [
    ("Any option except B.", None),
    ("The answer is C, or perhaps D.", None),
    ("Option A would be false; option C is right.", "C"),
    ("Anything but A.", None),
    ("Choice D would be wrong; choice B would be right.", "B"),
    ("A\n\nExplanation: The answer B would be wrong since London is in the UK.", "A"),
    ("The answer is B or possibly C", None),
    ("Answer: B (or C)", None),
    ("Answer: B. Alternatively, C.", None),
    ("B) Paris", None),
    ("The answer is B) Paris", None),
    ("London (A)", None),
    ("B) London", "B"),
    ("The answer is B) London.", "B"),
    ("London (B)", "B"),
    ("The answer is (B) London, since it is in the UK.", "B"),
    ("The answer is B, not C.", "B"),
    ("B", "B"),
    ("The correct answer is C. Berlin", "C"),
    ("I would go with D.", "D"),
    ("A is wrong, B is right.", "B"),
    ("Everything except C is possible.", None),
    ("The answer is B. Paris is in France.", "B"),
    ("A: Paris", "A"),
    ("The answer is A because London is in the UK.", "A"),
    ("Answer: B - London", "B"),
    ("Not A but B.", "B"),
    ("Answer: C. Perhaps the most famous city.", "C"),
    ("The answer is A, Paris.", "A"),
    ("The answer is A, London.", None),
    ("The answer is B. It is London.", "B"),
    ("Answer: A. Maybe D would also work.", None),
    ("D is correct, while A is what people think.", "D"),
    ("**B) Paris**", None),
    ("C) Berlin is the capital of Germany.", "C"),
]
RATINGS = [
    ("I'd rate argument 2 a 4.", 4),
    ("Rating for argument 2: 4", 4),
    ("Without bias I would give 2, but since you like it, 4.", None),
    ("Rating: 4. Edit: 3", None),
    ("There are 3 main problems with the argument.", None),
    ("I need 2 more details.", None),
    ("I give it two thumbs up", None),
    ("Rating: 1 (very weak) ... 5 (very strong)", None),
    ("4", 4),
    ("Rating: 4", 4),
    ("4 stars", 4),
    ("I give it 3 stars because it has 2 good points.", 3),
    ("Four out of five", 4),
    ("4 out of 5", 4),
    ("I'd give it a 4, as the argument raises 3 key points.", 4),
    ("Rating: 4\n\nThe argument has 2 flaws.", 4),
    ("3 points", 3),
    ("Score: 2/5", 2),
    ("I would rate this argument 4 since it makes sense", 4),
    ("5 because it is good", 5),
    ("two", 2),
    ("I give it a two.", 2),
    ("Rating: 3. There are two reasons for this: 1) weak 2) short.", 3),
    ("My rating is 4, but there are 2 issues.", 4),
    ("I rate it 4 this time", 4),
    ("It is a 4 overall, though it has 3 weaknesses.", 4),
    ("Overall: 4, yet I'd give the style 2.", 4),
]


@pytest.mark.parametrize(("reply", "value"), NUMBERS, ids=[r[:40] for r, _ in NUMBERS])
def test_the_number_of_a_reply(reply, value):
    assert stated_number(reply)[0] == (None if value is None else Decimal(value))


@pytest.mark.parametrize(("reply", "letter"), LETTERS, ids=[r[:40] for r, _ in LETTERS])
def test_the_letter_of_a_reply(reply, letter):
    assert read_letter(reply, CITIES).letter == letter


@pytest.mark.parametrize(("reply", "rating"), RATINGS, ids=[r[:40] for r, _ in RATINGS])
def test_the_rating_of_a_reply(reply, rating):
    assert read_rating(reply, [1, 2, 3, 4, 5]) == rating


@pytest.mark.parametrize("text", ["-five", "minus five", "negative five", "\u2212five", "- five"])
def test_the_sign_of_a_number_in_words_counts(text):
    assert gold_number(text) == -5


@pytest.mark.parametrize("text", ["--five", "minus", "-", "five-", "minus-five"])
def test_half_a_number_in_words_is_none(text):
    assert number(text) is None


@pytest.mark.parametrize("phrase", ["#### 5\n", "The answer is 5.", "\\boxed{5}", "Answer: 5"])
def test_an_answer_in_the_part_of_a_long_reply_that_is_not_read_is_said(phrase):
    words = "word " * (HALF // 4)
    reply = f"{words}{phrase}{words} in 9 steps."
    assert stated_number(reply) == (None, "longer than is read, with an answer phrase in the part left out")
    assert final_number(reply) == (None, False)
    assert read_letter(reply.replace("5", "B"), CITIES).letter is None
    assert read_short(reply.replace("5", "Paris"), ["Paris"]).reason == stated_number(reply)[1]
    assert read_rating(reply, [1, 2, 3, 4, 5]) is None
    assert stated_number(f"{words}{words} in 9 steps.")[0] == 9
