"""What goes wrong is one line with field, value, rule and fix, exit code 2, no traceback; `plan` says what a run would do."""

import json
import subprocess

import pytest
import torch

from holdfast.engine.local import LocalEngine
from holdfast.errors import ResourceError
from holdfast.records import Message, Prompt
from holdfast.training import lora
from warm import HOLDFAST


def holdfast(*arguments, code=2):
    done = subprocess.run([*HOLDFAST, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (done.returncode, done.stderr[-2000:])
    assert "Traceback" not in done.stderr
    return done


def line(done):
    (only,) = done.stderr.strip().split("\n")
    return only


@pytest.mark.slow
def test_plan_counts_cells_prompts_time_and_memory(tmp_path):
    found = json.loads(holdfast("plan", "embedded", "--json", "-o", tmp_path / "out", code=0).stdout)
    assert found["cells"] == (1 + 10 * 5 + 5 * 3 * 2) * 7 + 10 * 5 and found["prompts per model"] == 11200
    assert 0 < found["detectable, points"]["feedback"] < found["detectable, points"]["hellaswag"] < 100
    assert found["estimated minutes"] > 0 and found["estimated peak memory, GiB"] > 0


@pytest.mark.slow
def test_an_output_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("x")
    assert "file" in line(holdfast("run", "embedded", "-o", tmp_path / "file" / "out"))


@pytest.mark.slow
def test_a_model_without_a_chat_template_is_refused(checkpoint_folder, tmp_path):
    import shutil

    folder = tmp_path / "plain"
    shutil.copytree(checkpoint_folder, folder)
    (folder / "chat_template.jinja").unlink()
    said = line(holdfast("probe", folder))
    assert "chat template" in said and "model.chat_template" in said


@pytest.mark.slow
def test_weights_cut_short_are_refused(checkpoint_folder, tmp_path):
    import shutil

    folder = tmp_path / "cut"
    shutil.copytree(checkpoint_folder, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert "could not be loaded" in line(holdfast("probe", folder))


@pytest.mark.slow
def test_a_pickled_checkpoint_is_refused(checkpoint_folder, tmp_path):
    import shutil

    folder = tmp_path / "pickled"
    shutil.copytree(checkpoint_folder, folder)
    (folder / "model.safetensors").unlink()
    torch.save({}, folder / "pytorch_model.bin")
    assert "could not be loaded" in line(holdfast("probe", folder))


@pytest.mark.slow
def test_a_hub_model_that_is_not_there_says_so_offline():
    assert "org/none" in line(holdfast("probe", "org/none", "--offline"))


def test_memory_that_holds_not_even_the_smallest_step_names_the_setting(llama, chat, monkeypatch, tmp_path):
    def full(*arguments, **options):
        raise torch.OutOfMemoryError("no memory")

    engine = LocalEngine(llama, chat, 4096, packing=True)
    monkeypatch.setattr("holdfast.engine._scoring.score_pack", full)
    with pytest.raises(ResourceError, match="execution.tokens_per_batch: not even 64 tokens"):
        engine.answer([Prompt(condition="neutral", messages=(Message("user", "one"),), choices=(" A", " B"))])
    monkeypatch.setattr(lora, "row_loss", full)
    from holdfast.config import TrainConfig
    from holdfast.training.batches import Encoded

    with pytest.raises(ResourceError, match="train.tokens_per_pass: not even 64 tokens"):
        lora.train(llama, [Encoded((1, 5, 6, 2), 2)], TrainConfig(), seed=0, max_steps=1, out=tmp_path)
