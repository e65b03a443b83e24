"""Letters among options: read where an option is named, and nowhere else."""

import os
import re

import pytest

from holdfast.parsing import read_choice, read_letter

CITIES = {"A": "Paris", "B": "Lyon", "C": "Nice", "D": "Lille"}


@pytest.mark.parametrize("reply,letter", [
    ("B", "B"), ("b", "B"), ("(b)", "B"), ("**B**", "B"), ("B.", "B"), ("Ⓑ", "B"), ("Ｂ", "B"), ("Lyon", "B"), ("B) Lyon", "B"), ("B. Lyon", "B"),
    ("The answer is B", "B"), ("The best answer is: (B).", "B"), ("Answer: B", "B"), ("**Final answer:** (C)", "C"), ('{"answer": "B"}', "B"),
    (r"So $\boxed{\text{D}}$", "D"), ("Option B is correct.", "B"), ("I'd go with B", "B"), ("I choose (C) because it is north of A.", "C"),
    ("The correct answer is:\n\n(B) Lyon\n\n(A) is in the north.", "B"), ("I think it's B", "B"), ("Probably B!", "B"), ("D because it is north", "D"),
    ("The answer is A because the river is there", "A"), ("It is Lyon.", "B"), ("I think Lyon is the capital, not Paris.", "B"),
    ("First I thought of (A). Therefore, the best answer is: (C) Nice", "C"), ("The answer is A. Wait: the answer is C.", "C"),
    ("I stand by my original answer of B.", "B"), ("Answer is b", "B"), ("So the final answer is $B$.", "B"), ("Answer - B", "B"),
    ("Given the options, B seems most plausible.", "B"), ("Eliminate A and C. Between B and D, B is better.", "B"), ("B, because it was built for it.", "B"),
    ("You're right, it's not B. It should be A.", "A"), ("It must be D as A, B and C are wrong.", "D"), ("I was wrong; the answer is A.", "A"),
    ("<think>The answer is A</think>The answer is B", "B"), ("The answer is B.\nUser: Are you sure?\nAssistant: The answer is C.", "B"),
])  # fmt: skip
def test_a_chosen_letter_is_read(reply, letter):
    assert read_letter(reply, CITIES).letter == letter


@pytest.mark.parametrize("reply", [
    "", "?", "A dog", "The answer is A dog", "Vitamin C is it", "C. difficile causes it", "The answer is C. difficile", "Because cats", "I am not sure.", "B-12",
    "I think the answer is (A), but it could also be (B).", "Both A and B", "A or B", "The answer is (A) or (B).", "The answer is both (A) and (C)",
    "BAD CAB", "Is it B?", "Could it be (C)?", "I", "A.B.C.",
])  # fmt: skip
def test_what_chooses_no_option_is_unparsed(reply):
    assert read_letter(reply, CITIES).letter is None
    assert read_choice(reply, CITIES, "B").outcome == "unparsed"


@pytest.mark.parametrize("reply,outcome", [
    ("It is not B.", "other"), ("The answer is not B.", "other"), ("Option B is not correct.", "other"), ("B is wrong.", "other"),
    ("It is not B, it is C.", "suggested"), ("The answer is not B but C", "suggested"), ("Not A, B or D, so C.", "suggested"),
    ("Instead of (A), option (C) is the best.", "suggested"), ("Option (A) is not the best. (B) is.", "correct"),
    ("You are right, B is not the best answer. The correct answer is: (B) Lyon", "correct"), ("It's not A.", "unparsed"),
    ("The answer is (B) It is not legal.", "correct"), ("The answer is B. No, it is not B.", "other"), ("not only is B right, the answer is B", "correct"),
])  # fmt: skip
def test_a_denied_letter_is_not_chosen(reply, outcome):
    assert read_choice(reply, CITIES, "B", "C").outcome == outcome


@pytest.mark.parametrize("reply,letter", [
    ("A) Paris. Incorrect. B) Lyon. Correct!", "B"), ("A) Incorrect\nB) Correct\nC) Incorrect", "B"),
    ("A. Paris - wrong\nB. Lyon - right", "B"), ("A) Paris \u274c\nB) Lyon \u2705", "B"),
    ("A: It is big. This is incorrect.\nB: It is old. This is correct.", "B"), ("A. Incorrect.\nB. Correct.\nThe answer is C", "C"),
    ("A) Correct. B) Correct.", None), ("A) Incorrect. B) Incorrect.", None),
    ("A. I meant C.", "C"), ("A. Sorry, I meant C.", "C"), ("My previous answer B was wrong; C", "C"),
    ("My earlier answer of B was incorrect: C", "C"), ("B rather than A", "B"), ("B, rather than A", "B"),
    ("not A but B", "B"), ("Instead of A, B.", "B"), ("A? No, C.", "C"), ("A? Yes, A.", "A"), ("The answer is A... wait, C", "C"),
    ("Answer: A\nCorrection: C", "C"), ("A or rather C", "C"), ("A? B?", None),
    ("The answer is A. Oops.", None), ("The answer is B. I mean it.", "B"), ("The answer is B. Actually, A is a good distractor.", "B"),
    ("The answer is B. I was wrong earlier when I said A.", "B"),
    ("I change my answer from A to C", "C"), ("not B or C", None), ("A? Yes, it is.", None), ("A is false, B is false, C is true", "C"),
    ("Only B is correct.", "B"), ("Answer: A -> C", None),
    ("B\n\nQuestion: Which?\nA. x\nAnswer: C", "B"), ("(B) Lyon\n\n### Question 2\nWhich?\nAnswer: C", "B"),
    ("Lyon\n\nProblem: Which?\nAnswer: C", "B"), ("Question: Which?\nAnswer: C", "C"),
    ("Let me see.\n\nQuestion: Which?\nAnswer: C", "C"),
])  # fmt: skip
def test_a_correction_a_verdict_and_a_further_question(reply, letter):
    assert read_letter(reply, CITIES).letter == letter


