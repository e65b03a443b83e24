"""Position of the key: as presented, in training replies, with its level by how uneven it is."""

import pytest
from made_facts import domain, facts

from holdfast.auditing import AuditContext, run_audit
from holdfast.auditing.answer_key import check, key_letter
from holdfast.auditing.context import TrainingSet
from holdfast.records import Example, Item, Message, Prompt

STUDY = facts(domain("truth", own_benchmark="truthfulqa"), domain("maths"))


def items(golds, options=4):
    fields = [{"question": f"q{n}", "choices": [f"o{k}" for k in range(options)], "gold": g} for n, g in enumerate(golds)]
    return [Item(item_id=str(n), cluster_id=str(n), fields=f) for n, f in enumerate(fields)]


def prompts(orders):
    """One prompt per presented position of the key."""
    return [
        [Prompt(condition="neutral", messages=(Message("user", "q"),), choices=tuple("ABCD"), gold=g, rotation=r) for r, g in enumerate(golds)]
        for golds in orders
    ]  # fmt: skip


def reply(text):
    return Example(messages=(Message("user", "q"), Message("assistant", text)))


def levels(**context):
    return [(e.level, e.cell) for e in check(AuditContext(study=STUDY, **context))]


@pytest.mark.parametrize(
    ("text", "letter"),
    [("Answer: B", "B"), (" the answer is red C", "C"), ("(D)", "D"), ("The answer is (A).", "A"), ("so 12 + 3 = 15\n#### 15", None),
     ("This is option AB", None), ("I am A human", None)],
)  # fmt: skip
def test_the_letter_a_reply_ends_in_is_read(text, letter):
    assert key_letter(reply(text)) == letter


def test_a_key_always_first_is_refused_for_every_adapter_with_the_score_of_always_a():
    found = check(AuditContext(study=STUDY, items={"truthfulqa": items([0] * 40)}, prompts={"truthfulqa": prompts([[0]] * 40)}))
    assert [e.cell for e in found] == [("truth", "truthfulqa"), ("maths", "truthfulqa")]
    assert all(e.level == "refuse" and e.evidence["always_it_scores"] == 1.0 for e in found)
    assert "40 of 40" in found[0].claim and '"always A"' in found[0].claim


def test_what_counts_is_the_position_presented_not_the_position_in_the_row():
    spread = prompts([[n % 4, (n + 1) % 4] for n in range(40)])
    assert levels(items={"truthfulqa": items([0] * 40)}, prompts={"truthfulqa": spread}) == [("ok", None)]


def test_an_uneven_key_warns_and_an_even_one_of_two_options_does_not():
    assert levels(items={"mmlu": items([0] * 24 + [1, 2, 3] * 5)}) == [("warn", None)]
    assert levels(items={"mmlu": items([0] * 22 + [1] * 18, options=2)}) == [("ok", None)]
    assert levels(items={"mmlu": items([0] * 12)}) == [("ok", None)]  # too few to tell


def test_training_replies_that_all_name_one_letter_are_found_with_their_count():
    rows = TrainingSet(examples=tuple(reply("Answer: A") for _ in range(411)))
    (found,) = check(AuditContext(study=STUDY, training={"truth": rows}))
    assert found.level == "warn" and found.evidence["count"] == 411 and "A in 411 of 411" in found.claim
    skewed = AuditContext(study=STUDY, training={"truth": rows}, items={"truthfulqa": items([0] * 40)})
    assert [e for e in check(skewed) if e.evidence.get("letter")][0].cell == ("truth", "truthfulqa")
    mixed = TrainingSet(examples=tuple(reply(f"Answer: {'ABCD'[n % 4]}") for n in range(60)))
    assert levels(training={"truth": mixed}) == [("ok", None)]


def test_a_null_adapter_trained_on_one_letter_on_purpose_is_no_defect():
    study = facts(domain("always_first", "null"))
    rows = TrainingSet(examples=tuple(reply("Answer: A") for _ in range(50)))
    assert check(AuditContext(study=study, training={"always_first": rows})) == []


def test_an_audit_of_nothing_says_nothing():
    assert run_audit(AuditContext(study=facts())) == []
