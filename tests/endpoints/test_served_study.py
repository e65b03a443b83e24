"""A whole study behind a server, by the command line: the local numbers, resumption, missing answers, no key anywhere."""

import io
import json
import os
import re
import subprocess
import sys
import time
from contextlib import nullcontext, redirect_stderr
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from server import Abilities, Server, load, random_faults

from holdfast import api as holdfast_api
from holdfast import cli, pipeline
from holdfast.backends.keys import study_keys
from holdfast.config import Study
from warm import HOLDFAST

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
KEY = "sk-very-secret-0123456789"
KINDS = ("gsm8k", "mmlu", "hellaswag", "imitation", "doubt")
BASE = {
    "name": "served", "seeds": 1, "model": {"name": "world:0"},
    "train": {"r": 4, "learning_rate": 5e-3, "num_train_epochs": 1, "max_length": 128},
    "domains": [{"name": "maths", "own_benchmark": "gsm8k", "sources": [{"kind": "world", "domain": "maths", "limit": 64}]},
                {"name": "identity", "role": "null", "identity": True}],
    "instruments": [{"kind": k, "style": "world", "limit": 2} for k in KINDS],
}  # fmt: skip


def holdfast(*arguments, code=0, **environment):
    done = subprocess.run(
        [*HOLDFAST, *map(str, arguments)], capture_output=True, text=True, timeout=500,
        env={**os.environ, "HOLDFAST_TEST_LOOPBACK": "1", **environment},
    )  # fmt: skip
    assert done.returncode == code, done.stderr[-2000:]
    return done


def refused(*arguments):
    """The one line with which the command ends, in this process: it gets no further than its checks."""
    err = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stderr(err), pytest.raises(SystemExit) as end:
        patch.setattr(sys, "argv", ["holdfast", *map(str, arguments), "--quiet"])
        cli.main()
    assert end.value.code == 2
    return err.getvalue()


def behind(url, **changes):
    """The same study with its models behind a server."""
    served = {**BASE, "model": {"name": f"endpoint:{url}", "served_model": "base", "tokenizer": "world:0"},
              "execution": {"endpoint": {"backoff_seconds": 0.01, "timeout_seconds": 20, "max_failures": 1000}},
              "domains": [{"name": "maths", "own_benchmark": "gsm8k", "served": ["maths-0"]}, BASE["domains"][1]]}  # fmt: skip
    del served["train"]
    return {**served, **changes}


