"""Commands that need no model do not import torch, and reading replies does not load the statistics library either."""

import json
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from holdfast.config import load_study, resolved

CODE = (
    "import sys; sys.argv = ['holdfast', *sys.argv[1:]]\nfrom holdfast.cli import main\ntry: main()\nexcept SystemExit as end: code = end.code\n"
    "print(code or 0, *({'torch', 'scipy.stats'} & sys.modules.keys()), file=sys.stderr)"
)


def imported(*arguments):
    done = subprocess.run([sys.executable, "-c", CODE, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    code, *modules = done.stderr.splitlines()[-1].split()
    assert code == "0", done.stderr[-2000:]
    return set(modules)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with a few made-up trials of the embedded study, analyzed."""
    import holdfast

    folder = tmp_path_factory.mktemp("run")
    (folder / "study.yaml").write_text(resolved(load_study("embedded", ["seeds=1", "dose.scales=[]"])))
    models = ["base", *(f"{d.name}/seed0" for d in load_study("embedded").domains)]
    rows = [
        {"model": m, "instrument": "mmlu", "item_id": str(i), "condition": "neutral", "outcome": "correct" if i % 3 else "other", "score": float(i % 3 > 0)}
        for m in models for i in range(30)
    ]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder / "trials.parquet")
    findings = holdfast.analyze(folder)
    (folder / "findings.json").write_text(json.dumps(dict(findings)))
    (folder / "audit.json").write_text("[]")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", ["analyze", "audit", "report", "tables", "figures"])
def test_commands_on_a_run_do_not_import_torch(run, command, tmp_path):
    places = {"tables": ["-o", tmp_path], "figures": ["-o", tmp_path, "--format", "svg", "--columns", "1"]}
    assert "torch" not in imported(command, run, *places.get(command, []))


@pytest.mark.slow
def test_two_runs_are_compared_without_torch(run):
    assert "torch" not in imported("compare", run, "published:llama2-7b", "--json")


@pytest.mark.slow
def test_a_published_study_is_analyzed_without_torch(tmp_path):
    assert "torch" not in imported("analyze", "published:llama2-7b", "-o", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["recipes", "schema", "--version", "--help"])
def test_what_describes_holdfast_imports_neither_torch_nor_statistics(command):
    assert imported(command) == set()


@pytest.mark.slow
def test_replies_are_rescored_without_torch_and_statistics(tmp_path):
    (tmp_path / "replies.jsonl").write_text(json.dumps({"kind": "choice", "response": "B", "gold": "B"}))
    assert imported("rescore", tmp_path / "replies.jsonl") == set()
