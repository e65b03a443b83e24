"""Lines -> arrays -> block -> the same again."""

from __future__ import annotations

import base64
import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.report import blocks, transcripts
from holdfast.report.transcripts import Confidence, ModelId


def write(path, rows, raw=()):
    path.write_bytes(gzip.compress(b"".join(json.dumps(r).encode() + b"\n" for r in rows) + b"".join(raw)))
    return path


def read(path):
    prompts = transcripts.Prompts()
    return list(transcripts.models(path, prompts)), prompts


def row(model="base", item="i0", **rest):
    return {"model": model, "instrument": "mmlu", "item_id": item, "condition": "neutral", "rotation": 0, "prompt": "q " + item, "prefill": " it is",
            "choices": ["A", "B"], "logliks": [-1.0, -2.0], "gold": "A", "outcome": "correct", **rest}  # fmt: skip


def unpacked(block):
    data = gzip.decompress(base64.b64decode(str(block)))
    size = int.from_bytes(data[:4], "little")
    header, at = json.loads(data[4 : 4 + size]), 4 + size
    arrays = {}
    for name, kind, count in header["arrays"]:
        dtype = {"Uint8Array": np.uint8, "Uint32Array": np.dtype("<u4")}[kind]
        arrays[name] = np.frombuffer(data, dtype, count, at)
        at += -(-arrays[name].nbytes // 4) * 4
    assert at == len(data)
    return header, arrays


def test_prompts_are_kept_once_and_probabilities_are_shares_of_the_answer_set(tmp_path):
    rows = [row(), row(item="i1", outcome="other"), row("maths/seed0"), row("maths/seed0", "i1", logliks=[-1000.0, -1.0])]
    found, prompts = read(write(tmp_path / "t.gz", rows))
    assert [m.name for m in found] == ["base", "maths/seed0"] and len(prompts.entries) == 2
    assert prompts.entries[0] == ("mmlu", "i0", "neutral", 0, "q i0", " it is", ["A", "B"], "A")
    share = 255 / (1 + np.exp(-1))
    assert np.concatenate(found[0].probability).tolist() == [round(share), round(255 - share)] * 2
    assert np.concatenate(found[1].probability).tolist()[2:] == [0, 255]
    assert np.concatenate(found[0].outcome).tolist() == [0, 2]


@pytest.mark.parametrize("logliks", [[-1.0], [None, None], [float("nan"), float("nan")], []])
def test_choices_that_were_not_all_scored_have_no_probability(tmp_path, logliks):
    found, _ = read(write(tmp_path / "t.gz", [row(logliks=logliks), row(item="i1")]))
    assert np.concatenate(found[0].probability).tolist()[:2] == [0, 0] and sum(np.concatenate(found[0].probability).tolist()[2:]) in (
        254,
        255,
        256,
    )


def test_lines_that_cannot_be_read_are_counted_and_the_rest_is_there(tmp_path):
    found, prompts = read(
        write(tmp_path / "t.gz", [row(), row(item="i1")], [b"{broken\n", b'["a list"]\n', b'{"model": "base", "prompt": "\\ud800 x"}\n'])
    )
    assert len(found[0]) == 3 and prompts.unreadable == 2 and prompts.entries[2][4] == "? x"


def test_a_file_cut_off_shows_what_came_before(tmp_path):
    whole = gzip.compress(b"".join(json.dumps(row(item=f"i{k}")).encode() + b"\n" for k in range(5000)))
    (tmp_path / "t.gz").write_bytes(whole[: len(whole) // 2])
    found, prompts = read(tmp_path / "t.gz")
    assert prompts.unreadable >= 1 and all(len(m) < 5000 for m in found)


def test_chunks_join_without_losing_a_line(tmp_path, monkeypatch):
    rows = [row(m, f"i{k}", prompt="x" * (k % 50)) for m in ("base", "a/seed0", "a/seed1") for k in range(100)]
    path = write(tmp_path / "t.gz", rows)
    whole, _ = read(path)
    monkeypatch.setattr(transcripts, "_CHUNK", 700)
    pieces, prompts = read(path)
    assert [len(m) for m in pieces] == [len(m) for m in whole] == [100, 100, 100]
    assert [np.concatenate(m.prompt).tolist() for m in pieces] == [np.concatenate(m.prompt).tolist() for m in whole]


@pytest.mark.slow
@given(st.lists(st.tuples(st.sampled_from(["base", "a/seed0", "b/seed1"]), st.text(max_size=8), st.booleans()), min_size=1, max_size=30))
def test_what_is_packed_comes_out_again(tmp_path_factory, drawn):
    rows = []
    for model, text, written in sorted(drawn, key=lambda d: d[0]):
        rows.append(row(model, text, **({"choices": None, "logliks": None, "reply": text} if written else {})))
    found, prompts = read(write(tmp_path_factory.mktemp("t") / "t.gz", rows))
    header, arrays = unpacked(blocks.trials_block(found, prompts))
    assert [m["count"] for m in header["models"]] == [len(m) for m in found] and len(arrays["prompt"]) == len(rows)
    for k, want in enumerate(rows):
        p = arrays["prompt"][k]
        assert header["item"][arrays["prompt_item"][p]] == want["item_id"]
        reply = arrays["reply"][k]
        assert (header["replies"][reply - 1] if reply else None) == want.get("reply")


def test_names_of_models_are_taken_apart():
    assert ModelId.parse("base") == ("base", None, "")
    assert ModelId.parse("truth/seed3@0.5-scale") == ("truth", 3, "0.5 of the update")
    assert ModelId.parse("truth/seed3@0.5-steps").dose == "0.5 of the steps"


def test_confidence_counts_right_answers_by_how_sure_the_model_was(tmp_path):
    rows = [row(item=f"i{k}", logliks=[-0.1, -3.0], outcome="correct" if k < 6 else "other") for k in range(8)]
    rows += [row(item="p", condition="pressure", logliks=[-0.1, -3.0])]
    (model,), prompts = read(write(tmp_path / "t.gz", rows))
    sure = Confidence()
    sure.add(model, prompts)
    (found,) = sure.rows()
    assert found["trials"] == 8 and found["right"] == 75.0 and found["sure"] == pytest.approx(100 / (1 + np.exp(-2.9)), abs=0.4)


def test_the_policy_names_the_hash_of_every_script_it_allows():
    text = blocks.policy(("data.js",))
    assert text.startswith("default-src 'none'") and text.count("sha256-") == 1 and "unsafe-eval" not in text
    assert "connect-src" not in text and "</script" not in str(blocks.asset("vendor-charts.js")).lower()
