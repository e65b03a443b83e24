"""Each check finds what it is for, and says nothing of a clean study."""

import pyarrow as pa
from made_facts import domain, facts

from holdfast.auditing import AuditContext, run_audit
from holdfast.records import Item

STUDY = facts(domain("maths"), seeds=5)


def trials(shift=0.0, kappa=1.0, instrument="mmlu", rotation=0):
    rows = [
        {
            "model": m,
            "instrument": instrument,
            "item_id": str(i),
            "condition": "neutral",
            "rotation": rotation,
            "form": "mass",
            "outcome": "correct",
            "kappa": kappa,
            "p_gold": 0.5 + (shift if m != "base" else 0),
            "p_suggested": float("nan"),
            "rating": float("nan"),
            "score": 1.0,
        }
        for m in ("base", "identity/seed0")
        for i in range(20)
    ]
    return pa.Table.from_pylist(rows)


def levels(kind="mmlu", gold=lambda i: i % 4, keys=frozenset(), **options):
    fields = lambda i: {"question": "q", "choices": ["a", "b", "c", "d"], "gold": gold(i)}  # noqa: E731
    items = [Item(item_id=str(i), cluster_id=str(i), fields=fields(i), source_keys=(f"q{i}",)) for i in range(20)]
    found = run_audit(
        AuditContext(study=STUDY, trials=trials(**options), items={kind: items}, examples_keys={"maths": set(keys)}, settings={})
    )
    return {e.check: e for e in found}


def test_a_clean_study_is_ok_everywhere():
    assert {e.level for e in levels().values()} == {"ok"}


def test_a_key_in_one_position_is_refused_unless_options_are_reordered():
    assert levels("hellaswag", lambda i: 0)["answer_key"].level == "refuse"
    assert levels("truthfulqa", lambda i: 0, instrument="truthfulqa")["answer_key"].level == "refuse"
    assert levels("truthfulqa", lambda i: 0, instrument="truthfulqa", rotation=1)["answer_key"].level == "warn"


def test_trained_on_items_forbid_their_number_with_the_count():
    found = levels(keys={"q1", "q2", "other"})["overlap"]
    assert found.level == "refuse" and found.evidence["count"] == 2 and found.cell == ("maths", "mmlu")


def test_an_identity_adapter_that_differs_is_refused():
    assert levels(shift=0.01)["identity"].level == "refuse"


def test_low_coverage_is_said_with_the_worst_cells():
    assert levels(kappa=0.5)["coverage"].evidence["worst"][0][2] == 0.5
