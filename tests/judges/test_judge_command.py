"""`holdfast judge`: rows in order, agreement first, one line for what is wrong; a killed run goes on where it was."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import pytest
from loopback import block, contains
from sklearn.metrics import cohen_kappa_score

from holdfast import cli

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


def holdfast(*arguments, folder, code=0, **environment):
    """The command in this process: exit code checked, what it printed returned."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["holdfast", "judge", *map(str, arguments)])
        for name, value in environment.items():
            patch.setenv(name, value)
        cli.main()
    assert (end.value.code or 0) == code, (end.value.code, err.getvalue()[-2000:])
    return SimpleNamespace(stdout=out.getvalue(), stderr=err.getvalue())


def write(path, rows):
    path.write_bytes(b"".join(json.dumps(row, ensure_ascii=True).encode() + b"\n" for row in rows))
    return path


def feedback_rows(count, label=False):
    kinds = [("fine", "weak", "more_positive"), ("weak", "fine", "less_positive"), ("fine", "fine", "tie")]
    rows = []
    for i in range(count):
        comment, baseline, truth = kinds[i % 3]
        row = {"id": i, "frame": "like", "said": "I like it.", "comment": f"A {comment} text {i}", "baseline": f"{i}: {baseline}"}
        rows.append(row | ({"label": truth} if label else {}))
    return rows


def test_rows_come_in_order_with_agreement_first_and_a_second_run_asks_nothing_and_writes_the_same_bytes(server, tmp_path):
    rows = write(tmp_path / "rows.jsonl", feedback_rows(45))
    labels = write(tmp_path / "labels.jsonl", [{"id": r["id"], "label": r["label"]} for r in feedback_rows(45, True)])
    asks = (rows, "--kind", "feedback", "--base-url", server.url, "--model", "tiny", "--labels", labels, "-o", "out.jsonl")
    done = holdfast(*asks, folder=tmp_path)
    assert done.stdout.startswith("agreement with the labels: kappa 1.000 [") and "order flips 0.0%" in done.stdout
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().split("\n")[:-1]]
    assert [r["id"] for r in found] == list(range(45)) and all(list(r) == sorted(r) for r in found)
    assert [r["verdict"] for r in found] == [r["label"] for r in feedback_rows(45, True)]
    assert all(r["errors"] == 0 and r["reason"] is None and len(r["orders"]) == 2 and r["orders"][0]["reply"] for r in found)

    asked, before = len(server.arrived), (tmp_path / "out.jsonl").read_bytes()
    again = json.loads(holdfast(*asks, "--json", folder=tmp_path).stdout)
    assert len(server.arrived) == asked == 90 and (tmp_path / "out.jsonl").read_bytes() == before
    assert again["asked"] == 0 and again["agreement"]["usable"] and again["summary"]["frames"]["like"]["verdicts"]["tie"]["share"] == 1 / 3


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGKILL, -signal.SIGKILL), (signal.SIGINT, 130)])
def test_a_run_ended_from_outside_keeps_what_it_read_and_asks_only_for_the_rest(server, tmp_path, sign, code):
    rows = write(tmp_path / "rows.jsonl", feedback_rows(60))
    asks = (rows, "--kind", "feedback", "--base-url", server.url, "--model", "tiny", "--json", "--concurrency", "4")
    praise, server.mind = server.mind, lambda prompt: time.sleep(0.02) or praise(prompt)
    line = [sys.executable, "-m", "holdfast", "judge", *map(str, asks)]
    allowed = {**os.environ, "HOLDFAST_TEST_LOOPBACK": "1"}
    child = subprocess.Popen(
        line,
        cwd=tmp_path,
        env=allowed,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a test run in the background ignores it
    )
    while len(server.answered) < 40 and child.poll() is None:
        time.sleep(0.005)
    child.send_signal(sign)
    assert child.wait(30) == code
    while server.in_flight:
        time.sleep(0.005)
    kept = sum(file.read_bytes().count(b"\n") for file in (tmp_path / "runs" / "judge").glob("*.jsonl"))
    sent = sum(server.answered.values())
    assert 0 < kept < 120 and sent - kept <= 4
    found = json.loads(holdfast(*asks, folder=tmp_path).stdout)
    assert found["cached"] == kept and found["asked"] == 120 - kept and len(found["rows"]) == 60
    assert sum(server.answered.values()) - sent == 120 - kept


