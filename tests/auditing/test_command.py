"""`holdfast audit`: exit codes, text for people, JSON for programs; studies, runs and tables; no model and no torch for rows."""

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from made_rows import clean_rows, entry_named, study_tree, write

from holdfast.cli.text import audit_lines
from holdfast.results import AuditEntry
from warm import HOLDFAST

SIZE = 60


def audit(*arguments, code=0):
    done = subprocess.run([*HOLDFAST, "audit", *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, (done.returncode, done.stderr[-2000:])
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """(clean study file, refused study file)"""
    root = tmp_path_factory.mktemp("audit")
    tree = study_tree(write(root / "rows", clean_rows(size=SIZE)), SIZE)
    (root / "clean.yaml").write_text(yaml.safe_dump(tree))
    entry_named(tree, "domains", "mmlu")["sources"][0]["split"] = "test"
    (root / "refused.yaml").write_text(yaml.safe_dump({**tree, "overlap": "allow"}))
    return root / "clean.yaml", root / "refused.yaml"


@pytest.mark.slow
def test_a_clean_study_exits_with_0_even_when_strict(studies):
    done = audit(studies[0], "--strict", "--offline")
    assert done.stdout.startswith("0 refused, 0 warnings") and "WHAT TO DO NEXT" not in done.stdout


@pytest.mark.slow
def test_a_refused_claim_exits_with_1_only_when_strict_and_says_what_to_do(studies):
    text = audit(studies[1]).stdout
    audit(studies[1], "--strict", code=1)
    assert text.index("REFUSED") < text.index("WARNINGS") < text.index("OK") < text.index("WHAT TO DO NEXT")
    assert all(len(line) <= 80 for line in text.split("\n"))
    assert f"{SIZE} of {SIZE} items of mmlu" in " ".join(text.split()) and "overlap=drop" in text


@pytest.mark.slow
def test_json_is_the_entries_and_settings_are_applied(studies):
    found = json.loads(audit(studies[0], "seeds=1", "--json").stdout)
    assert [e["check"] for e in found if e["level"] == "warn"] == ["seeds"]


@pytest.mark.slow
def test_rows_are_audited_without_loading_torch(studies):
    code = (
        "import sys; from holdfast.auditing.gather import context_of; from holdfast.auditing import run_audit; "
        f"run_audit(context_of({str(studies[0])!r}, [])); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "False", done.stderr[-2000:]


@pytest.mark.slow
def test_the_embedded_study_is_clean_before_it_is_trained():
    assert [e["claim"] for e in json.loads(audit("embedded", "--json", "--offline").stdout) if e["level"] == "refuse"] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.yaml"], "no such file"), (["embeded"], "did you mean 'embedded'"), (["nowhere.parquet"], "no such table"),
        (["embedded", "trian.r=1"], "did you mean"), (["embedded", "stray"], "must be a setting key=value"),
        (["llama2-7b-as-published", "data.root=/no/such/folder"], "no such folder"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_exit_2(arguments, words, tmp_path):
    done = audit(*arguments, code=2)
    assert words in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_folder_that_is_no_run_and_a_file_that_is_no_table_are_named(tmp_path):
    assert "study.yaml" in audit(tmp_path, code=2).stderr
    (tmp_path / "t.parquet").write_text("no")
    assert "not a parquet table" in audit(tmp_path / "t.parquet", code=2).stderr
    pq.write_table(pa.table({"model": ["base"]}), tmp_path / "u.parquet")
    assert "no column instrument, item_id, condition, outcome" in audit(tmp_path / "u.parquet", code=2).stderr
    pq.write_table(small_table(), tmp_path / "v.parquet")
    assert "a table has no settings" in audit(tmp_path / "v.parquet", "seeds=2", code=2).stderr


def small_table():
    rows = [
        {"model": m, "instrument": "mmlu", "item_id": str(i), "condition": "neutral", "outcome": "unparsed" if m == "base" and i < 9 else "correct"}
        for m in ("base", "maths/seed0") for i in range(30)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


@pytest.mark.slow
def test_a_table_alone_is_audited(tmp_path):
    pq.write_table(small_table(), tmp_path / "trials.parquet")
    text = audit(tmp_path / "trials.parquet").stdout
    assert "coverage" in text and "1 training seed per domain" in text


@pytest.mark.slow
def test_a_run_is_audited_from_its_folder_and_by_its_trials_alone_once_its_rows_are_gone(studies, tmp_path):
    out = tmp_path / "out"
    (out / "adapters" / "mmlu-seed0").mkdir(parents=True)
    tree = yaml.safe_load(studies[0].read_text())
    (out / "study.yaml").write_text(yaml.safe_dump(tree))
    pq.write_table(small_table(), out / "trials.parquet")
    record = {"loss": [1.0], "num_steps": 1, "num_examples": 10, "num_dropped": 0, "num_truncated": 9}
    (out / "adapters" / "mmlu-seed0" / "training.json").write_text(json.dumps(record))
    found = {e["check"]: e for e in json.loads(audit(out, "--json").stdout)}
    assert found["truncation"]["evidence"]["truncated"] == 9 and found["overlap"]["level"] == "ok" and "coverage" in found
    gone = audit(out, "data.root=/no/such/folder", "--json")
    assert {"coverage", "seeds"} <= {e["check"] for e in json.loads(gone.stdout)}
    assert "cannot be read" in gone.stderr


def test_one_claim_about_many_cells_is_said_once_and_text_from_data_is_kept_on_its_line():
    entry = {"check": "overlap", "level": "refuse", "claim": "a\x1b[31m claim\nof two lines", "evidence": {}}
    text = audit_lines([AuditEntry(**entry, cell=(f"domain_{n}", "mmlu")) for n in range(12)])
    assert sum("claim" in line for line in text) == 1 and all(len(line) <= 80 and "\x1b" not in line for line in text)
    assert all(f"domain_{n} x mmlu" in " ".join(" ".join(text).split()) for n in range(12))
    assert audit_lines([]) == ["Nothing to audit: no check has the data it needs."]
