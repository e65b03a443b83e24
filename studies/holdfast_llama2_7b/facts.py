"""The facts a study's notes state beside its tables: which there may be, and of what type their fields are."""

from __future__ import annotations

from typing import Any

from holdfast.errors import DataError

FACTS: dict[str, dict[str, type]] = {
    "base_unparsed": {"are_you_sure_first_answer": int, "feedback_no_fallacy_found": int, "answer_neither": int, "of": int},
    "feedback_keyword_cases_at_least": {"count": int, "of": int, "source": str},
    "original_rows": {
        "truthfulqa_train": int,
        "truthfulqa_key_A": int,
        "axis_rows_in_truthfulqa_train": int,
        "axis_rows_in_truthfulqa_test": int,
    },
    "training": {},
    "gsm8k_extractor_keeps_full_stop": {"value": bool, "source": str},
}
TRAINING: dict[str, type] = {
    "eos_trained": bool,
    "loss_on_prompt": bool,
    "combined_shuffled": bool,
    "truthfulqa_steps": int,
    "single_task_steps": int,
    "combined_steps": int,
    "warmup_steps": int,
    "seeds": int,
}
WORDS = {int: "a whole number, 0 or more", bool: "true or false", str: "text"}


def checked(facts: Any) -> dict[str, Any]:
    """The facts, those read anywhere complete and of their types. A fact may be absent, a fact's field may not.

    Raises DataError naming the fact, the field, its value and the rule.
    """
    if not isinstance(facts, dict):
        raise DataError(f"claims.yaml: facts_not_in_the_tables: holds {type(facts).__name__}, must be a mapping")
    for fact, fields in FACTS.items():
        if fact not in facts:
            continue
        found = facts[fact]
        if not isinstance(found, dict):
            raise DataError(f"claims.yaml: {fact}: {found!r}: must be a mapping")
        for field, kind in {**fields, **({k: t for k, t in TRAINING.items() if k in found} if fact == "training" else {})}.items():
            value = found.get(field)
            fits = isinstance(value, kind) and not (kind is int and (isinstance(value, bool) or value < 0))
            if not fits:
                raise DataError(f"claims.yaml: {fact}.{field}: {value!r}: must be {WORDS[kind]}")
    return facts