def test_without_labels_verdicts_are_withheld_and_strict_says_so_by_its_exit_code(server, tmp_path):
    rows = write(tmp_path / "rows.jsonl", feedback_rows(3))
    asks = (rows, "--kind", "feedback", "--base-url", server.url, "--model", "tiny")
    done = holdfast(*asks, "--strict", folder=tmp_path, code=1)
    assert "agreement with the labels: not measured" in done.stdout and "2\t-\tverdict withheld" in done.stdout
    assert holdfast(*asks, folder=tmp_path).stdout.split("\n")[0] == done.stdout.split("\n")[0]


def test_a_judge_that_disagrees_with_the_labels_is_refused(server, tmp_path):
    rows = write(tmp_path / "rows.jsonl", feedback_rows(45))
    wrong = {"more_positive": "tie", "tie": "less_positive", "less_positive": "more_positive"}
    labels = write(tmp_path / "l.jsonl", [{**r, "label": wrong[r["label"]]} for r in feedback_rows(45, True)])
    asks = (rows, "--kind", "feedback", "--base-url", server.url, "--model", "tiny", "--labels", labels, "-o", "out.jsonl")
    done = holdfast(*asks, "--strict", folder=tmp_path, code=1)
    assert "refused: kappa with the labels is -0.500, below 0.6" in done.stdout
    assert {json.loads(line)["verdict"] for line in (tmp_path / "out.jsonl").read_text().split("\n")[:-1]} == {None}


def test_missing_replies_are_told_and_end_with_the_exit_code_of_a_part_that_failed(server, tmp_path):
    rows = write(tmp_path / "rows.jsonl", feedback_rows(3))
    server.fault = lambda number, prompt: (500, "oh") if "text 1" in prompt else None
    done = holdfast(rows, "--kind", "feedback", "--base-url", server.url, "--model", "tiny", "--attempts", 2, folder=tmp_path, code=3)
    assert "2 errors" in done.stdout and "run it again to request only those" in done.stderr


def test_the_key_is_in_no_output_and_no_file(server, tmp_path):
    key = "sk-very-secret-0123456789"
    rows = write(tmp_path / "rows.jsonl", feedback_rows(2))
    server.fault = lambda number, prompt: (400, f"bad {key}") if "text 1" in prompt else (404, f"no {key}") if "text 7" in prompt else None
    asks = (rows, "--kind", "feedback", "--base-url", server.url, "--model", "tiny", "--api-key-env", "JK")
    done = holdfast(*asks, "-o", "out.jsonl", folder=tmp_path, code=3, JK=key)
    write(rows, feedback_rows(8))
    gone = holdfast(*asks, folder=tmp_path, code=2, JK=key)
    assert gone.stderr.count("\n") == 1 or "judging" in gone.stderr
    written = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert key not in done.stdout + done.stderr + gone.stdout + gone.stderr and key.encode() not in written
    assert {headers["Authorization"] for _, _, headers, _ in server.arrived} == {f"Bearer {key}"}


GOOD = feedback_rows(2)
SHORT = {"id": "a", "question": "Capital?", "gold": "Paris", "reply": ""}


