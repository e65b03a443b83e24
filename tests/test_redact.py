"""No secret reaches a file of a run or a line of the terminal; what is data stays as it is."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.redact import HIDDEN, redacted, redacted_tree, secrets
from holdfast.world import base_path

# Put together here, so that no file of the repository looks as if it held one.
HF, OPENAI, PASSWORD, SIGNATURE = "hf_" + "Abc123" * 6, "sk-" + "proj-" + "x9" * 12, "correct-horse-7", "Xq8" * 9
PLANTED = (HF, OPENAI, PASSWORD, SIGNATURE)
ENVIRONMENT = {"HF_TOKEN": HF, "OPENAI_API_KEY": OPENAI, "STORE_PASSWORD": PASSWORD}


@pytest.mark.parametrize(("text", "want"), [
    (f"https://ann:{SIGNATURE}@host:8000/v1/rows", f"https://{HIDDEN}@host:8000/v1/rows"),
    (f"s3://{SIGNATURE}@bucket/rows.jsonl", f"s3://{HIDDEN}@bucket/rows.jsonl"),
    (f"https://host/rows.jsonl?X-Amz-Signature={SIGNATURE}&a=1 is gone", f"https://host/rows.jsonl?{HIDDEN} is gone"),
    (f"/data/{HF}/base", f"/data/{HIDDEN}/base"),
    (f"Authorization: Bearer {SIGNATURE}", f"Authorization: Bearer {HIDDEN}"),
    (f"api_key={SIGNATURE}, next", f"api_key={HIDDEN}, next"),
    (f"the password is {PASSWORD}.", f"the password is {HIDDEN}."),
])  # fmt: skip
def test_every_form_of_a_secret_is_replaced(text, want):
    assert redacted(text, ENVIRONMENT) == want == redacted(want, ENVIRONMENT)


@pytest.mark.parametrize("text", [
    "meta-llama/Llama-2-7b-chat-hf@main", "world:0", "/data/rows.jsonl", "https://huggingface.co/org/name: accept the licence", "validation[:600]",
    "train.learning_rate=0.0002", "tokens: 4096", "a token is a piece of text", "user@host", "sk-learn", "what is 2 + 2 ? the answer is 4",
])  # fmt: skip
def test_what_is_no_secret_stays(text):
    assert (
        redacted(text, {"TOKENIZERS_PARALLELISM": "false-ish-1", "HF_TOKEN": "main", "PATH": "/data/rows.jsonl", "SOME_KEY": "learning"})
        == text
    )


def test_only_variables_named_like_secrets_count():
    names = [
        "HF_TOKEN",
        "OPENAI_API_KEY",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "DB_PASSWORD",
        "WANDB_API_KEY",
        "X_APIKEY",
        "PGPASSWORD2",
    ]
    environ = {name: f"value-{i}-of-it" for i, name in enumerate(names)} | {"HOME": "/home/ann-1", "MONKEYS": "value-9-of-it"}
    assert {*secrets(environ)} == {f"value-{i}-of-it" for i in range(7)}


@given(
    st.recursive(st.text() | st.integers() | st.none(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)), st.sampled_from(PLANTED[:3])
)
def test_no_planted_value_is_left_anywhere_in_a_tree(tree, secret):
    planted = {"a": [tree, f"x{secret}y"], f"k {secret}": {"b": secret}}
    assert secret not in json.dumps(redacted_tree(planted, ENVIRONMENT))


def contents(folder):
    """(name, all text of it) of every file, unpacked."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        elif path.suffix == ".parquet":
            data = repr(pq.read_table(path).to_pydict()).encode()
        elif path.name == "report.html":  # its transcripts are packed
            data += b"".join(_unpacked(data))
        yield str(path.relative_to(folder)), data


def _unpacked(page):
    import base64
    import zlib

    for text in re.findall(rb"[A-Za-z0-9+/=]{64,}", page):
        try:
            yield zlib.decompress(base64.b64decode(text), 47)
        except (ValueError, zlib.error):
            continue


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """A study whose model, rows, data folder and chat template lie under names that are secrets."""
    folder = tmp_path_factory.mktemp("planted")
    base = folder / HF / "base"
    shutil.copytree(base_path(0), base)
    rows = folder / PASSWORD / "rows.jsonl"
    rows.parent.mkdir()
    rows.write_text(
        "".join(json.dumps({"question": f"what is {i} + 2 ?", "answer": f"it is {i + 2} .\n#### {i + 2}"}) + "\n" for i in range(12))
    )
    template = folder / OPENAI / "chat.jinja"
    template.parent.mkdir()
    template.write_text((base / "chat_template.jinja").read_text())
    root = folder / f"token={SIGNATURE}"
    root.mkdir()
    study = folder / "study.yaml"
    study.write_text(f"""name: planted
seeds: 1
model: {{name: {json.dumps(str(base))}, chat_template: {json.dumps(str(template))}}}
data: {{root: {json.dumps(str(root))}}}
train: {{r: 2, lora_alpha: 4, num_train_epochs: 1, per_device_train_batch_size: 2}}
domains: [{{name: maths, own_benchmark: gsm8k, sources: [{{kind: gsm8k, data: {json.dumps(str(rows))}, split: "[:8]",
  domain: "https://ann:{SIGNATURE}@host/rows?sig={SIGNATURE}"}}]}}]
instruments: [{{kind: gsm8k, data: {json.dumps(str(rows))}, split: "[8:]", style: world}}]
execution: {{processes: 1, device: cpu}}
""")
    return study


def holdfast(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "holdfast", *map(str, arguments)], capture_output=True, text=True, env={**os.environ, **ENVIRONMENT}
    )
    return done.returncode, done.stdout + done.stderr


def test_no_file_of_a_run_holds_a_planted_secret(planted, tmp_path):
    code, said = holdfast("run", planted, "-o", tmp_path / "out", "--offline")
    assert code == 0, said
    texts = dict(contents(tmp_path / "out"))
    assert {"environment.json", "study.yaml", "findings.json", "report.html", "trials.parquet"} <= texts.keys() and len(texts) > 20
    found = [f"{secret} in {name}" for name, data in texts.items() for secret in PLANTED if secret.encode() in data]
    assert not found and not any(secret in said for secret in PLANTED)
    assert HIDDEN in texts["study.yaml"].decode() and f"https://{HIDDEN}@host/rows?{HIDDEN}" in texts["study.yaml"].decode()


@pytest.mark.parametrize("setting", [f"model.name=https://ann:{PASSWORD}@host/model", f"model.name=/none/{HF}", f"data={{root: x, key: {OPENAI}}}",
                                     f"seeds={SIGNATURE}", f"https://host/study.yaml?sig={SIGNATURE}"])  # fmt: skip
def test_a_message_holds_no_secret(setting, tmp_path):
    code, said = holdfast("run", "embedded", setting, "-o", tmp_path / "out", "--offline")
    assert code == 2 and said.count("\n") == 1 and not any(secret in said for secret in (HF, OPENAI, PASSWORD)), said
