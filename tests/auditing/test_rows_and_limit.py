"""Audit `duplicates`: what it says of rows is said only where all of them were taken."""

import json

import pytest

import holdfast
from holdfast.config import Study


@pytest.mark.parametrize(
    "distinct, repeats, limit, said",
    [
        (60, 1, 8, "8 items of mmlu hold 8 texts"),  # 52 rows were not taken
        (60, 1, 60, "60 items of mmlu hold 60 texts"),
        (30, 2, None, "60 rows of mmlu hold 30 texts, each asked once"),
        (30, 2, 100, "60 rows of mmlu hold 30 texts, each asked once"),
        (30, 2, 8, "8 items of mmlu hold 8 texts"),
    ],
)
def test_rows_are_counted_where_all_were_taken(tmp_path, distinct, repeats, limit, said):
    rows = [{"question": f"Which is {i}?", "choices": [f"a{i}", f"b{i}", "c", "d"], "answer": i % 4} for i in range(distinct)] * repeats
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    instrument = {"kind": "mmlu", "data": "rows.jsonl", "limit": limit}
    identity = {"name": "identity", "role": "null", "identity": True}
    study = Study.model_validate(
        {"name": "s", "model": {"name": "random:0"}, "data": {"root": str(tmp_path)}, "domains": [identity], "instruments": [instrument]}
    )
    (claim,) = [e.claim for e in holdfast.audit(study) if e.check == "duplicates"]
    assert claim.startswith(said)
