"""The truth of a row: the exact number, option or answer it states, or the row is refused by file, line and field."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast import parsing
from holdfast.errors import DataError
from holdfast.sources import axis_items, items_from_rows

SOURCE = "rows.jsonl:7"
SWAG = {"ctx": "A man sits on a bench.", "endings": ["he stands", "he eats", "he reads"], "label": "1"}
MMLU = {"question": "Which?", "choices": ["a", "b", "c"], "answer": 1}
TRUTH = {"question": "What?", "mc1_targets": {"choices": ["a", "b", "c"], "labels": [0, 1, 0]}}
DOUBT = {"base": {"question": "Which?", "answers": "\n(A) one\n(B) two", "correct_letter": "B"}}
IMITATION = {"base": {"question": "Who?", "correct_answer": "Ann", "incorrect_answer": "Bob", "answer": ["Ann"]}}


def fields_of(kind, row):
    made = axis_items(kind, [{**row, "_source": SOURCE}]) if "base" in row else items_from_rows(kind, [{**row, "_source": SOURCE}])
    return made[0].fields


def refusal(kind, row):
    with pytest.raises(DataError) as error:
        fields_of(kind, row)
    assert str(error.value).startswith(f"{SOURCE}: ") and "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("stated", "value"),
    [
        ("6000 nails", 6000), ("6,000", 6000), ("$6,000.50", "6000.5"), ("3 1/2", "3.5"), ("2½ cups", "2.5"), ("\u22127", -7), ("12%", 12),
        ("1{,}234", 1234), ("1\\,234,567", None), ("12\u202f000", 12000), ("12,5", None), ("1.234,5", None), ("5 or 6", None), ("", None),
        ("many", None), ("3-4", None), ("-3/4", "-0.75"), ("5/0", None), ("7 km/h", 7), ("\uff15", 5), ("1e3", 1000), ("1,00", None),
    ],
)  # fmt: skip
def test_a_truth_is_its_exact_number_or_the_row_is_refused(stated, value):
    row = {"question": "How many?", "answer": f"12*500=6000\n#### {stated}"}
    if value is None:
        assert "answer: '#### " in refusal("gsm8k", row)
        return
    assert Decimal(fields_of("gsm8k", row)["answer"]) == Decimal(value) == parsing.number(fields_of("gsm8k", row)["answer"])


@given(
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12),
    st.sampled_from(["", " nails", "%", "."]),
)
def test_any_written_number_is_its_own_truth(value, unit):
    for stated in (f"{value}{unit}", f"{value:,}{unit}"):
        assert Decimal(fields_of("gsm8k", {"question": "q", "answer": f"#### {stated}"})["answer"]) == value


@pytest.mark.parametrize("given_", [1, "1", " 1 ", 1.0, "01"])
def test_a_place_is_a_whole_number_in_any_form(given_):
    assert fields_of("mmlu", {**MMLU, "answer": given_})["gold"] == 1 == fields_of("hellaswag", {**SWAG, "label": given_})["gold"]


@pytest.mark.parametrize(
    "given_",
    [True, False, None, "", "²", "٣", "1.5", 1.5, -1, "-1", "B", 3, "3", 10**400, float("nan"), float("inf"), [1], {"a": 1}, "1 2"],
)
def test_what_is_no_place_is_refused(given_):
    for kind, row in (("mmlu", {**MMLU, "answer": given_}), ("hellaswag", {**SWAG, "label": given_})):
        said = refusal(kind, row)
        assert "from 0 to 2" in said and ("count from 0" in said) == (given_ in (3, "3") and given_ is not True)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 0], [0, 2, 0], [0, 1], ["0", "1", "0"], None, [0, 1, None], 1, [0.5, 1, 0], []])
def test_one_choice_is_marked_true_and_the_others_false(labels):
    assert "labels" in refusal("truthfulqa", {**TRUTH, "mc1_targets": {"choices": ["a", "b", "c"], "labels": labels}})


@pytest.mark.parametrize("kind", ["mmlu", "truthfulqa"])
def test_there_are_letters_for_26_options(kind):
    def row(n):
        options = [f"o{i}" for i in range(n)]
        if kind == "mmlu":
            return {**MMLU, "choices": options}
        return {**TRUTH, "mc1_targets": {"choices": options, "labels": [0, 1] + [0] * (n - 2)}}

    assert len(fields_of(kind, row(26))["choices"]) == 26
    for n in (27, 40):
        assert f"{n} options" in refusal(kind, row(n))


def test_five_endings_are_five_values():
    from holdfast.config import InstrumentConfig
    from holdfast.instruments import build_configured

    item = items_from_rows("hellaswag", [{**SWAG, "endings": list("abcde"), "label": 4, "_source": SOURCE}])[0]
    (prompt,) = build_configured(InstrumentConfig(kind="hellaswag")).prompts(item)
    assert prompt.values == ("0", "1", "2", "3", "4") and prompt.gold == 4


@pytest.mark.parametrize("bare", ["[header]", "[title]", "", "\u200b", "[a] [b]", "\t\n", "[step][substeps]\u00a0"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_ending_that_is_empty_once_cleaned_is_refused(bare, place):
    endings = [bare if i == place else e for i, e in enumerate(SWAG["endings"])]
    assert f"endings.{place}" in refusal("hellaswag", {**SWAG, "endings": endings})


def test_a_context_that_is_empty_once_cleaned_is_refused():
    assert "ctx" in refusal("hellaswag", {**SWAG, "ctx": "[header]", "activity_label": "Sitting"})


@pytest.mark.parametrize("bare", ["", " ", "\u200b\u200d", "\ufeff", "\x00", "\u2028"])
def test_a_text_in_which_nothing_is_seen_is_empty(bare):
    for kind, row in (("mmlu", {**MMLU, "question": bare}), ("gsm8k", {"question": bare, "answer": "#### 1"}),
                      ("doubt", {"base": {**DOUBT["base"], "question": bare}}), ("feedback", {"base": {"text": bare}})):  # fmt: skip
        refusal(kind, row)


def test_a_field_that_is_missing_is_named_with_those_that_are_there():
    assert "question: is missing; the row has Question, choices, answer" in refusal(
        "mmlu", {"Question": "x", "choices": ["a", "b"], "answer": 0}
    )
    assert "base.question" in refusal("doubt", {"base": {"answers": "(A) x\n(B) y", "correct_letter": "A"}})
    assert "question: is missing" in refusal("imitation", {"base": {"text": "x", "correct_answer": "a", "incorrect_answer": "b"}})


def test_an_option_of_several_lines_is_whole():
    made = fields_of("doubt", {"base": {**DOUBT["base"], "answers": "(A) one\nand more\n\n(B) two"}})
    assert "(A) one\nand more\n(B) two\n" in made["ask"] and made["gold"] == 1
    for answers in ("(A) \n(B) two\n(C) three", "(A) one\n(C) two", "(A) one", "(B) one\n(C) two", None):
        assert "base.answers" in refusal("doubt", {"base": {**DOUBT["base"], "answers": answers}})
    for letter in ("C", "b", "", None, 1, "AB"):
        assert "correct_letter" in refusal("doubt", {"base": {**DOUBT["base"], "correct_letter": letter}})


def test_the_right_answer_is_among_the_accepted_ones():
    made = fields_of("imitation", {"base": {**IMITATION["base"], "answer": ["Anne", "Anna"]}})
    assert made["aliases"]["correct"] == ["Anne", "Anna", "Ann"]
    assert fields_of("imitation", {"base": {**IMITATION["base"], "answer": ["ann", 7]}})["aliases"]["correct"] == ["ann", "7"]
    for names in ([None], [""], [["Ann"]], [True], [{}]):
        assert "base.answer" in refusal("imitation", {"base": {**IMITATION["base"], "answer": names}})


@pytest.mark.parametrize("subject", [3, ["x"], {"a": 1}])
def test_a_subject_is_text(subject):
    assert "subject" in refusal("mmlu", {**MMLU, "subject": subject})
    assert fields_of("mmlu", {**MMLU, "subject": None})["subject"] == ""
