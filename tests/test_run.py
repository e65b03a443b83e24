"""A small study from end to end: results, resumption byte for byte, bad input. Sockets are blocked."""

import html
import json
import re
import shutil
import subprocess
import sys

import pytest

from holdfast import config
from holdfast.backends.local import LocalBackend
from holdfast.planning import estimate
from holdfast.store import Store
from holdfast.training import batches
from warm import HOLDFAST

SMALL = ["embedded", "seeds=2", "dose={scales: [0.5], checkpoints: [0.5], seeds: 1, domains: [maths, truth]}",
         "domains.truth_resists.sources.world.limit=160", "domains.truth_resists.sources.dialogues.limit=40",
         "domains.knowledge.sources=[{kind: world, domain: knowledge, limit: 200}]",
         "domains.maths.sources=[{kind: world, domain: maths, limit: 200}]", "domains.truth.sources=[{kind: world, domain: truth, limit: 200}]",
         "domains.common_sense.sources=[{kind: world, domain: common_sense, limit: 200}]", "--limit", "12", "--offline"]  # fmt: skip


OWN = [sys.executable, "-m", "holdfast"]  # a process whose memory and hashes are its own


def holdfast(*arguments, code=0, command=HOLDFAST):
    done = subprocess.run([*command, *map(str, arguments)], capture_output=True, text=True, timeout=500)
    assert done.returncode == code, done.stderr[-2000:]
    return done


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    holdfast("run", *SMALL, "-o", out, command=OWN)
    return out


def cells(adapter):
    return [*adapter["gains"].values(), *(s[p] for s in adapter["shifts"].values() for p in ("behaviour", "firmness", "deference") if s[p])]


def test_the_findings_hold_every_adapter_gain_and_shift(finished):
    findings = json.loads((finished / "findings.json").read_text())
    assert [a["name"] for a in findings["adapters"]] == findings["study"]["domains"]
    for a in findings["adapters"]:
        assert set(a["gains"]) == {"gsm8k", "mmlu", "hellaswag", "truthfulqa"} and set(a["shifts"]) == {"imitation", "feedback", "doubt"}
        assert all(c["verdict"] in ("inconclusive", "not_identified") for c in cells(a))  # two seeds: no verdict
    identity = next(a for a in findings["adapters"] if a["name"] == "identity")
    assert all(c["estimate"] == 0 for c in cells(identity))
    audit = {e["check"]: e["level"] for e in json.loads((finished / "audit.json").read_text())}
    assert audit["identity"] == "ok" and audit["seeds"] == "warn" and audit["overlap"] == "ok"


def test_an_audit_of_the_run_is_the_runs_own_and_strict_says_why_it_ends_with_1(finished):
    own = json.loads((finished / "audit.json").read_text())
    again = json.loads(holdfast("audit", finished, "--json").stdout)
    assert sorted(json.dumps(e, sort_keys=True) for e in again) == sorted(json.dumps(e, sort_keys=True) for e in own)
    assert {"batching", "truncation"} <= {e["check"] for e in own}
    refused = [e for e in own if e["level"] == "refuse"]
    for command in ("audit", "analyze"):
        told = holdfast(command, finished, "--strict", code=1 if refused else 0).stderr
        assert (f"--strict: the audit refuses {len(refused)} claims" in told) == bool(refused)


def test_the_report_asks_no_address_and_shows_every_cell(finished):
    page = re.sub(r"<script[^>]*>.*?</script>", "", (finished / "report.html").read_text(), flags=re.DOTALL)
    assert not re.search(r"""(src|href)=["']https?:""", page)
    assert "Content-Security-Policy\" content=\"default-src 'none'; script-src 'sha256-" in html.unescape(page)
    assert page.count("<figure data-chart") >= 6 and 'id="combined-doubt"' in page


def test_what_was_asked_and_computed_is_counted_over_all_cells(finished):
    engine = json.loads((finished / "environment.json").read_text())["engine"]
    counted = [json.loads(p.read_text()) for p in (finished / "cells").glob("trials-*/engine.json")]
    for name in ("asked", "computed"):
        assert sum(t[name] for t in engine["tokens"].values()) == sum(c[name] for c in counted) > 0
    assert all(t["shared"] == round(1 - t["computed"] / t["asked"], 4) for t in engine["tokens"].values())
    trained = [json.loads(p.read_text()) for p in (finished / "cells").glob("adapter-*/training.json")]
    assert engine["training_tokens"] == sum(t.get("num_tokens", 0) for t in trained) > engine["training_computed"]
    assert engine["training_computed"] == sum(t.get("num_computed", 0) for t in trained) > 0
    assert engine["nominal_flops"] == sum(c["flops"] for c in counted) + sum(t.get("flops", 0) for t in trained)
    assert 0 < engine["fraction_of_peak"] < 1 and engine["matrix_multiply"] == {"many": "torch", "few": "torch"}
    page = (finished / "report.html").read_text()
    assert all(f"{t['computed']:,}" in page for t in engine["tokens"].values())


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    unmade = tmp_path_factory.getbasetemp() / "unmade"
    return lambda *more: json.loads(holdfast("plan", *SMALL, *more, "--json", "-o", unmade, command=OWN).stdout)


