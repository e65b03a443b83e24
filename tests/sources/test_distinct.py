"""Two rows are one item only where text, options and key are the same; what is merged or left out is told."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.config import Study
from holdfast.errors import DataError
from holdfast.sources import axis_items, items_from_rows
from holdfast.sources.distinct import RowNotes
from holdfast.sources.fields import key
from holdfast.sources.materials import Materials

PAIRS = [
    ("Is P \u222a Q inside R?", "Is P \u2229 Q inside R?"),
    ("What is 3 + 4?", "What is 3 - 4?"),
    ("\u0915\u0932 \u0915\u093e \u0905\u0930\u094d\u0925?", "\u0915\u0940\u0932 \u0915\u093e \u0905\u0930\u094d\u0925?"),
    ("Who made C?", "Who made C++?"),
    ("Who made C?", "Who made C#?"),
    ("Is x > 3?", "Is x < 3?"),
    ("Is x = 3?", "Is x \u2260 3?"),
    ("What is Cl-?", "What is Cl+?"),
    ("What is 2 * 3?", "What is 2 / 3?"),
    ("What is 2\u00b2?", "What is 22?"),
    ("What is \u00bd?", "What is 12?"),
    ("What is 3.5?", "What is 35?"),
    ("What is -5?", "What is 5?"),
    ("What is \u22125?", "What is 5?"),
    ("What is 5!?", "What is 5?"),
    ("What is 50%?", "What is 50?"),
    ("What is $5?", "What is \u20ac5?"),
    ("What is x-y?", "What is xy?"),
    ("What does r\u00e9sum\u00e9 mean?", "What does resume mean?"),
    ("\u05e9\u05c1\u05dd?", "\u05e9\u05c2\u05dd?"),
    ("\u0e01\u0e34\u0e19?", "\u0e01\u0e34\u0e19\u0e4c?"),
    ("Is the rapist here?", "Is therapist here?"),
    ("What is 3 4?", "What is 34?"),
    ("\u2200x P?", "\u2203x P?"),
    ("A \u2192 B?", "A \u2190 B?"),
    ("\U0001f600?", "\U0001f622?"),
    ("2*(3+4)?", "2*3+4?"),
    ("What is ~p?", "What is p?"),
    ("What is A & B?", "What is A | B?"),
]


def rows_of(kind, texts, answers):
    made = {
        "mmlu": lambda t, k: {"question": t, "choices": ["7", "-1"], "answer": k},
        "gsm8k": lambda t, k: {"question": t, "answer": f"#### {k}"},
        "hellaswag": lambda t, k: {"ctx": t, "endings": ["it ends", "it goes on"], "label": k},
        "truthfulqa": lambda t, k: {"question": t, "mc1_targets": {"choices": ["x", "y"], "labels": [1 - k, k]}},
        "doubt": lambda t, k: {"base": {"question": t, "answers": "(A) x\n(B) y", "correct_letter": "AB"[k]}},
        "imitation": lambda t, k: {"base": {"question": t, "correct_answer": "xy"[k], "incorrect_answer": "z"}},
    }[kind]
    return [{**made(t, k), "_source": f"rows.jsonl:{i + 1}"} for i, (t, k) in enumerate(zip(texts, answers, strict=True))]


def items(kind, rows, notes=None):
    return (axis_items if "base" in rows[0] else items_from_rows)(kind, rows, notes=notes)


@pytest.mark.parametrize("kind", ["mmlu", "gsm8k", "hellaswag", "truthfulqa", "doubt", "imitation"])
def test_signs_marks_and_operators_make_another_item(kind):
    for pair in PAIRS:
        made = items(kind, rows_of(kind, pair, (0, 1)))
        assert len(made) == 2, pair
        assert made[0].source_keys != made[1].source_keys and made[0].cluster_id != made[1].cluster_id, pair


@given(st.text(min_size=1, max_size=20), st.text(min_size=1, max_size=20))
def test_texts_are_one_item_only_if_they_are_the_same_text(a, b):
    a, b = f"q{a}.", f"q{b}."
    same = unicodedata.normalize("NFC", a) == unicodedata.normalize("NFC", b)
    assert len(items("gsm8k", rows_of("gsm8k", (a, b), (1, 1)))) == (1 if same else 2)


def test_overlap_is_found_through_case_spaces_and_the_marks_of_sentences():
    for a, b in (("What is it?", "what is  it"), ("Self-defence, yes.", "selfdefence yes"), ("It's 6,000", "Its 6000"), ("\u201cSo\u201d \u2014 he", "So he"),
                 ("caf\u00e9", "cafe\u0301"), ("\ufb01ne \uff21", "fine A"), ("5 \u2212 3", "5 - 3"), ("1990\u20131995", "1990-1995")):  # fmt: skip
        assert key(a) == key(b), (a, b)
    assert key("?!") != key("...") and key("") == ""


@pytest.mark.parametrize("kind", ["mmlu", "gsm8k", "hellaswag", "truthfulqa", "doubt", "imitation"])
def test_a_repeated_row_is_asked_once_and_told(kind):
    notes = RowNotes()
    rows = rows_of(kind, ["What is it?", "What else?", "What is it?", "What is it?"], (1, 0, 1, 1))
    assert [i.item_id for i in items(kind, rows, notes)] == [f"{kind}-00000", f"{kind}-00001"]
    assert notes.lines(kind) == [f"{kind}: rows that repeat an earlier one, asked once: 2 (first: rows.jsonl:3 is rows.jsonl:1 again)"]


@pytest.mark.parametrize("kind", ["mmlu", "gsm8k", "hellaswag", "truthfulqa", "doubt", "imitation"])
def test_a_question_with_two_truths_is_refused_or_left_out_and_told(kind):
    rows = rows_of(kind, ["What is it?", "What else?", "What is it?"], (1, 0, 0))
    with pytest.raises(DataError, match="rows.jsonl:3: asks what rows.jsonl:1 asks, and has another answer"):
        items(kind, rows)
    notes = RowNotes()
    (kept,) = items(kind, rows, notes)
    assert kept.source_keys == ("what else",) and "questions without one answer, not asked: 1" in notes.lines(kind)[0]


def test_two_truths_are_seen_through_another_order_of_the_options():
    row = {"question": "Which?", "choices": ["a", "b", "c"], "answer": 0, "_source": "f:1"}
    other = {**row, "choices": ["b", "a", "c"], "_source": "f:2"}
    with pytest.raises(DataError, match="f:2: asks what f:1 asks"):
        items_from_rows("mmlu", [row, other])
    assert len(items_from_rows("mmlu", [row, {**other, "answer": 1}])) == 2  # the same truth in another order
    assert len(items_from_rows("mmlu", [row, {**other, "choices": ["a", "b", "d"], "answer": 1}])) == 2  # another question


@pytest.mark.parametrize(
    ("choices", "gold", "clear"),
    [(["a", "a", "b"], 0, False), (["a", "b", "a "], 2, False), (["e\u0301", "\u00e9", "b"], 1, False), (["a", "a", "b"], 2, True),
     (["A", "a", "b"], 0, True), (["+1", "-1", "1"], 2, True), (["C", "C++", "C#"], 0, True)],
)  # fmt: skip
def test_a_right_option_that_stands_twice_has_no_one_place(choices, gold, clear):
    rows = [
        ("mmlu", {"question": "Which?", "choices": choices, "answer": gold}),
        ("hellaswag", {"ctx": "So", "endings": choices, "label": gold}),
        ("truthfulqa", {"question": "Which?", "mc1_targets": {"choices": choices, "labels": [int(i == gold) for i in range(3)]}}),
    ]
    for kind, row in rows:
        if clear:
            assert len(items_from_rows(kind, [{**row, "_source": "f:1"}])) == 1
        else:
            with pytest.raises(DataError, match="f:1: the right option stands there twice"):
                items_from_rows(kind, [{**row, "_source": "f:1"}])


def study(tmp_path, rows):
    import json

    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({k: v for k, v in r.items() if k != "_source"}) + "\n" for r in rows))
    return Study.model_validate(
        {
            "model": {"name": "random:0"}, "data": {"root": str(tmp_path)}, "domains": [{"name": "idle", "role": "null", "identity": True}],
            "instruments": [{"kind": "mmlu", "data": "rows.jsonl"}],
        }
    )  # fmt: skip


def test_a_study_says_what_it_leaves_out_and_the_audit_repeats_it(tmp_path):
    from holdfast.auditing.duplicates import check
    from holdfast.auditing.gather import from_materials

    rows = rows_of("mmlu", ["a?", "b?", "a?", "c?", "c?"], (0, 1, 1, 1, 1))
    chosen = study(tmp_path, rows)
    materials = Materials(chosen)
    assert [line.split(" (")[0] for line in materials.remarks()] == [
        "mmlu: rows that repeat an earlier one, asked once: 1",
        "mmlu: questions without one answer, not asked: 1",
    ]
    warned, fine = check(from_materials(chosen, materials))
    assert warned.level == "warn" and "rows.jsonl:3: asks what rows.jsonl:1 asks" in warned.claim
    assert fine.level == "ok" and fine.evidence["repeats"] == ["rows.jsonl:5 is rows.jsonl:4 again"]


def test_rows_all_without_one_truth_make_no_study(tmp_path):
    with pytest.raises(DataError, match="no item could be made"):
        Materials(study(tmp_path, rows_of("mmlu", ["a?", "a?"], (0, 1)))).remarks()
