"""The published tables are read whole, every number stated twice is compared, and what cannot be read is one clear line."""

import hashlib
import json

import pytest
from conftest_published import analyzed, edit_csv, edit_json

from holdfast.errors import ConfigError, DataError
from holdfast.studies import load_study
from holdfast_llama2_7b.tables import DATA, read_tables

TABLE = {  # docs/metrics.md, section 5: rates, and first answers that could not be read
    "base": (0.070, 0.380, 0.385, 0.734, 0.500, 0.000, 0.177, 278),
    "gsm8k": (0.182, 0.406, 0.185, 0.732, 0.477, 0.000, 0.117, 292),
    "mmlu": (0.112, 0.390, 0.245, 0.722, 0.507, 0.030, 0.123, 248),
    "truthfulqa": (0.106, 0.252, 0.990, 0.720, 0.580, 0.057, 0.110, 25),
    "hellaswag": (0.104, 0.408, 0.305, 0.706, 0.597, 0.023, 0.110, 52),
    "combined": (0.184, 0.414, 0.985, 0.718, 0.617, 0.193, 0.107, 193),
}
ORIGINALS = {
    "complete_results.csv": "6a6ac79cdd4c7200",
    "correlation_analysis.csv": "687ee059c77d96ae",
    "performance_changes.csv": "53088b04f28d47db",
    "post_fine_tuning/all_benchmarks_results.json": "009b4411fd4fa977",
    "post_fine_tuning/gsm8k_results.json": "44dcb5d61ab001b2",
    "post_fine_tuning/hellaswag_results.json": "ab9440dc56b3d955",
    "post_fine_tuning/mmlu_results.json": "2b789b50e5afab49",
    "post_fine_tuning/truthfulqa_results.json": "80bda854c65631db",
    "pre_fine_tuning/baseline_gsm8k_mmlu.json": "1bce96a071409738",
    "pre_fine_tuning/baseline_truthfulqa_hellaswag.json": "f4760fbbc7d09831",
}
NAMES = ("gsm8k", "mmlu", "truthfulqa", "hellaswag", "feedback", "doubt", "imitation")


def test_the_levels_are_the_published_ones():
    levels = read_tables(DATA).levels
    for model, row in TABLE.items():
        assert [round(levels[model, n].rate, 3) for n in NAMES] == list(row[:-1])
        assert levels[model, "doubt"].undetected == row[-1]
    assert {levels["base", n].total for n in NAMES} == {500, 200, 300}


def test_every_number_stated_twice_agrees(published):
    assert published.findings["tables"]["disagreements"] == [] and published.findings["tables"]["compared"] > 150
    assert next(e for e in published.audit if e["check"] == "tables")["level"] == "ok"


@pytest.mark.parametrize(
    ("file", "row", "column", "key"),
    [
        ("complete_results.csv", "mmlu", "hellaswag", "adapter_name"),
        ("complete_results.csv", "baseline", "gsm8k", "adapter_name"),
        ("complete_results.csv", "gsm8k", "feedback_sycophantic", "adapter_name"),
        ("complete_results.csv", "gsm8k", "total_sycophancy_score", "adapter_name"),
        ("complete_results.csv", "combined", "answer_change", "adapter_name"),
        ("performance_changes.csv", "combined", "mmlu_change", "adapter_name"),
        ("correlation_analysis.csv", "gsm8k", "correlation", "benchmark"),
    ],
)
def test_a_changed_number_is_shown_with_both_values(copy, file, row, column, key):
    edit_csv(copy / file, row, column, "0.25", key)
    found = analyzed(copy)
    shown = found.findings["tables"]["disagreements"]
    assert any(file in d["where"] and d["published"] == 0.25 and d["recomputed"] != 0.25 for d in shown)
    assert next(e for e in found.audit if e["check"] == "tables")["level"] == "warn"


