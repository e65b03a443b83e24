"""Overlap by text and by n-grams: the fast form equals the slow one, copies are found, chance meetings are not, and it is fast."""

import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_facts import facts

from holdfast.auditing import AuditContext
from holdfast.auditing.context import TrainingSet
from holdfast.auditing.overlap import between_instruments, check, containment, word_ngrams
from holdfast.records import Example, Item, Message

texts = st.lists(st.text("ab ", max_size=30), max_size=6)


def item(n, text, keys=()):
    return Item(item_id=f"i{n}", cluster_id=str(n), fields={"question": text}, source_keys=tuple(keys))


def training(*said):
    return TrainingSet(examples=tuple(Example(messages=(Message("user", s), Message("assistant", "yes"))) for s in said))


@settings(deadline=None, max_examples=80)
@given(texts, texts, st.integers(1, 3))
def test_containment_equals_comparing_every_pair(held, wanted, size):
    slow = {}
    for n, w in enumerate(wanted):
        grams = word_ngrams(w, size)
        shares = [len(grams & word_ngrams(t, size)) / len(grams) for t in held] if grams else []
        if max(shares, default=0) > 0:
            slow[n] = max(shares)
    assert containment(held, wanted, size, least=1) == slow


def test_ngrams_ignore_case_punctuation_and_width_and_a_short_text_has_none():
    assert word_ngrams("The cat, sat.", 2) == {("the", "cat"), ("cat", "sat")} == word_ngrams("ＴＨＥ ｃａｔ sat!", 2)
    assert word_ngrams("too short", 3) == set()


def words(rng, count):
    return " ".join("".join(rng.choices("abcdefghij", k=5)) for _ in range(count))


def test_a_question_with_one_changed_word_is_a_near_copy_and_a_shared_phrase_is_not():
    rng = random.Random(0)
    questions = [words(rng, 40) for _ in range(50)]
    changed = [" ".join([*q.split()[:20], "other", *q.split()[21:]]) for q in questions[:5]]
    quoting = [" ".join([*q.split()[:10], words(rng, 40)]) for q in questions[5:]]
    found = check(
        AuditContext(
            study=facts(), items={"gsm8k": [item(n, q) for n, q in enumerate(questions)]},
            examples_keys={"maths": set()}, training={"maths": training(*changed, *quoting)},
        )
    )  # fmt: skip
    (near,) = [e for e in found if e.level == "warn"]
    assert near.evidence["count"] == 5 and near.evidence["items"] == [f"i{n}" for n in range(5)]


@pytest.mark.slow
def test_ten_thousand_rows_against_a_thousand_items_take_seconds():
    rng = random.Random(1)
    vocabulary = [words(rng, 1) for _ in range(3000)]
    text = lambda count: " ".join(rng.choices(vocabulary, k=count))  # noqa: E731
    rows, items = [text(100) for _ in range(10_000)], [text(60) for _ in range(1000)]
    rows[17] = items[3] + " " + text(40)
    start = time.process_time()
    assert {n for n, share in containment(rows, items).items() if share > 0.7} == {3}
    assert time.process_time() - start < 20


def test_axis_items_that_are_training_rows_are_refused_per_cell_and_in_sum():
    items = {"imitation": [item(n, "q", [f"k{n}"]) for n in range(4)], "doubt": [item(n, "q", [f"k{n + 2}"]) for n in range(4)]}
    found = check(AuditContext(study=facts(), items=items, examples_keys={"truth": {"k0", "k2", "k3"}, "maths": {"other"}}))
    assert {e.cell: e.evidence["count"] for e in found if e.cell} == {("truth", "imitation"): 3, ("truth", "doubt"): 2}
    (total,) = [e for e in found if e.cell is None]
    assert (total.level, total.evidence["count"], total.evidence["of"]) == ("warn", 5, 8)


def test_instruments_that_ask_the_same_question_are_counted_but_not_held_against_the_study():
    items = {"truthfulqa": [item(0, "q", ["a"]), item(1, "r", ["b"])], "doubt": [item(0, "q", ["a"]), item(1, "s", ["c"])]}
    assert between_instruments(items) == {"truthfulqa, doubt": 1}
    (found,) = check(AuditContext(study=facts(), items=items, examples_keys={"maths": {"z"}}))
    assert found.level == "ok" and found.evidence["between_instruments"] == {"truthfulqa, doubt": 1}
