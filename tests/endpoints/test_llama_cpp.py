"""llama.cpp's own server, built from its sources, serves a GGUF file that is written here: its numbers are those of the checkpoint.

A tier of its own: `make test-endpoint` installs the extra `endpoint-tests`, which needs a C++ compiler.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

pytest.importorskip("llama_cpp", reason="the extra endpoint-tests is not installed")
pytest.importorskip("gguf", reason="the extra endpoint-tests is not installed")

from gguf_llama import write

from holdfast.backends.endpoint import open_transport, own_chat
from holdfast.config import ModelConfig, Study
from holdfast.endpoints.asking import Asker
from holdfast.endpoints.capabilities import examine
from holdfast.endpoints.engine import EndpointEngine
from holdfast.endpoints.replies import ReplyLog
from holdfast.engine.local import LocalEngine
from holdfast.models.checkpoint import load_base
from holdfast.sources.materials import Materials

pytestmark = [pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.endpoint]
KEY = "sk-llama-cpp-0123456789"
WORDS = "a cat sat on the mat and then it went away because many dogs were near twelve old walls".split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two models, rows of four data sets, and a server of both models with a key."""
    root = tmp_path_factory.mktemp("llama")
    rng = random.Random(0)
    text = lambda n: " ".join(rng.choices(WORDS, k=n))  # noqa: E731
    rows = {
        "mmlu": lambda i: {"question": f"{text(5)} {i}?", "subject": "x", "choices": [text(2) for _ in range(4)], "answer": i % 4},
        "hellaswag": lambda i: {"ctx": f"{text(5)} {i}.", "activity_label": "x", "endings": [text(4) for _ in range(4)], "label": "2"},
        "gsm8k": lambda i: {"question": f"{text(6)} {i}?", "answer": f"{text(3)}\n#### {i}"},
    }
    for name, row in rows.items():
        (root / f"{name}.jsonl").write_text("\n".join(json.dumps(row(i)) for i in range(6)))
    models = [write(root / name, seed) for seed, name in enumerate(("base", "other"))]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {"logits_all": True, "n_ctx": 1024, "n_threads": 1, "n_threads_batch": 1, "type_k": 0, "type_v": 0, "verbose": False}
    config = {"host": "127.0.0.1", "port": port, "api_key": KEY,
              "models": [{"model": str(file), "model_alias": place.name, **settings} for place, file in models]}  # fmt: skip
    (root / "server.json").write_text(json.dumps(config))
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    paths = [p for p in sys.path if p]
    with (root / "server.log").open("w") as log, subprocess.Popen(
        [sys.executable, "-m", "llama_cpp.server", "--config_file", str(root / "server.json")],
        stdout=log, stderr=log, env={**environment, "PYTHONPATH": os.pathsep.join(paths)},
    ) as server:  # fmt: skip
        for _ in range(600):
            if "Uvicorn running" in (root / "server.log").read_text() or server.poll() is not None:
                break
            time.sleep(0.1)
        assert server.poll() is None, (root / "server.log").read_text()[-2000:]
        yield root, f"http://127.0.0.1:{port}/v1"
        server.send_signal(signal.SIGKILL)


def study(folder, **model):
    root, url = folder
    instruments = [{"kind": k, "data": str(root / f"{k}.jsonl"), "limit": 3} for k in ("gsm8k", "mmlu", "hellaswag")]
    instruments += [{"kind": k, "data": str(root / "mmlu.jsonl"), "form": "lettered", "limit": 2} for k in ("imitation", "doubt")]
    return Study.model_validate({
        "name": "llama-cpp", "seeds": 1, "instruments": instruments,
        "model": {"name": f"endpoint:{url}", "served_model": "base", "tokenizer": str(root / "base"), **model},
        "domains": [{"name": "other", "served": ["other"]}, {"name": "identity", "role": "null", "identity": True}],
        "execution": {"endpoint": {"api_key_env": "LLAMA_KEY", "concurrency": 2}},
    })  # fmt: skip


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("LLAMA_KEY", KEY)


def test_it_is_seen_for_what_it_is(folder):
    with open_transport(study(folder)) as wire:
        found = examine(wire, study(folder).model, own_chat(study(folder)))
    assert found.models == ("base", "other") and found.completions and found.chat and not found.token_ids and not found.prompt_logprobs
    assert found.echo and found.echoes and not found.text_bos and found.scoring == "echo"


def test_its_numbers_are_those_of_the_checkpoint(folder):
    asked = study(folder)
    materials, chat = Materials(asked), own_chat(asked)
    prompts = [p for i in asked.instruments for mine in materials.asked(i.kind).prompts for p in mine if p.choices]
    with open_transport(asked) as wire:
        can = examine(wire, asked.model, chat)
        served = EndpointEngine(Asker(wire, ReplyLog(None), "x"), "base", can, chat).answer(prompts)
    base = load_base(ModelConfig(name=str(folder[0] / "base")))
    own = LocalEngine(base.model, base.chat).answer(prompts)
    for a, b in zip(served, own, strict=True):
        assert a.failed is None and a.num_tokens == b.num_tokens
        np.testing.assert_allclose(a.logliks, b.logliks, atol=1e-3)
    assert any(len(set(a.num_tokens)) > 1 for a in served)  # " A" is one token, " B" two


def test_a_study_of_served_models_runs_whole_and_its_key_is_nowhere(folder, tmp_path):
    import yaml

    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study(folder).model_dump(mode="json", exclude_defaults=True)))
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", "run", str(tmp_path / "study.yaml"), "-o", str(out)],
        capture_output=True, text=True, timeout=500, env={**os.environ, "HOLDFAST_TEST_LOOPBACK": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    about = json.loads((out / "environment.json").read_text())["endpoint"]
    assert (about["form"], about["scoring"], about["sent"]) == ("mass", "echo", "text")
    assert about["served"] == {"base": "base", "other/seed0": "other", "identity/seed0": "base"}
    table = pq.read_table(out / "trials.parquet")
    assert {*table["model"].to_pylist()} == {"base", "other/seed0", "identity/seed0"} and table["outcome"].to_pylist().count(
        "unparsed"
    ) < table.num_rows
    audit = {e["check"]: e["level"] for e in json.loads((out / "audit.json").read_text())}
    assert audit["identity"] == "ok"
    assert all(KEY.encode() not in p.read_bytes() for p in out.rglob("*") if p.is_file()) and KEY not in done.stdout + done.stderr