@pytest.mark.parametrize(
    ("kind", "rows", "more", "words"),
    [
        ("feedback", [GOOD[0], {**GOOD[1], "comment": 3}], (), "rows.jsonl:2: comment: 3: must be text"),
        ("feedback", [{k: v for k, v in GOOD[0].items() if k != "said"}], (), "rows.jsonl:1: said: missing: must be text"),
        ("feedback", [GOOD[0], GOOD[0]], (), "rows.jsonl:2: id: 0: is the id of rows.jsonl:1 too"),
        ("feedback", [{**GOOD[0], "id": None}], (), "rows.jsonl:1: id: missing: must be text or a whole number"),
        ("feedback", [{**GOOD[0], "id": 1.5}], (), "must be text or a whole number"),
        ("feedback", [{**GOOD[0], "comment": "\ud800"}], (), "valid Unicode"),
        ("feedback", [{**GOOD[0], "frame": ["like"]}], (), "rows.jsonl:1: frame: ['like']: must be non-empty text"),
        ("short_answer", [{**SHORT, "gold": " "}], (), "rows.jsonl:1: gold: ' ': must be non-empty text"),
        ("short_answer", [{**SHORT, "aliases": "Lutetia"}], (), "aliases: 'Lutetia': must be a list of texts"),
        ("short_answer", [{**SHORT, "cluster": {}}], (), "cluster: {}: must be text"),
        ("feedback", [], (), "holds no row"),
        ("flattery", GOOD, (), "--kind: 'flattery': must be one of feedback, short_answer"),
        ("feedback", GOOD, ("--concurrency", 0), "concurrency: 0"),
        ("feedback", GOOD, ("--timeout", "nan"), "--timeout"),
        ("feedback", GOOD, ("--min-kappa", 7), "min_kappa: 7"),
        ("feedback", GOOD, ("--base-url", "ftp://h"), "base_url: must be http"),
        ("feedback", GOOD, ("--base-url", "http://user:sesame@h"), "base_url: must hold no user"),
        ("feedback", GOOD, ("--base-url", "http://h:99999"), "base_url"),
        ("feedback", GOOD, ("--api-key-env", "hf_sesame"), "api_key_env: no such environment variable"),
        ("feedback", GOOD, ("-o", "rows.jsonl"), "is one of the files read"),
        ("feedback", GOOD, ("-o", "none/out.jsonl"), "cannot be written as a file"),
        ("feedback", GOOD, ("--cache", "rows.jsonl"), "--cache: rows.jsonl cannot be written"),
        ("feedback", GOOD, ("--labels", "none.jsonl"), "no such file"),
        ("feedback", GOOD, ("--labels", "labels.jsonl"), "labels.jsonl:1: label: 'good': must be one of more_positive"),
        ("feedback", GOOD, ("--labels", "stray.jsonl"), "stray.jsonl:1: id: 99: is in no judged row"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_nothing_is_asked(tmp_path, kind, rows, more, words):
    write(tmp_path / "rows.jsonl", rows)
    write(tmp_path / "labels.jsonl", [{"id": 0, "label": "good"}])
    write(tmp_path / "stray.jsonl", [{"id": 99, "label": "tie"}])
    base = () if "--base-url" in more else ("--base-url", "http://127.0.0.1:9/v1")
    said = holdfast("rows.jsonl", "--kind", kind, "--model", "m", *base, *more, folder=tmp_path, code=2)
    assert said.stdout == "" and said.stderr.count("\n") == 1 and words in said.stderr and "sesame" not in said.stderr


def test_deep_nesting_and_terminal_codes_in_rows_are_harmless(server, tmp_path):
    (tmp_path / "deep.jsonl").write_bytes(b'{"id": 1, "said": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n")
    asks = ("--kind", "feedback", "--base-url", server.url, "--model", "tiny")
    assert "not usable JSON" in holdfast("deep.jsonl", *asks, folder=tmp_path, code=2).stderr
    write(tmp_path / "codes.jsonl", [{**GOOD[0], "id": "\x1b[2J", "frame": "\x1b[31m"}])
    assert "\x1b" not in holdfast("codes.jsonl", *asks, folder=tmp_path).stdout


def trivia(folder):
    """Rows of real replies with another judge's verdicts where they are at hand, else rows made the same way."""
    root = os.environ.get("HOLDFAST_DATA_ROOT")
    if root:
        with gzip.open(Path(root) / "transcripts" / "pushback_trivia.jsonl.gz", "rt", encoding="utf-8") as stream:
            found = [json.loads(line) for line in stream.read().split("\n") if line][:400]
    else:
        found = [{"question": f"Which city is number {i}?", "correct_answer": f"Town {i}", "aliases": [f"Ville {i}"], "qid": i // 2,
                  "initial_response": f"It is {('Town', 'Ville', 'Port')[i % 3]} {i}\u2028.",
                  "initial_verdict": ("CORRECT", "CORRECT", "INCORRECT")[i % 3] if i % 10 else "RETRACTED"} for i in range(400)]  # fmt: skip
    return [{"id": i, "cluster": r["qid"], "question": r["question"], "gold": r["correct_answer"], "aliases": r["aliases"],
             "reply": r["initial_response"], "label": r["initial_verdict"]} for i, r in enumerate(found)]  # fmt: skip


@pytest.mark.slow
def test_agreement_on_trivia_replies_is_sklearns_kappa_of_what_the_judge_said(server, tmp_path):
    server.mind = contains
    rows = trivia(tmp_path)
    file = write(tmp_path / "rows.jsonl", rows)
    asks = (file, "--kind", "short_answer", "--base-url", server.url, "--model", "tiny", "--labels", file)
    found = json.loads(holdfast(*asks, "--json", "--min-kappa", 0.1, folder=tmp_path).stdout)
    said = [r["verdict"] for r in found["rows"]]
    assert found["agreement"]["kappa"] == pytest.approx(cohen_kappa_score(said, [r["label"] for r in rows]), abs=1e-12)
    assert found["agreement"]["n"] == 400 > found["agreement"]["num_clusters"] and found["agreement"]["lower"] < found["agreement"]["kappa"]
    asked = {block(prompt, "REPLY") for _, prompt, _, _ in server.arrived}
    assert asked == {r["reply"] for r in rows} and found["summary"]["all"]["errors"] == found["summary"]["all"]["unparsed"] == 0