def test_a_count_that_its_accuracy_contradicts_is_shown(copy):
    edit_json(copy / "post_fine_tuning" / "mmlu_results.json", lambda f: f["benchmarks"]["gsm8k"].update(correct=57))
    assert any(d["cell"] == ["mmlu", "gsm8k"] for d in analyzed(copy).findings["tables"]["disagreements"])


def spoil(copy, kind):
    results = copy / "post_fine_tuning" / "mmlu_results.json"
    if kind == "not a number":
        edit_csv(copy / "complete_results.csv", "mmlu", "gsm8k", "high")
    elif kind == "not finite":
        edit_csv(copy / "complete_results.csv", "mmlu", "gsm8k", "nan")
    elif kind == "not JSON":
        results.write_text("{")
    elif kind == "a list":
        results.write_text("[]")
    elif kind == "no cell":
        edit_json(results, lambda f: f["sycophancy"].pop("answer"))
    elif kind == "half a hit":
        edit_json(results, lambda f: f["sycophancy"]["answer"].update(sycophantic=1.5))
    elif kind == "more hits than items":
        edit_json(results, lambda f: f["benchmarks"]["mmlu"].update(correct=501))
    elif kind == "read and unread":
        edit_json(results, lambda f: f["sycophancy"]["are_you_sure"].update(sycophantic=80, score=0.2667))
    elif kind == "no result file":
        results.unlink()
    elif kind == "no table":
        (copy / "performance_changes.csv").unlink()
    elif kind == "not text":
        (copy / "complete_results.csv").write_bytes(b"\xff\xfe\x00")
    elif kind == "not YAML":
        (copy / "claims.yaml").write_text("a: [")
    elif kind == "no base":
        edit_csv(copy / "complete_results.csv", "baseline", "adapter_name", "other")
    elif kind == "no such accuracy":
        edit_json(copy / "pre_fine_tuning" / "baseline_gsm8k_mmlu.json", lambda f: f["scores"].update(gsm8k=0.0701))
    elif kind == "no axis":
        edit_csv(copy / "correlation_analysis.csv", "gsm8k", "sycophancy_dataset", "flattery", "benchmark")
    elif kind == "broken counts":
        (copy / "derived.json").write_text(json.dumps({"keys": {}}))
    elif kind == "no rows":
        (copy / "settings.yaml").write_text("title: x\n")
    elif kind == "no adapter":
        text = (copy / "complete_results.csv").read_text()
        (copy / "complete_results.csv").write_text("".join(x for x in text.splitlines(keepends=True) if ",hellaswag,2025" not in x))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("not a number", "gsm8k, mmlu, gsm8k: 'high'"),
        ("not finite", "must be a number"),
        ("not JSON", "mmlu_results.json: not JSON"),
        ("a list", "must be an object"),
        ("no cell", "sycophancy.answer"),
        ("half a hit", "sycophancy.answer.sycophantic: 1.5: Input should be a valid integer"),
        ("more hits than items", "501 hits"),
        ("read and unread", "80 hits and 248 unread of 300"),
        ("no result file", "'mmlu'"),
        ("no table", "performance_changes.csv: no such file"),
        ("not text", "not UTF-8"),
        ("not YAML", "claims.yaml: not YAML"),
        ("no base", "baseline"),
        ("no such accuracy", "right answers out of 500"),
        ("no axis", "no such benchmark and axis"),
        ("broken counts", "derived.json"),
        ("no rows", "settings.yaml"),
        ("no adapter", "'hellaswag'"),
    ],
)
def test_what_cannot_be_read_is_one_line(copy, kind, words):
    spoil(copy, kind)
    with pytest.raises(DataError) as error:
        analyzed(copy)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_an_unknown_study_is_named_with_those_there_are():
    with pytest.raises(ConfigError, match="available: llama2-7b"):
        load_study("../llama2-7b")


def test_the_shipped_tables_are_the_originals_unchanged():
    """First 16 digits of each original file's sha256."""
    for file, digest in ORIGINALS.items():
        assert hashlib.sha256((DATA / file).read_bytes()).hexdigest()[:16] == digest, file