def write(folder, study):
    file = Path(folder) / "study.yaml"
    file.write_text(yaml.safe_dump(study))
    return file


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    folder = tmp_path_factory.mktemp("local")
    holdfast("run", write(folder, BASE), "-o", folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def server(local):
    found = Server(load("world:0", {"maths-0": str(local / "adapters" / "maths-seed0")})).start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def whole(server, tmp_path_factory):
    """A run that nothing disturbed, with a key."""
    folder = tmp_path_factory.mktemp("served")
    study = behind(server.url)
    study["execution"]["endpoint"]["api_key_env"] = "HOLDFAST_API_KEY"
    done = holdfast("run", write(folder, study), "-o", folder / "out", HOLDFAST_API_KEY=KEY)
    return folder / "out", done


def trials(out):
    rows = pq.read_table(out / "trials.parquet").to_pylist()
    return {(r["model"], r["instrument"], r["item_id"], r["condition"], r["rotation"]): r for r in rows}


def test_the_study_behind_the_server_is_the_study_here(local, whole):
    own, served = trials(local), trials(whole[0])
    assert own.keys() == served.keys()
    for key, a in own.items():
        b = served[key]
        for name in ("p_gold", "p_suggested", "kappa", "loglik_gold", "loglik_suggested", "margin", "rating", "score", "score_norm"):
            assert a[name] == pytest.approx(b[name], abs=1e-4, nan_ok=True), (key, name)
        assert all(a[name] == b[name] for name in ("outcome", "form", "label", "ended", "num_prompt_tokens", "num_new_tokens"))
    assert all(row["kl"] != row["kl"] for row in served.values())  # no server gives whole distributions: unknown, not 0
    gains = [json.loads((p / "findings.json").read_text())["adapters"][0]["gains"] for p in (local, whole[0])]
    assert all(gains[0][k]["estimate"] == pytest.approx(gains[1][k]["estimate"], abs=1e-6) for k in gains[0])


def test_the_record_and_the_report_say_which_form_was_used(whole):
    about = json.loads((whole[0] / "environment.json").read_text())["endpoint"]
    assert (about["form"], about["scoring"], about["sent"], about["num_models"]) == ("mass", "echo", "token ids", 2)
    assert about["served"] == {"base": "base", "maths/seed0": "maths-0", "identity/seed0": "base"}
    assert sum(r["asked"] for r in about["requests"].values()) > 500 and not any(r["missing answers"] for r in about["requests"].values())
    page = (whole[0] / "report.html").read_text()
    assert "whole answers, scored by the server's prompt log-probabilities (echo)" in page and about["address"] in page
    audit = {e["check"]: e["level"] for e in json.loads((whole[0] / "audit.json").read_text())}
    assert audit["identity"] == "ok" and audit["batching"] == "ok" and "template" not in audit


def test_the_key_is_sent_and_stands_nowhere(server, whole):
    out, done = whole
    sent = {headers.get("Authorization") for _, _, headers, _ in server.arrived}
    assert f"Bearer {KEY}" in sent
    assert all(KEY.encode() not in p.read_bytes() for p in out.parent.rglob("*") if p.is_file()) and KEY not in done.stdout + done.stderr


@pytest.mark.slow
def test_a_second_run_asks_nothing_but_what_the_server_can_do(server, whole):
    before = len(server.arrived)
    done = holdfast("run", whole[0] / "study.yaml", "-o", whole[0], HOLDFAST_API_KEY=KEY)
    assert "0 cells made" in done.stderr and len(server.arrived) - before < 12


@pytest.mark.slow
def test_a_killed_run_under_faults_asks_only_what_is_missing_and_ends_with_the_same_findings(server, whole, tmp_path):
    server.answered.clear()
    server.fault = random_faults(0.15, 3)
    asked = behind(server.url)
    asked["execution"]["endpoint"]["attempts"] = (
        12  # the faults are drawn by arrival: with fewer, one request in thousands meets nothing else
    )
    study, out = write(tmp_path, asked), tmp_path / "out"
    command = [sys.executable, "-m", "holdfast", "run", str(study), "-o", str(out)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOLDFAST_TEST_LOOPBACK": "1"}
    ) as run:
        while sum(server.answered.values()) < 250 and run.poll() is None:
            time.sleep(0.02)
        assert run.poll() is None, "the run ended before it could be killed"
        run.kill()
    time.sleep(1)  # its worker leaves with it
    holdfast("run", study, "-o", out)
    server.fault = lambda *_: None
    assert (out / "findings.json").read_bytes() == (whole[0] / "findings.json").read_bytes()
    kept = [
        json.loads(line)["key"] for p in (out / "replies").glob("*.jsonl") for line in p.read_bytes().splitlines() if line.endswith(b"}")
    ]
    # Asked for again: what each of two starts finds out about the server, and what was in flight at the kill.
    assert len(kept) == len(set(kept)) and len(kept) <= sum(server.answered.values()) <= len(kept) + 2 * 12 + 8


def here(study, out):
    """The run without its worker process: what it says, and how it ends."""
    study = Study.model_validate(study)
    said = []
    backend, plan = pipeline._prepare(study, out, said.append)
    for key in study_keys(study):
        backend.make_trials(key)
    backend.transport.close()
    return pipeline.conclude(backend, out, plan, [], said.append), said


def test_requests_that_keep_failing_are_missing_answers_and_are_asked_for_again(server, tmp_path):
    study, out = behind(server.url, domains=[]), tmp_path / "out"
    study["execution"]["endpoint"] |= {"attempts": 2}
    study["instruments"] = [{"kind": k, "style": "world", "limit": 4} for k in ("mmlu", "imitation")]
    broken = []

    def fault(number, route, body):
        """Three prompts that are never answered."""
        if body is None or not body.get("echo") or len(body["prompt"]) < 25:
            return None
        name = json.dumps(body["prompt"])
        if name not in broken and len(broken) < 3:
            broken.append(name)
        return (500, "oh") if name in broken else None

    server.fault = fault
    outcome, _ = here(study, out)
    server.fault = lambda *_: None
    line = re.compile(
        r"base, (mmlu|imitation): [1-3] answers are missing, their requests failed \(most often: http: .*500.*\); run again to ask for those only"
    )
    assert outcome.failures and all(line.fullmatch(f) for f in outcome.failures), outcome.failures
    missing = [r for r in trials(out).values() if r["outcome"] == "unparsed"]
    asked = json.loads((out / "environment.json").read_text())["endpoint"]["requests"]
    assert missing and sum(r["missing answers"] for r in asked.values()) >= 1 and sum(r.get("failed", 0) for r in asked.values()) == 3
    assert all(r[n] != r[n] for r in missing for n in ("p_gold", "p_suggested", "score", "margin", "kappa", "loglik_gold"))
    before = len(server.arrived)
    again, said = here(study, out)
    assert any("they are asked for again" in line for line in said) and not again.failures and len(server.arrived) - before < 20
    assert not [r for r in trials(out).values() if r["outcome"] == "unparsed"]


def test_a_finished_run_is_what_it_was_until_another_has_finished_in_its_place(server, tmp_path, monkeypatch):
    study, out = behind(server.url, domains=[], instruments=[{"kind": "mmlu", "style": "world", "limit": 4}]), tmp_path / "out"
    here(study, out)

    def files():
        return {
            p.relative_to(out): p.read_bytes()
            for p in out.rglob("*")
            if p.is_file() and p.relative_to(out).parts[0] not in ("cells", "replies")
        }

    def fails(*_, **__):
        raise RuntimeError("oh")

    before, other = files(), {**study, "instruments": [{"kind": "mmlu", "style": "world", "limit": 3}]}
    for place in ("make_plan", "run_jobs", "_results", "_copy_adapters", "_draw"):
        with monkeypatch.context() as patch, pytest.raises(RuntimeError):
            patch.setattr(pipeline, place, fails)
            if place == "run_jobs":
                pipeline.run(Study.model_validate(other), out, say=str, progress=lambda _: nullcontext(lambda *_: None))
            here(other, out)
        assert {name: data for name, data in files().items() if name.name != "timing.json"} == before, place
        assert {e.check for e in holdfast_api.audit(out)} and holdfast_api.analyze(out).document.base.benchmarks["mmlu"]
    here(other, out)
    assert len(trials(out)) == 12 and before.keys() == files().keys() - {Path("timing.json")}


def test_a_server_without_log_probabilities_is_measured_in_the_generated_form(server, tmp_path):
    server.can = Abilities(echo=False, prompt_logprobs=False, top=0)
    study = behind(server.url)
    study["instruments"] = [{"kind": k, "style": "world", "limit": 4} for k in ("gsm8k", "mmlu", "imitation", "feedback", "doubt")]
    outcome, _ = here(study, tmp_path / "out")
    server.can = Abilities()
    rows = list(trials(tmp_path / "out").values())
    assert {r["form"] for r in rows} == {"generated"} and all(r["kappa"] != r["kappa"] and r["margin"] != r["margin"] for r in rows)
    assert {r["p_gold"] for r in rows if r["p_gold"] == r["p_gold"]} <= {0.0, 1.0} and sum(
        r["outcome"] == "unparsed" for r in rows
    ) < 0.3 * len(rows)
    about = json.loads((tmp_path / "out" / "environment.json").read_text())["endpoint"]
    assert (about["form"], about["scoring"]) == ("generated", "generated")
    assert "they are in the <b>generated form</b>" in (tmp_path / "out" / "report.html").read_text()
    identity = next(a for a in outcome.findings.adapters if a.name == "identity")
    assert all(c.estimate in (0, None) for c in [*identity.gains.values(), *(s.behaviour for s in identity.shifts.values())])


def test_plan_counts_the_requests(server, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["holdfast", "plan", str(write(tmp_path, behind(server.url))), "--json", "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    found = json.loads(capsys.readouterr().out)
    assert not end.value.code and found["form"] == "mass" and found["models"] == 3 and not (tmp_path / "out").exists()
    assert found["requests per model"]["mmlu"] == 4 * found["prompts"]["mmlu"] and found["requests per model"]["gsm8k"] == 2


@pytest.mark.parametrize(("change", "words"), [
    ({"served_model": "bass"}, "did you mean 'base'"), ({"served_model": None}, "model.served_model: not named"),
    ({"tokenizer": None}, "is not the base of a world"), ({"name": "endpoint:http://user:secretpw@127.0.0.1/v1"}, "must hold no user"),
    ({"name": "endpoint:ftp://x"}, "must be http://"),
])  # fmt: skip
def test_what_cannot_be_meant_is_one_line(server, tmp_path, change, words):
    study = behind(server.url)
    study["model"] = {**study["model"], **change}
    said = refused("run", write(tmp_path, study), "-o", tmp_path / "out")
    assert words in said and said.count("\n") == 1 and "secretpw" not in said and "Traceback" not in said
    assert not (tmp_path / "out" / "study.yaml").exists()


def test_a_key_pasted_for_its_variable_is_not_shown_or_written(server, tmp_path):
    for pasted, words in ((KEY, "api_key_env"), ("sk_pasted_key", "no such environment variable")):
        study = behind(server.url)
        study["execution"]["endpoint"]["api_key_env"] = pasted
        folder = tmp_path / "out"
        said = refused("run", write(tmp_path, study), "-o", folder)
        assert words in said and pasted not in said and said.count("\n") == 1
        assert all(pasted.encode() not in p.read_bytes() for p in folder.rglob("*") if p.is_file())


def test_an_instrument_that_the_server_cannot_be_asked_is_named_before_anything_is(server, tmp_path):
    server.can = Abilities(echo=False, prompt_logprobs=False)
    said = refused("run", write(tmp_path, behind(server.url)), "-o", tmp_path / "out")
    server.can = Abilities()
    assert "instruments.hellaswag: needs the log-probabilities of whole answers" in said and said.count("\n") == 1


def test_probe_tells_what_the_server_can_do_and_asks_it_a_study(server, capsys, monkeypatch):
    command = ["holdfast", "probe", f"endpoint:{server.url}", "model.served_model=base", "model.tokenizer=world:0"]
    asked = [*command, "--adapter", "maths-0", "--study", "embedded", "--limit", "1", "--json"]
    for argv in (command, asked):
        monkeypatch.setattr(sys, "argv", argv)
        with pytest.raises(SystemExit) as end:
            cli.main()
        assert not end.value.code
    told, found = capsys.readouterr().out.split("{", 1)
    assert "scoring                          echo" in told
    assert set(json.loads("{" + found)) == {"endpoint", "base", "maths-0"}
