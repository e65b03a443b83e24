"""Order, split and length of training: sorted or concatenated rows, one upstream split, steps that never leave the warm-up."""

import itertools
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_facts import domain, facts

from holdfast.auditing import AuditContext
from holdfast.auditing.budget import check as check_budget
from holdfast.auditing.context import Origin, TrainingSet
from holdfast.auditing.order import check as check_order
from holdfast.auditing.order import is_lumped, lumping
from holdfast.auditing.seeds import check as check_seeds
from holdfast.auditing.truncation import check as check_truncation
from holdfast.records import Example, Message

ROW = Example(messages=(Message("user", "q"), Message("assistant", "a")))


def rows(owners, categories=(), **more):
    return TrainingSet(examples=(ROW,) * len(owners), owners=tuple(owners), categories=tuple(categories), **more)


def study(*names, control=()):
    return facts(*map(domain, names), *(domain(n, "control") for n in control))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from("abc"), min_size=3, max_size=6))
def test_moments_of_equal_neighbours_equal_an_enumeration_of_every_order(labels):
    counts = [sum(x == y for x, y in itertools.pairwise(order)) for order in itertools.permutations(labels)]
    share, p = lumping(labels)
    if len(set(labels)) < 2 or len(set(labels)) == len(labels):
        assert np.isnan(share) and np.isnan(p)
        return
    mean, deviation = np.mean(counts), np.std(counts)
    equal = sum(x == y for x, y in itertools.pairwise(labels))
    most = len(labels) - len(set(labels))
    assert share == pytest.approx((equal - mean) / (most - mean) if most > mean else np.nan, nan_ok=True)
    if deviation > 1e-6:
        from scipy.stats import norm

        assert p == pytest.approx(norm.sf((equal - 0.5 - mean) / deviation))


def test_sorted_labels_are_lumped_and_shuffled_ones_are_not():
    labels = [f"s{n // 20}" for n in range(400)]
    assert is_lumped(labels) and lumping(labels)[0] == 1.0
    rng = random.Random(0)
    for _ in range(50):
        rng.shuffle(labels)
        assert not is_lumped(labels)
    assert not is_lumped(["a", "b"] * 20)  # too few rows to tell


def order(owners, shuffle=False, **more):
    context = AuditContext(study=study("all"), training={"all": rows(owners, **more)}, settings={"shuffle": shuffle})
    return [(e.level, e.claim) for e in check_order(context)]


def test_a_last_tenth_of_one_part_is_found_only_where_rows_are_not_shuffled():
    joined = ["maths"] * 1000 + ["truth"] * 411 + ["sense"] * 1000
    ((level, claim),) = order(joined, combined=True)
    assert level == "warn" and "last tenth (241 rows) is all sense" in claim and "2411 training rows" in claim
    assert [x for x, _ in order(joined, shuffle=True, combined=True)] == ["ok"]
    mixed = random.Random(0).sample(joined, len(joined))
    assert [x for x, _ in order(mixed, combined=True)] == ["ok"]
    assert [x for x, _ in order(["maths"] * 500)] == ["ok"]


def test_rows_sorted_by_category_are_found_only_where_they_are_not_shuffled():
    lying = [f"subject {n // 50}" for n in range(300)]
    assert [x for x, _ in order(["a"] * 300, categories=lying)] == ["warn"]
    assert [x for x, _ in order(["a"] * 300, shuffle=True, categories=lying)] == ["ok"]


def origin(owner, role, **more):
    return Origin(**{"owner": owner, "role": role, "kind": "mmlu", "data": "cais/mmlu", "split": "test", **more})


def splits(*origins):
    return [(e.level, e.claim) for e in check_order(AuditContext(study=facts(), origins=origins))]


