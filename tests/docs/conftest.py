"""An empty folder for each page, the small `holdfast` first on its PATH, and runs that pages share."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def bench(tmp_path_factory) -> Path:
    """bin/ with the commands that pages type, and runs/ with the studies they made."""
    place = tmp_path_factory.mktemp("pages")
    (place / "bin").mkdir()
    (place / "runs").mkdir()
    for name, told in (("holdfast", f'"{sys.executable}" "{ROOT / "tests/docs/command.py"}"'), ("python", f'"{sys.executable}"')):
        script = place / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {told} "$@"\n')
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return place


@pytest.fixture(scope="session")
def typed_before() -> set[str]:
    """Commands of the pages that were followed before."""
    return set()


@pytest.fixture
def folder(bench, tmp_path) -> Path:
    """An empty folder to follow a page in; `runs` in it is shared with the other pages."""
    (tmp_path / "runs").symlink_to(bench / "runs")
    return tmp_path


@pytest.fixture
def environment(bench, folder) -> dict[str, str]:
    """Of a page's commands. Once the page has written into src/, that copy is what runs."""
    sources = [str(folder / "src")] if (folder / "src").is_dir() else []
    path = os.pathsep.join([*sources, *filter(None, [os.environ.get("PYTHONPATH")])])
    return {
        **os.environ,
        "PATH": f"{bench / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": "1",
        "HF_HUB_OFFLINE": "1",
    }


@pytest.fixture
def checkout(folder) -> Path:
    """A copy of the project's code in the page's folder, for pages that change it."""
    for part in ("src", "tests/blocked"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for file in ("pyproject.toml", "tests/conftest.py"):
        (folder / file).write_bytes((ROOT / file).read_bytes())
    return folder