@pytest.fixture(scope="module")
def planned(plan):
    return plan()["estimated peak memory, GiB"]


def test_plan_predicts_the_peak_of_memory_within_15_per_cent(finished, planned, tmp_path_factory):
    assert planned == pytest.approx(json.loads((finished / "timing.json").read_text())["peak_memory_bytes"] / 2**30, rel=0.15)
    assert not (tmp_path_factory.getbasetemp() / "unmade").exists()


def test_a_plan_for_a_cluster_needs_none_and_counts_its_workers(plan, planned):
    three = plan("execution.kind=ray", "execution.processes=3", "execution.cpus_per_worker=1")
    assert three["workers"].startswith("3, each as fast as 1 of this machine's cores") and "processes" not in three
    assert three["estimated peak memory, GiB"] < planned


def test_a_large_model_is_planned_from_parts_of_its_work(tmp_path):
    backend = LocalBackend(config.load_study("embedded", ["instruments=[{kind: mmlu, style: world, limit: 6}, {kind: doubt, style: world, limit: 6}, "
                  "{kind: gsm8k, style: world, limit: 6}, {kind: hellaswag, style: world, limit: 6}, {kind: truthfulqa, style: world, limit: 6}]"]),
                  Store(tmp_path))  # fmt: skip
    rows = batches.encode(backend.materials.examples("maths")[:80], backend.base.chat, backend.study.train).examples
    speed = estimate._parts(backend, rows)
    assert speed.asking > 0 and speed.training_token > 1e-9 and speed.laying_out > 0
    assert speed.later_bytes == 4 * 6 * backend.base.model.config.vocab_size  # doubt is the one axis
    assert estimate._parts(backend, ()).training_token == 0.0


def test_a_second_run_reuses_every_cell_and_a_lost_cell_comes_back_the_same(finished, tmp_path):
    before = (finished / "findings.json").read_bytes()
    assert "0 cells made" in holdfast("run", *SMALL, "-o", finished).stderr
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    for pattern in ("adapter-*", "trials-*", "results-*"):
        shutil.rmtree(sorted((copy / "cells").glob(pattern))[0])
    (copy / "findings.json").unlink()
    holdfast("run", *SMALL, "-o", copy, command=OWN)
    assert (copy / "findings.json").read_bytes() == before


def test_damaged_cells_are_said_and_come_back_the_same_and_foreign_files_stay(finished, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    damaged = [sorted((copy / "cells").glob(f"{kind}-*"))[0] for kind in ("trials", "results")]
    for place, file in zip(damaged, ("transcripts.jsonl.gz", "findings.json"), strict=True):
        data = bytearray((place / file).read_bytes())
        data[len(data) // 2] ^= 1
        (place / file).write_bytes(data)
    foreign = [copy / "notes.txt", copy / "cells" / "notes.txt", sorted((copy / "cells").glob("adapter-*"))[0] / "adapter" / "notes.txt"]
    for file in foreign:
        file.write_text("mine")
    done = holdfast("run", *SMALL, "-o", copy)
    assert all(f"cell {place.name} does not match its manifest; it is made again" in done.stderr for place in damaged)
    assert "1 cells made" in done.stderr and (copy / "findings.json").read_bytes() == (finished / "findings.json").read_bytes()
    assert all(file.read_text() == "mine" for file in foreign) and len(list(copy.rglob("notes.txt"))) == len(foreign)


@pytest.mark.parametrize(("arguments", "words"), [
    (["run", "nowhere.yaml"], "no such file"), (["run", "embedded", "trian.r=1"], "did you mean"), (["run", "embedded", "model.name=world:77"], "build it"),
    (["run", "embedded", "model.name=./no/such/folder"], "neither an existing folder"), (["report", "/nonexistent"], "no such file"),
    (["run", "embedded", "instruments.mmlu.options={rotation: 1}"], "unknown option 'rotation'"),
])  # fmt: skip
def test_bad_input_is_one_line_exit_two_and_nothing_written(arguments, words, tmp_path):
    extra = ["-o", str(tmp_path / "o")] if arguments[0] == "run" else []
    done = holdfast(*arguments, *extra, code=2)
    assert words in done.stderr and "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.parquet"))


def test_doctor_is_well():
    assert "one BOS: ok" in holdfast("doctor").stdout
