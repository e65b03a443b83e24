"""`holdfast analyze`: dispatch by what is named, exit codes, one clear line for what cannot be meant; and the page of the docs."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast.cli.app import app
from holdfast.errors import ConfigError
from holdfast_llama2_7b import page

ROOT = Path(__file__).parents[2]


def call(*arguments, folder=None):
    done = CliRunner().invoke(app, ["analyze", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.mark.slow
def test_a_published_study_gives_findings_audit_and_report(tmp_path):
    out = tmp_path / "out"
    done = call("published:llama2-7b", "-o", out)
    assert done.exit_code == 0 and "12 claims" in done.output and f"report: {out / 'report.html'}" in done.output.replace("\n", "")
    assert {p.name for p in out.iterdir()} >= {"findings.json", "audit.json", "report.html", "report.md", "tables"}


@pytest.mark.slow
def test_json_is_the_findings_file_and_strict_exits_with_one(tmp_path):
    done = call("published:llama2-7b", "-o", tmp_path, "--json", "--strict")
    assert done.exit_code == 1 and "claims do not stand" in done.stderr
    assert json.loads(done.stdout) == json.loads((tmp_path / "findings.json").read_text())


@pytest.mark.slow
def test_the_default_folder_is_named_after_the_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    call("published:llama2-7b")
    assert (tmp_path / "runs" / "published-llama2-7b" / "findings.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["published:llama3"], "available: llama2-7b"),
        (["published:"], "available: llama2-7b"),
        (["published:llama2-7b", "--data-root", "nowhere"], "no such folder: nowhere"),
        (["published:llama2-7b", "train.r=3"], "available: data.root=DIR"),
        (["runs/none"], "no such table"),
        (["none.jsonl"], "no such file"),
        (["runs/none", "--data-root", "x"], "published:NAME"),
    ],
)
def test_what_cannot_be_meant_is_one_line(arguments, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as error:
        call(*arguments)
    assert words in str(error.value) and "\n" not in str(error.value)


def test_an_output_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ConfigError, match="--out"):
        call("published:llama2-7b", "-o", tmp_path / "file" / "out")


def test_rescored_replies_are_summarized(tmp_path):
    rows = [{"id": str(i), "outcome": "correct" if i % 2 else "other", "answer": "A", "reason": "letter"} for i in range(40)]
    (tmp_path / "replies.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    found = json.loads(call(tmp_path / "replies.jsonl", "--json").output)
    assert found["n"] == 40 and found["all"]["rates"]["correct"]["estimate"] == 0.5
    assert "50.0" in call(tmp_path / "replies.jsonl").output


@pytest.mark.slow
def test_an_unknown_study_ends_with_code_two_and_no_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", "analyze", "published:x"], capture_output=True, text=True, timeout=60, env={**os.environ}
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "available: llama2-7b" in done.stderr


@pytest.mark.slow
def test_a_published_study_is_analyzed_without_importing_torch():
    code = "import sys; from holdfast_llama2_7b import STUDY; STUDY.analyze(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_the_page_of_the_docs_is_current(tmp_path):
    assert (ROOT / "docs" / "published-llama2-7b.md").read_text(encoding="utf-8") == page.render()
    assert page.main([str(tmp_path / "p.md")]) == 0 and (tmp_path / "p.md").read_text(encoding="utf-8") == page.render()


def test_a_page_cell_from_a_file_is_plain_text():
    assert page.markdown("a|b <script> [x](y)\n\x1b") == "a\\|b \\<script\\> \\[x\\](y)  "
