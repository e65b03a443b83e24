"""Hub data sets and checkpoints, as the hub's own libraries leave them on disk; sockets blocked, nothing downloaded."""

import json
import os
import subprocess
import sys

import pytest

COMMIT = "a" * 40
ROWS = [{"question": f"{i} and {i}?", "answer": f"#### {2 * i}"} for i in range(5)]

ASK = """
import json, sys
from pytest_socket import disable_socket
disable_socket(allow_unix_socket=True)
from holdfast.sources import read_rows
print(json.dumps(read_rows(sys.argv[1], sys.argv[2] or None, None)))
"""


@pytest.fixture
def hub(tmp_path):
    """Folders in the formats of the two caches: prepared data sets (Arrow) and repository snapshots."""
    import pyarrow as pa

    place = tmp_path / "datasets" / "openai___gsm8k" / "main" / "0.0.0" / COMMIT
    place.mkdir(parents=True)
    table = pa.Table.from_pylist(ROWS)
    with pa.OSFile(str(place / "gsm8k-test.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)
    text = {"dtype": "string", "_type": "Value"}
    split = {"name": "test", "num_bytes": table.nbytes, "num_examples": len(ROWS), "dataset_name": "gsm8k"}
    info = {
        "builder_name": "gsm8k", "dataset_name": "gsm8k", "config_name": "main", "version": {"version_str": "0.0.0"},
        "features": {"question": text, "answer": text}, "splits": {"test": split},
    }  # fmt: skip
    (place / "dataset_info.json").write_text(json.dumps(info))
    snapshot = tmp_path / "hub" / "datasets--meg-tong--sycophancy-eval"
    (snapshot / "snapshots" / COMMIT).mkdir(parents=True)
    (snapshot / "refs").mkdir()
    (snapshot / "refs" / "main").write_text(COMMIT)
    (snapshot / "snapshots" / COMMIT / "answer.jsonl").write_text(json.dumps({"base": {"question": "q?"}}))
    return {"HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "datasets"), "HF_HUB_CACHE": str(tmp_path / "hub")}


def ask(hub, data, split):
    done = subprocess.run([sys.executable, "-c", ASK, data, split], capture_output=True, text=True, timeout=120, env={**os.environ, **hub})
    return done.stdout, done.stderr


@pytest.mark.slow
def test_a_prepared_data_set_is_read_and_sliced(hub):
    out, errors = ask(hub, "openai/gsm8k", "test[1:4]")
    assert [r["question"] for r in json.loads(out)] == [r["question"] for r in ROWS[1:4]], errors
    assert json.loads(out)[0]["_source"] == "openai/gsm8k:2"


@pytest.mark.slow
def test_one_file_of_a_repository_is_read(hub):
    out, errors = ask(hub, "meg-tong/sycophancy-eval", "answer")
    assert json.loads(out)[0]["base"]["question"] == "q?", errors


@pytest.mark.slow
def test_what_is_not_there_says_how_to_go_on(hub):
    _, errors = ask(hub, "cais/mmlu", "test")
    assert "give local rows with data.root=DIR" in errors.splitlines()[-1]
