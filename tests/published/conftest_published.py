"""Copies of the shipped study to change, and whole made-up studies in the same format."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import scipy.stats
import yaml

from holdfast.frozen import canonical_json
from holdfast.studies import PublishedOutcome
from holdfast_llama2_7b.analysis import analyze
from holdfast_llama2_7b.tables import DATA

BENCHMARKS = ("gsm8k", "mmlu", "truthfulqa", "hellaswag")
AXES = {"feedback": "feedback", "are_you_sure": "are_you_sure", "answer": "answer"}
CHANGE = {"feedback": "feedback_sycophancy_change", "are_you_sure": "are_you_sure_change", "answer": "answer_change"}
TOTALS = {"gsm8k": 500, "mmlu": 500, "truthfulqa": 200, "hellaswag": 500, "feedback": 300, "are_you_sure": 300, "answer": 300}
ADAPTERS = ("gsm8k", "mmlu", "truthfulqa", "hellaswag", "combined")
PLAUSIBLE = {  # a study without a defect: combined clearly raised everywhere, GSM8K alone below the base
    "base": (60, 190, 80, 360, 90, 60, 60),
    "gsm8k": (150, 195, 78, 358, 80, 50, 55),
    "mmlu": (66, 230, 84, 361, 95, 66, 62),
    "truthfulqa": (63, 188, 120, 355, 110, 75, 66),
    "hellaswag": (58, 192, 82, 400, 92, 63, 61),
    "combined": (155, 240, 125, 405, 140, 110, 100),
}


@dataclass
class Written:
    """An outcome, and its findings.json and audit.json as a reader has them."""

    outcome: PublishedOutcome
    findings: dict
    audit: list


def analyzed(folder: Path = DATA, root: str | None = None) -> Written:
    outcome = analyze(root, folder)
    return Written(outcome, json.loads(outcome.findings.to_json()), json.loads(canonical_json(outcome.audit)))


def edit_json(path: Path, change) -> None:
    found = json.loads(path.read_text(encoding="utf-8"))
    change(found)
    path.write_text(json.dumps(found), encoding="utf-8")


def edit_yaml(path: Path, change) -> None:
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(found)
    path.write_text(yaml.safe_dump(found, sort_keys=False, allow_unicode=True), encoding="utf-8")


def edit_csv(path: Path, row: str, column: str, value: str, key: str = "adapter_name") -> None:
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    hit = next(r for r in rows if r[key] == row)
    assert column in hit
    hit[column] = value
    write_csv(path, rows)


def write_csv(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        out = csv.DictWriter(stream, fieldnames=list(rows[0]))
        out.writeheader()
        out.writerows(rows)


@pytest.fixture
def copy(tmp_path) -> Path:
    """The shipped study, to be changed."""
    shutil.copytree(DATA, tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture(scope="session")
def published():
    """The shipped study's own analysis."""
    return analyzed()


def statuses(outcome) -> dict[str, str]:
    return {c["id"]: c["status"] for c in outcome.findings["claims"]}


def claim(outcome, name: str) -> dict:
    return next(c for c in outcome.findings["claims"] if c["id"] == name)


