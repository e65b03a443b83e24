"""The benchmark programs run, on models small enough for a test: what they would measure elsewhere is not measured here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    done = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-1500:]
    return done.stdout


@pytest.mark.slow
def test_the_accelerator_program_agrees_with_its_peers_on_a_small_model(tmp_path):
    run("benchmarks.gpu", "--tiny", "--out", str(tmp_path / "found.json"))
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["scoring"]["largest_difference"] < 1e-4 and found["generation"]["identical"] == "8/8" and found["training"]["packed"]
    assert all(0 < found[part]["of_bound"] < 1 for part in ("scoring", "generation", "training"))


@pytest.mark.slow
def test_the_peers_agree_with_holdfast_on_a_small_model(tmp_path):
    table = run(
        "benchmarks.peers",
        "--size",
        "tiny",
        "--rounds",
        "1",
        "--only",
        "generation",
        "--only",
        "training",
        "--out",
        str(tmp_path / "f.json"),
    )
    found = json.loads((tmp_path / "f.json").read_text())["sizes"]["tiny"]
    assert all(
        entry["holdfast, same kernel"]["identical"].split("/")[0] == str(entry["prompts"])
        for entry in found["generation"]["tasks"].values()
    )
    assert all(gap < 1e-5 for gap in found["training"]["first_loss_relative_difference"].values())
    assert "matrix multiply" in table
