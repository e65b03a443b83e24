"""FSDP over two real processes: the loss of every step and the adapter are those of one process, but for rounding."""

import json
import os
import subprocess
import sys
import time

import pytest
import torch
from safetensors.torch import load_file

from holdfast.backends.keys import ModelKey
from holdfast.backends.local import LocalBackend
from holdfast.config import ModelConfig, TrainConfig, load_study
from holdfast.errors import ConfigError, ModelError, ResourceError
from holdfast.models.checkpoint import load_base
from holdfast.store import Store
from holdfast.training import lora, sharded
from holdfast.training.batches import Encoded

ROWS = [Encoded(tuple((7 * i + k * k) % 24 + 3 for k in range(4 + i % 4)), 2) for i in range(13)]
TRAIN = TrainConfig(r=2, per_device_train_batch_size=5, learning_rate=0.02, tokens_per_pass=16)
TOLERANCE = 1e-4  # nats per token of a step's loss, and any weight of the adapter: rounding, through some steps of Adam


def both(folder, out, dtype="float32", **kwargs):
    model = ModelConfig(name=folder, dtype=dtype)
    steps, told = 7, []
    one = lora.train(load_base(model).model, ROWS, TRAIN, seed=3, max_steps=steps, out=out / "one", checkpoints={3: out / "one3"})
    two = sharded.train(model, ROWS, TRAIN, processes=2, device="cpu", threads=1, seed=3, max_steps=steps, out=out / "two",
                        checkpoints={3: out / "two3"}, progress=told.append, **kwargs)  # fmt: skip
    assert told == [1] * steps
    return one, two


def weights(folder):
    return load_file(folder / "adapter_model.safetensors")


@pytest.mark.slow
def test_two_processes_train_what_one_does(checkpoint_folder, tmp_path):
    one, two = both(checkpoint_folder, tmp_path, checkpointing=True)
    assert two.loss == pytest.approx(one.loss, abs=TOLERANCE) and one.loss[-1] < one.loss[0] - 0.1
    assert (two.num_steps, two.num_tokens, two.num_loss_tokens, two.learning_rate, two.trainable_parameters) == (
        one.num_steps, one.num_tokens, one.num_loss_tokens, one.learning_rate, one.trainable_parameters)  # fmt: skip
    for name in ("", "3"):
        want, found = weights(tmp_path / f"one{name}"), weights(tmp_path / f"two{name}")
        assert want.keys() == found.keys() and any(float(w.abs().max()) > 0.01 for n, w in want.items() if "lora_B" in n)
        for key, w in want.items():
            torch.testing.assert_close(found[key], w, atol=TOLERANCE, rtol=0)
    configs = [json.loads((tmp_path / name / "adapter_config.json").read_text()) for name in ("one", "two")]
    for config in configs:
        config["target_modules"] = sorted(config["target_modules"])
    assert configs[0] == configs[1]


@pytest.mark.slow
def test_a_bfloat16_base_with_a_float32_adapter_is_sharded_too(checkpoint_folder, tmp_path):
    one, two = both(checkpoint_folder, tmp_path, "bfloat16")
    assert two.loss == pytest.approx(one.loss, abs=0.1) and one.loss[-1] < one.loss[0] - 0.1


@pytest.mark.slow
def test_what_a_process_refuses_is_one_line_and_leaves_none_behind(checkpoint_folder, tmp_path):
    with pytest.raises(ModelError, match="target_modules"):
        sharded.train(ModelConfig(name=checkpoint_folder), ROWS, TRAIN.model_copy(update={"target_modules": ("nowhere",)}), processes=2,
                      device="cpu", threads=1, seed=0, max_steps=1, out=tmp_path / "out")  # fmt: skip
    import multiprocessing

    assert not multiprocessing.active_children()


@pytest.mark.slow
def test_processes_go_with_a_killed_parent(checkpoint_folder, tmp_path):
    code = f"""
from pathlib import Path
from holdfast.config import ModelConfig
from holdfast.training import sharded
import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
if __name__ == "__main__":
    from test_sharded import ROWS, TRAIN
    sharded.train(ModelConfig(name={checkpoint_folder!r}), ROWS, TRAIN, processes=2, device="cpu", threads=1, seed=0, max_steps=10**6,
                  out=Path({str(tmp_path)!r}) / "out", progress=lambda k: print("step", flush=True))
"""
    (tmp_path / "parent.py").write_text(code)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    with parent:
        assert parent.stdout.readline() == "step\n", parent.stderr.read()
        parent.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(parent.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("processes outlived their parent")


def test_more_processes_than_accelerators_are_refused(checkpoint_folder, tmp_path):
    with pytest.raises(ResourceError, match="execution.fsdp"):
        sharded.train(
            ModelConfig(name=checkpoint_folder), ROWS, TRAIN, processes=1000, device="cuda", threads=1, seed=0, max_steps=1, out=tmp_path
        )


@pytest.mark.parametrize(
    "settings", [["execution.fsdp=1"], ["execution.fsdp=2", "train.trainer=trl"], ["execution.fsdp=2", "execution.kind=ray", "execution.gpus_per_worker=1"]]
)  # fmt: skip
def test_settings_that_cannot_be_meant_are_refused(settings):
    with pytest.raises(ConfigError, match="fsdp"):
        load_study("embedded", settings)


def test_how_it_was_sharded_is_part_of_an_adapters_identity_and_of_no_other_cells(tmp_path):
    plain = load_study("embedded", ["seeds=1"])
    names = {}
    for processes in (None, 2, 4):
        study = plain.model_copy(update={"execution": plain.execution.model_copy(update={"fsdp": processes})})
        cells = LocalBackend(study, Store(tmp_path))
        identity = cells.adapters.identity("maths", 0)
        assert identity.get("fsdp", {}).get("processes") == processes
        names[processes] = cells.store.name("adapter", identity), cells.store.name("trials", cells.trials_identity(ModelKey(None), "mmlu"))
    assert len({adapter for adapter, _ in names.values()}) == 3 and len({base for _, base in names.values()}) == 1
