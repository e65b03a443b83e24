"""Shortcut baselines: definitions, chance where there is nothing to find, and what is found where there is."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_facts import facts

from holdfast.auditing import AuditContext
from holdfast.auditing.answer_key import with_options
from holdfast.auditing.context import TrainingSet
from holdfast.auditing.shortcuts import baselines, check, flagged, option_words, share_of_best, word_scores, word_weights
from holdfast.records import Item


def item(n, options, gold):
    return Item(item_id=str(n), cluster_id=f"c{n}", fields={"question": f"q{n}", "choices": options, "gold": gold})


def keyed(items):
    return with_options("mmlu", items)


def random_items(count, seed=0, key=lambda rng, gold: ""):
    """Four options of random words; `key` adds words to the right one."""
    rng = random.Random(seed)
    word = lambda: "".join(rng.choices("abcdefgh", k=5))  # noqa: E731
    out = []
    for n in range(count):
        gold = rng.randrange(4)
        options = [" ".join(word() for _ in range(rng.randint(2, 6))) for _ in range(4)]
        options[gold] += key(rng, gold)
        out.append(item(n, options, gold))
    return out


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=6))
def test_picking_the_best_option_sums_to_one_over_keys_and_is_chance_for_equal_scores(scores):
    assert sum(share_of_best(scores, g) for g in range(len(scores))) == pytest.approx(1)
    assert share_of_best([1.0] * len(scores), 0) == 1 / len(scores)


def test_the_baseline_scores_equal_a_simulation_with_random_ties():
    items = [item(n, o, g) for n, (o, g) in enumerate([(["aa", "b", "cc"], 0), (["a", "b"], 1), (["abc", "d", "e", "f"], 0)])]
    rng = np.random.default_rng(0)
    hits = [
        np.mean([max(range(len(i.fields["choices"])), key=lambda k: (len(i.fields["choices"][k]), rng.random())) == i.fields["gold"]  # noqa: B023
                 for i in items]) for _ in range(20000)
    ]  # fmt: skip
    assert baselines(keyed(items))["longest option"]["score"] == pytest.approx(np.mean(hits), abs=0.01)
    assert baselines(keyed(items))["longest option"]["chance"] == pytest.approx((1 / 3 + 1 / 2 + 1 / 4) / 3, abs=1e-4)


def test_random_options_flag_nothing():
    for seed in range(8):
        assert flagged(baselines(keyed(random_items(400, seed)), keyed(random_items(400, 100 + seed)))) == []


def test_the_longest_option_is_found():
    found = baselines(keyed(random_items(200, key=lambda rng, gold: " and a good deal more of the same kind")))
    assert "longest option" in flagged(found) and found["longest option"]["score"] > 0.9


def test_a_word_that_gives_the_key_away_is_learnt_from_training_rows_and_from_other_folds():
    tell = lambda rng, gold: " zz"  # noqa: E731
    items, train = keyed(random_items(300, 1, tell)), keyed(random_items(200, 2, tell))
    assert option_words(items, train).mean() > 0.99 and option_words(items).mean() > 0.99
    assert option_words(keyed(random_items(150, 3)), keyed(random_items(50, 4))) is None  # too few to learn from
    assert option_words(items, keyed(random_items(200, 5))).mean() == pytest.approx(0.25, abs=0.1)


def test_word_weights_equal_naive_bayes_by_hand():
    items = keyed([item(0, ["yes never", "no"], 0), item(1, ["no", "yes"], 1)])
    weights = word_weights(items)
    assert weights["yes"] == pytest.approx(np.log(3 / 4) - np.log(1 / 4)) and weights["no"] == pytest.approx(-weights["yes"])
    assert word_scores(weights, items[0]) == pytest.approx([weights["yes"] + weights["never"], weights["no"]])


def test_a_shortcut_warns_with_both_scores_and_a_clean_benchmark_is_ok():
    context = lambda items: AuditContext(study=facts(), items={"mmlu": items})  # noqa: E731
    (bad,) = check(context(random_items(200, key=lambda rng, gold: " and much more of it all the way")))
    assert bad.level == "warn" and "longest option" in bad.claim and "chance 0.250" in bad.claim
    (good,) = check(context(random_items(200)))
    assert good.level == "ok" and good.evidence["evaluation"]["longest option"]["chance"] == 0.25


def test_a_letter_that_is_right_too_often_is_a_shortcut_where_one_order_is_shown():
    items = [item(n, list("wxyz"), 0 if n % 2 else n // 2 % 4) for n in range(400)]
    (found,) = check(AuditContext(study=facts(), items={"mmlu": items}))
    assert found.level == "warn" and "always A scores 0.6" in found.claim


def test_training_rows_alone_are_looked_at():
    rows = TrainingSet(examples=(), items={"mmlu": tuple(random_items(200, key=lambda rng, gold: " and much more of it all the way"))})
    (found,) = check(AuditContext(study=facts(), training={"knowledge": rows}))
    assert found.level == "warn" and "on the training rows" in found.claim


def test_open_questions_have_no_shortcut():
    items = [Item(item_id="0", cluster_id="0", fields={"question": "1+1?", "answer": "2"})] * 40
    assert check(AuditContext(study=facts(), items={"gsm8k": items})) == []
