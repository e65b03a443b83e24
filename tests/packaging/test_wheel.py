"""The package installs: wheel and sdist hold every file, and the wheel works in a clean environment outside any checkout, without a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUDY = """
name: tiny
model: {name: "world:0"}
seeds: 1
domains: [{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 40}]}]
instruments: [{kind: gsm8k, style: world, limit: 4}, {kind: doubt, style: world, limit: 4}]
execution: {processes: 1}
"""
REPLY = {"id": "1", "kind": "choice", "response": "The answer is (B).", "gold": "B", "options": {"A": "red", "B": "blue"}}

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    result = subprocess.run(
        [*map(str, command)], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert result.returncode == 0, f"{command}\n{result.stdout[-2000:]}\n{result.stderr[-3000:]}"
    return result.stdout


def repository_files(*folders: str) -> list[str]:
    listing = run("git", "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", *folders, cwd=ROOT)
    return [name for name in listing.splitlines() if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """dist/ with the sdist and the wheel made from it, built in a copy of the repository's files."""
    source = tmp_path_factory.mktemp("source")
    for name in repository_files():
        if not (ROOT / name).is_symlink():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
    run(sys.executable, "-m", "build", "--no-isolation", cwd=source)
    return source / "dist"


@pytest.fixture(scope="module")
def installed(dist, tmp_path_factory) -> Path:
    """bin/ of a fresh environment with the wheel; its dependencies are those of the running environment, without its editable install."""
    place = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", place, cwd=place)
    run(place / "bin/python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", *dist.glob("*.whl"), cwd=place)
    packages = next(place.glob("lib/python3*/site-packages"))
    (packages / "dependencies.pth").write_text("\n".join(p for p in sys.path if p.endswith("site-packages")) + "\n")
    return place / "bin"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


def test_wheel_and_sdist_hold_every_file_of_the_packages(dist):
    files = repository_files("src", "studies", "experiments/holdfast_calibration")
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    packaged = {name for name in names if ".dist-info/" not in name}
    assert packaged == {name.split("/", 1)[1] for name in files}
    assert {"LICENSE", "LICENSES.txt", "LICENSE-arimo.txt", "NOTICE.md"} <= {Path(name).name for name in names if "/licenses/" in name}
    with tarfile.open(next(dist.glob("*.tar.gz"))) as sdist:
        held = {name.split("/", 1)[1] for name in sdist.getnames() if "/" in name}
    assert {*files, "LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "pyproject.toml"} <= held
    assert not [name for name in held if name.startswith(("tests/", "docs/", ".venv/", "runs/"))]


def test_the_description_renders_on_a_package_index(dist):
    assert "FAILED" not in run(sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir(), cwd=dist)


def test_the_wheel_is_what_is_imported(installed, folder):
    place, version = run(installed / "python", "-c", "import holdfast; print(holdfast.__file__, holdfast.__version__)", cwd=folder).split()
    assert Path(place).is_relative_to(installed.parent)
    assert version in run(installed / "holdfast", "--version", cwd=folder)


def test_the_shipped_model_is_found(installed, folder):
    assert "NOT ok" not in run(installed / "holdfast", "doctor", cwd=folder)


def test_a_small_study_runs_outside_a_checkout(installed, folder):
    (folder / "tiny.yaml").write_text(STUDY)
    run(installed / "holdfast", "run", "tiny.yaml", "--quiet", cwd=folder, OMP_NUM_THREADS="1")
    findings = json.loads((folder / "runs/tiny/findings.json").read_bytes())
    assert [adapter["name"] for adapter in findings["adapters"]] == ["maths"] and (folder / "runs/tiny/report.html").is_file()


def test_a_reply_is_rescored(installed, folder):
    (folder / "replies.jsonl").write_text(json.dumps(REPLY) + "\n")
    assert json.loads(run(installed / "holdfast", "rescore", "replies.jsonl", "--json", cwd=folder))["outcome"] == "correct"


def test_the_published_study_is_analyzed_from_its_shipped_files(installed, folder):
    assert "0 disagree" in run(installed / "holdfast", "analyze", "published:llama2-7b", cwd=folder)
    assert (folder / "runs/published-llama2-7b/findings.json").is_file()
