"""What the README tells people to type works, the two make commands included; and the tests' processes reach no network."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.cli.app import app
from holdfast.config import recipe_names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(make|holdfast) (\w+)", README, re.M)
HOME = "https://(?:github|raw.githubusercontent).com/"
SMALL = "embedded seeds=1 dose.scales=[] domains.truth_resists.sources.world.limit=130 " + " ".join(
    f"domains.{d}.sources.world.limit=130" for d in ("maths", "knowledge", "common_sense", "truth")
)


def test_the_readme_begins_with_the_two_commands_before_any_background():
    assert COMMANDS[:2] == [("make", "run"), ("make", "test")]
    assert README.index("make test") < README.index("\n## ")


def test_every_named_command_recipe_and_file_exists():
    told = {word for program, word in COMMANDS if program == "holdfast"}
    assert told == {command.name or command.callback.__name__ for command in app.registered_commands}
    named = set(re.findall(r"`([a-z0-9-]+)`", README.split("Recipes:")[1].split("\n\n")[0]))
    assert named and named <= {*recipe_names()}
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links and all(re.match(HOME, link) for link in links), "a package index shows the README: links are absolute"
    for link in links:
        assert (ROOT / re.sub(rf"^{HOME}(holdfast-eval/holdfast/)(blob/)?main/", "", link)).is_file(), link


@pytest.mark.slow
def test_make_run_runs_a_study_and_prints_the_table_and_the_report(tmp_path):
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "bin").symlink_to(Path(sys.executable).parent)
    for stamp in (".installed", ".installed-dev"):
        (venv / stamp).touch()
    arguments = ["make", "run", f"VENV={venv}", f"STUDY={SMALL} --limit 8 -o {tmp_path / 'out'}"]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "combined" in done.stdout and f"report: {tmp_path / 'out' / 'report.html'}" in done.stdout
    assert (tmp_path / "out" / "timing.json").is_file()
    planned = subprocess.run(["make", "-n", "test", f"VENV={venv}"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert planned.returncode == 0 and "-m pytest" in planned.stdout


def test_no_process_of_the_tests_reaches_the_network():
    code = "import socket; socket.create_connection(('127.0.0.1', 9), timeout=2)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "the tests block sockets" in done.stderr