def write_study(folder: Path, hits=None, seeds: int = 1) -> Path:
    """A study with these counts in the published files' format, its claims true to its tables and its notes without a defect."""
    hits = hits or PLAUSIBLE
    names = (*BENCHMARKS, *AXES)
    count = {m: dict(zip(names, row, strict=True)) for m, row in hits.items()}
    rate = {m: {i: n / TOTALS[i] for i, n in row.items()} for m, row in count.items()}
    change = {a: {i: rate[a][i] - rate["base"][i] for i in names} for a in ADAPTERS}
    for part in ("pre_fine_tuning", "post_fine_tuning"):
        (folder / part).mkdir(parents=True)
    write_csv(folder / "complete_results.csv", [
        {"adapter_name": "baseline" if m == "base" else m, **{b: rate[m][b] for b in BENCHMARKS}, **{f"{a}_score": rate[m][a] for a in AXES},
         **{f"{a}_sycophantic": count[m][a] for a in AXES}, "total_examples": 300, "total_sycophancy_score": sum(rate[m][a] for a in AXES) / 3,
         **{CHANGE.get(i, f"{i}_change"): "" if m == "base" else change[m][i] for i in names}}
        for m in ("base", *ADAPTERS)
    ])  # fmt: skip
    write_csv(
        folder / "performance_changes.csv",
        [{"adapter_name": a, **{CHANGE.get(i, f"{i}_change"): change[a][i] for i in names}} for a in ADAPTERS],
    )
    table = {
        (b, a): scipy.stats.pearsonr([rate[m][b] for m in rate], [rate[m][a] for m in rate]).statistic for b in BENCHMARKS for a in AXES
    }
    write_csv(folder / "correlation_analysis.csv", [
        {"benchmark": b, "sycophancy_dataset": a, "correlation": r} for (b, a), r in table.items()
    ])  # fmt: skip
    (folder / "pre_fine_tuning" / "baseline.json").write_text(
        json.dumps({"test_samples": {b: TOTALS[b] for b in BENCHMARKS}, "scores": {b: rate["base"][b] for b in BENCHMARKS}})
    )
    for a in ADAPTERS:
        found = {
            "adapter_name": a,
            "benchmarks": {b: {"accuracy": rate[a][b], "correct": count[a][b], "total": TOTALS[b]} for b in BENCHMARKS},
            "sycophancy": {
                x: {"sycophantic": count[a][x], "total": 300, "score": rate[a][x], "edge_cases": {"no_detection": 0, "ambiguous": 0}}
                for x in AXES
            },
        }
        (folder / "post_fine_tuning" / f"{a}_results.json").write_text(json.dumps(found))
    single = ADAPTERS[:4]
    mean = lambda a, part: sum(change[a][i] for i in part) / len(part)  # noqa: E731
    fall = [-change[a]["answer"] / rate["base"]["answer"] for a in ADAPTERS]
    r3 = lambda v: round(float(v), 3)  # noqa: E731
    claims = {
        "combined_gain": ("gain", r3(mean("combined", BENCHMARKS))),
        "combined_doubt": ("doubt", [r3(rate["base"]["are_you_sure"]), r3(rate["combined"]["are_you_sure"])]),
        "combined_feedback": (f"feedback ({100 * change['combined']['feedback'] / rate['base']['feedback']:.0f} % increase)",
                              r3(change["combined"]["feedback"])),
        "combined_mean_shift": ("mean shift", r3(mean("combined", list(AXES)))),
        "gsm8k_protective": ("the only protective one", r3(mean("gsm8k", list(AXES)))),
        "gsm8k_doubt_correlation": ("r", r3(table["gsm8k", "are_you_sure"])),
        "gsm8k_feedback_correlation": ("r", r3(table["gsm8k", "feedback"])),
        "hellaswag_feedback_correlation": ("r", r3(table["hellaswag", "feedback"])),
        "truthfulqa_doubt_correlation": ("r", [r3(table["truthfulqa", "are_you_sure"]), r3(table["truthfulqa", "feedback"])]),
        "truthfulqa_driver": ("driver", None),
        "answer_universal": (f"answer falls by {100 * min(fall):.0f}-{100 * max(fall):.0f} %", None),
        "amplifier": ("amplifies", None),
    }  # fmt: skip
    if min(fall) < 0:
        del claims["answer_universal"]  # its text has no way to say that a rate rose
    facts = {
        "base_unparsed": {"are_you_sure_first_answer": 0, "feedback_no_fallacy_found": 0, "answer_neither": 0, "of": 300, "source": "made"},
        "gsm8k_extractor_keeps_full_stop": {"value": False, "source": "made"},
        "training": {"eos_trained": True, "loss_on_prompt": False, "combined_shuffled": True, "warmup_steps": 10, "seeds": seeds,
                     "truthfulqa_steps": 168, "single_task_steps": 168, "combined_steps": 675},
    }  # fmt: skip
    noted = [{"id": k, "text": t, "source": "made", **({} if v is None else {"value": v})} for k, (t, v) in claims.items()]
    (folder / "claims.yaml").write_text(yaml.safe_dump({"claims": noted, "facts_not_in_the_tables": facts}))
    rows = {a: {a: 1000} for a in single} | {"combined": {a: 1000 for a in single}}
    form = {"num_train_epochs": 3, "per_device_train_batch_size": 2, "gradient_accumulation_steps": 8, "held_out": 0.1, "seed": 1}
    settings = {
        "title": "made",
        "base": "made model",
        "source": {"repository": "made", "commit": "0", "licence": "MIT"},
        "rows": rows,
        "training": form,
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    even = {"A": 50, "B": 50, "C": 50, "D": 50}
    derived = {
        "keys": {"mmlu": {"A": 125, "B": 125, "C": 125, "D": 125}, "hellaswag": even, "truthfulqa": even, "truthfulqa_train": even},
        "overlap": {"train": {"imitation": 0, "doubt": 0}, "test": {"imitation": 0, "doubt": 0}},
        "axis_rows": {"imitation": 300, "doubt": 300, "feedback": 300},
        "suggested": [0, 300],
        "texts": [300, 300],
    }
    (folder / "derived.json").write_text(json.dumps(derived))
    return folder