def test_training_and_asking_slices_of_one_split_are_told():
    train, ask = origin("k", "train", start=0, stop=100, split_seed=1), origin("mmlu", "ask", start=100, split_seed=1)
    assert [x for x, _ in splits(train, ask)] == ["warn"]
    only = {"kind": "truthfulqa", "split": "validation"}  # a benchmark with one split has no other way
    apart = [origin("k", "train", start=0, stop=100, split_seed=1, **only), origin("t", "ask", start=100, split_seed=1, **only)]
    assert [x for x, _ in splits(*apart)] == ["ok"]
    ((level, claim),) = splits(apart[0], origin("t", "ask", start=50, split_seed=1, **only))
    assert level == "warn" and "the two slices overlap" in claim
    ((level, claim),) = splits(apart[0], origin("t", "ask", start=100, split_seed=2, **only))  # two shuffles
    assert level == "warn" and "the two slices overlap" in claim
    assert [x for x, _ in splits(origin("k", "train", split="validation"), ask)] == ["ok"]


def test_rows_that_name_one_upstream_split_are_told_whatever_their_file():
    val = [origin("k", "train", data="a.jsonl", split="", kind="hellaswag", upstream=("val",)),
           origin("h", "ask", data="b.jsonl", split="", kind="hellaswag", upstream=("val",))]  # fmt: skip
    ((level, claim),) = splits(*val)
    assert level == "warn" and "(val)" in claim


def test_a_slice_of_a_file_in_order_of_subject_is_told_unless_it_was_shuffled_first():
    cut = {"split": "validation", "start": 0, "stop": 100, "sorted_by": "subject"}
    assert [x for x, _ in splits(origin("k", "train", **cut))] == ["warn"]
    assert [x for x, _ in splits(origin("k", "train", **{**cut, "split_seed": 3}))] == ["ok"]


def budget(control=(), **sets):
    names = [n for n in sets if n not in control]
    context = AuditContext(study=study(*names, control=control), training={n: rows(["x"], **r) for n, r in sets.items()})
    return [(e.level, e.claim) for e in check_budget(context)]


def test_steps_that_end_inside_the_warm_up_are_told_with_both_numbers():
    ((level, claim),) = budget(truth={"steps": 99, "warmup": 100})
    assert level == "warn" and "99 steps of truth end inside the 100-step warm-up" in claim
    ((_, claim),) = budget(truth={"steps": 114, "warmup": 100})
    assert "but for the last 14" in claim
    assert [x for x, _ in budget(truth={"steps": 189, "warmup": 6})] == ["ok"]


def test_unequal_single_domains_warn_and_a_combined_set_without_a_matched_control_is_noted():
    even = {"steps": 100, "warmup": 3}
    assert [x for x, _ in budget(a=even, b=even)] == ["ok"]
    ((_, claim),) = budget(a=even, b={"steps": 60, "warmup": 3})
    assert "a trains for 100 steps, b for 60" in claim
    long = {"steps": 400, "warmup": 12, "combined": True}
    ((level, claim),) = budget(a=even, b=even, all=long)
    assert level == "ok" and "longer, without a control of equal steps: all" in claim
    ((level, claim),) = budget(a=even, b=even, all=long, matched={**even, "combined": True}, control=("matched",))
    assert level == "ok" and "control" not in claim


@pytest.mark.parametrize(("seeds", "level"), [(1, "warn"), (2, "warn"), (3, "ok"), (5, "ok")])
def test_fewer_than_three_seeds_warn(seeds, level):
    (found,) = check_seeds(AuditContext(study=facts(seeds=seeds)))
    assert found.level == level and found.claim.startswith(f"{seeds} training seed{'s' if seeds > 1 else ''} ")


def test_rows_cut_at_max_length_are_told_from_the_training_record():
    record = {"domain": "maths", "seed": 0, "num_examples": 95, "num_dropped": 5, "num_truncated": 20}
    (found,) = check_truncation(AuditContext(study=facts(), trainings=(record,)))
    assert found.level == "warn" and found.evidence["truncated"] == 20 and "20 of 100" in found.claim
    (fine,) = check_truncation(AuditContext(study=facts(), trainings=({**record, "num_truncated": 3},)))
    assert fine.level == "ok"
    assert check_truncation(AuditContext(study=facts())) == []


def test_a_claim_holds_no_folder_of_this_machine():
    cut = {"data": "/home/someone/rows.jsonl", "split": "", "start": 0, "stop": 100, "sorted_by": "subject"}
    ((_, claim),) = splits(origin("k", "train", **cut))
    assert "rows.jsonl" in claim and "someone" not in claim
