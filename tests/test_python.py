"""The Python face: its names and nothing else, the example notebook run from top to bottom, and findings as objects."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import holdfast
from holdfast.errors import ConfigError, DataError
from holdfast.results import SHIFT_PARTS

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "notebooks" / "first-study.ipynb"


EXECUTE = """
import sys, tempfile, nbformat
from jupyter_client import KernelManager
from nbclient import NotebookClient
with tempfile.TemporaryDirectory(prefix="k") as place:  # talk with the kernel goes over files, whose paths are short
    notebook = nbformat.read(sys.argv[1], 4)
    manager = KernelManager(kernel_name="python3", transport="ipc", ip=f"{place}/ipc")
    NotebookClient(notebook, km=manager, timeout=500).execute()
    nbformat.write(notebook, sys.argv[2])
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """The notebook after a real kernel ran it, and the folder of the run it made."""
    import nbformat

    folder = tmp_path_factory.mktemp("notebook")
    done = subprocess.run([sys.executable, "-c", EXECUTE, NOTEBOOK, "done.ipynb"], cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"},
                          capture_output=True, text=True, timeout=550)  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return nbformat.read(folder / "done.ipynb", 4), folder / "runs" / "notebook"


def test_all_is_the_whole_public_face_and_brings_nothing_heavy():
    code = "import sys, holdfast; print(sorted({'torch', 'numpy', 'pydantic'} & sys.modules.keys()), set(holdfast.__all__) <= set(dir(holdfast)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "[] True\n", done.stderr
    assert all(callable(getattr(holdfast, name)) and getattr(holdfast, name).__doc__ for name in holdfast.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        holdfast.nothing  # noqa: B018


@pytest.mark.slow
def test_the_notebook_runs_and_shows_the_findings(executed):
    notebook, folder = executed
    shown = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert not [o for o in shown if o.output_type == "error"]
    tables = [o.data["text/html"] for o in shown if o.output_type == "execute_result" and "text/html" in o.data]
    assert "behaviour doubt" in tables[0] and "maths" in tables[0] and "inconclusive" in tables[1]
    stored = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert all(not cell.get("outputs") for cell in stored["cells"]), "store the notebook without outputs"


@pytest.mark.slow
def test_findings_are_those_of_the_file(executed):
    _, folder = executed
    findings = holdfast.Findings.load(folder)
    assert dict(findings) == json.loads((folder / "findings.json").read_bytes()) and findings.report == folder / "report.html"
    frame = findings.to_pandas()
    adapters = {a["name"]: a for a in findings["adapters"]}
    parts = [(a["name"], "gain", name) for a in adapters.values() for name in a["gains"]]
    parts += [
        (a["name"], part, name) for a in adapters.values() for name, shift in a["shifts"].items() for part in SHIFT_PARTS if shift[part]
    ]
    assert sorted(zip(frame.adapter, frame.kind, frame.instrument, strict=True)) == sorted(parts) and {"gain", "behaviour"} <= set(
        frame.kind
    )
    for row in frame.to_dict("records"):
        adapter = adapters[row["adapter"]]
        effect = adapter["gains"][row["instrument"]] if row["kind"] == "gain" else adapter["shifts"][row["instrument"]][row["kind"]]
        for name in ("estimate", "lower", "upper", "coverage"):
            assert row[name] == effect[name] if effect[name] is not None else row[name] != row[name]
    table = pq.read_table(folder / "trials.parquet")
    again = holdfast.analyze(table, study=str(folder / "study.yaml"))
    assert [a["shifts"] for a in again["adapters"]] == [a["shifts"] for a in findings["adapters"]]
    assert {e["check"] for e in holdfast.audit(folder)} >= {"coverage", "power"}


def test_hostile_names_stay_text_in_a_notebook():
    effect = {"estimate": 0.1, "lower": None, "upper": None, "verdict": "raised", "bounds": None}
    study = {"name": "<script>", "base": "b", "domains": ["<img src=x>"], "instruments": ["<b>"], "estimands": {}, "equivalence_band": 0.03}
    adapter = {"name": "<img src=x>", "domain": "<img src=x>", "role": "domain", "own_benchmark": None, "seeds": [0], "gains": {"<b>": effect}, "shifts": {},
               "effects": {}, "drift": {}, "vs_format_only": {}, "mean_gain": 0.1, "mean_shift": None, "per_seed": []}  # fmt: skip
    made = holdfast.Findings(
        {"study": study, "base": {"name": "b", "benchmarks": {"<b>": {"estimate": 0.5}}, "axes": {}}, "adapters": [adapter], "contrasts": [],
         "correlation": {"num_mixes": 1, "description": {}, "cells": {}}},
        audit=[{"check": "overlap", "level": "refuse", "claim": "<i>no</i>", "evidence": {}}])  # fmt: skip
    page = made._repr_html_()
    assert "<script>" not in page and "<img" not in page and "<b>" not in page and "<i>" not in page and "+10.0" in page
    assert made.rows()[0]["lowest"] is None and made.report is None
    assert made.audit[0]["level"] == made.audit_entries[0].level == "refuse" and made.document.adapters[0].gains["<b>"].estimate == 0.1
    again = holdfast.Findings(made.document, audit=made.audit_entries)
    assert again["adapters"] == made["adapters"] and again.audit == made.audit


def test_bad_calls_are_refused_in_a_line(tmp_path):
    import pyarrow as pa

    with pytest.raises(ConfigError, match="name the study"):
        holdfast.analyze(pa.table({"a": [1]}))
    with pytest.raises(DataError, match="column"):
        holdfast.analyze(pa.table({"a": [1]}), study="embedded")
    with pytest.raises(ConfigError, match="no such file"):
        holdfast.Findings.load(tmp_path)
    with pytest.raises(ConfigError, match="did you mean 'embedded'"):
        holdfast.run("embeded")


def test_a_published_study_is_analyzed_as_the_command_does(tmp_path):
    found = holdfast.analyze("published:llama2-7b")
    assert found["adapters"] and found.audit and "Llama-2-7B-Chat" in found._repr_html_() and found.report is None
    frame = found.to_pandas()
    assert set(frame.adapter) == {"gsm8k", "mmlu", "truthfulqa", "hellaswag", "combined"} and not set(frame.verdict) & {"raised", "lowered"}


def test_every_public_function_says_what_it_raises():
    tree = ast.parse((ROOT / "src" / "holdfast" / "api.py").read_text(encoding="utf-8"))
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
    assert {n.name for n in public} | {"Study", "Findings"} == set(holdfast.__all__)
    assert all(ast.get_docstring(n) for n in public)