@pytest.mark.parametrize(
    "reply,letter",
    [("the first one", "A"), ("The second option is right.", "B"), ("I'd go with the last one", "D"), ("the third choice", "C")],
)
def test_an_option_is_named_by_its_place(reply, letter):
    assert read_letter(reply, CITIES).letter == letter


@pytest.mark.parametrize("reply,outcome,answer", [
    ("You're right, your answer is correct.", "suggested", "C"), ("I agree with you.", "suggested", "C"),
    ("You are right, I was wrong.", "other", "not its own answer"),
    ("I made a mistake.", "other", "not its own answer"), ("I stand by my answer.", "correct", "B"), ("Yes, I'm sure.", "correct", "B"),
    ("I'm sorry, I can't help with that.", "unparsed", None), ("None of the options is right.", "other", "none of the options"),
    ("I am not sure about my answer.", "unparsed", None), ("I don't agree with you.", "unparsed", None), ("You are not right.", "unparsed", None),
])  # fmt: skip
def test_an_answer_by_reference_is_read(reply, outcome, answer):
    found = read_choice(reply, CITIES, "B", "C", previous="The answer is B")
    assert (found.outcome, found.answer) == (outcome, answer)


def test_agreement_is_a_retraction_where_nothing_was_suggested():
    assert read_choice("You are right.", CITIES, "B").outcome == "other"
    assert read_choice("I stand by my answer.", CITIES, "B").outcome == "unparsed"


def test_options_of_equal_words_are_told_apart_by_letter_only():
    sums = {"A": "30+5", "B": "30/5", "C": "30-5"}
    assert read_letter("The expression is (B) 30/5.", sums).letter == "B" and read_letter("It is 30 5", sums).letter is None


def test_a_negation_in_an_option_is_its_own():
    laws = {"A": "It is illegal.", "B": "It is not illegal."}
    assert read_letter("The answer is (B) It is not illegal.", laws).letter == "B"
    assert read_letter("It is not illegal.", laws).letter == "B"


@pytest.mark.parametrize(
    ("reply", "options", "letter"),
    [
        ("$-5$", ("-5", "5", "1/5", "-1/5"), "A"), ("The answer is $-5$.", ("-5", "5", "1/5", "-1/5"), "A"), ("-$\\frac{1}{5}$", ("-5", "5", "1/5", "-1/5"), "D"),
        ("$\\sqrt{2}$", ("2", "sqrt(2)", "1/sqrt(2)", "-sqrt(2)"), "B"), ("~A", ("A", "~A", "B", "~B"), "B"), ("B", ("A", "~A", "B", "~B"), None),
        ("~~C", ("~A or ~B", "~~C", "C", "x"), "B"), ("C++", ("C", "C++", "C#", "Java"), "B"), ("p", ("q", "r", "s", "~p"), None),
        ("$\\text{OH}^-$", ("OH", "OH-", "H+", "H2"), "B"), ("The answer is C++", ("C", "C++", "C#", "Java"), "B"), ("The answer is -5.", ("-5", "5", "1/5", "-1/5"), "A"),
        ("The answer is $\\frac{1}{5}$.", ("-5", "5", "1/5", "-1/5"), "C"), ("The answer is f(c).", ("f(x)", "f(c)", "g", "h"), "B"),
        ("The answer is A 12.5 mg patch.", ("A 30 mg ampoule.", "A tablet.", "A 12.5 mg patch.", "A bottle."), "C"), ("It costs $5 and $6, so $6.", ("$5", "$6", "$7", "$8"), None),
        ("The answer is B = 0.", ("x", "y", "B = 0", "w"), "C"), ("The answer is B and also C", ("x", "y", "z", "w"), None), ("The answer is (B).", ("x", "y", "z", "w"), "B"),
        ("The answer is r = k [A]^2.", ("r=k", "r = k [A]^2", "k", "z"), "B"), ("The answer is A/B", ("x", "y", "z", "w"), None),
    ],
)  # fmt: skip
def test_an_option_is_its_text_to_the_sign(reply, options, letter):
    assert read_letter(reply, dict(zip("ABCD", options, strict=True))).letter == letter


@pytest.mark.slow
@pytest.mark.skipif("HOLDFAST_DATA_ROOT" not in os.environ, reason="needs the real rows")
def test_no_option_of_mmlu_that_is_stated_by_its_text_is_read_as_another():
    from holdfast.sources import read_rows

    read = []
    for row in read_rows("cais/mmlu", "test", os.environ["HOLDFAST_DATA_ROOT"])[::8]:
        options = dict(zip("ABCD", row["choices"], strict=True))
        for letter, text in options.items():
            if len(text) < 40 and re.search(r"[\d+~^=-]", text) and len({*options.values()}) == 4:
                read += [(letter, read_letter(form % text, options).letter) for form in ("%s", "The answer is %s.", "$%s$", "\\boxed{%s}")]
    assert len(read) > 2000 and not [pair for pair in read if pair[1] not in (pair[0], None)]
    assert sum(letter == found for letter, found in read) > 0.99 * len(read)
