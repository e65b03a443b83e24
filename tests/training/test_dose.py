"""Points between base and adapter: which models a study has, the update scaled, and adapters kept part of the way."""

import pytest
import torch
from safetensors.torch import load_file

from holdfast.backends.keys import ModelKey, adapter_keys, study_keys
from holdfast.config import load_study
from holdfast.errors import ConfigError
from holdfast.models.adapters import adapted
from holdfast.training import lora
from holdfast.training.batches import Encoded

ROWS = [Encoded(tuple([1, 5 + k % 7, 6 + k % 5, 7 + k % 3, 2]), 2) for k in range(24)]


def study(*settings):
    return load_study("embedded", ["seeds=3", *settings])


def test_every_dose_of_every_seed_is_a_model_of_its_own_and_the_base_is_first():
    found = study_keys(study("dose.scales=[0.5,0.25]", "dose.checkpoints=[0.5]", "dose.seeds=2"))
    assert found[0] == ModelKey(None) and found[0].name == "base"
    maths = [k.name for k in found if k.domain == "maths"]
    assert maths[:4] == ["maths/seed0", "maths/seed0@0.25-scale", "maths/seed0@0.5-scale", "maths/seed0@0.5-steps"]
    assert maths[-1] == "maths/seed2" and len({k.name for k in found}) == len(found)


def test_controls_nulls_and_untrained_adapters_have_no_doses_unless_named():
    assert len(adapter_keys(study("dose.scales=[0.5]"), "combined_matched", 0)) == 1
    assert len(adapter_keys(study("dose.scales=[0.5]", "dose.domains=[combined_matched, identity]"), "combined_matched", 0)) == 2
    assert len(adapter_keys(study("dose.scales=[0.5]", "dose.domains=[identity]"), "identity", 0)) == 1


@pytest.mark.parametrize("setting", ["dose.scales=[1.0]", "dose.checkpoints=[0]", "dose.scales=[0.5,0.5]", "dose.domains=[nobody]"])
def test_a_dose_outside_the_open_interval_or_twice_or_of_nobody_is_refused(setting):
    with pytest.raises(ConfigError, match="dose"):
        study(setting)


def test_checkpoints_are_the_adapter_of_that_step_and_leave_the_training_as_it_was(llama, tmp_path):
    train = load_study("embedded").train.model_copy(update={"per_device_train_batch_size": 4})
    plain = lora.train(llama, ROWS, train, seed=0, max_steps=6, out=tmp_path / "plain")
    kept = lora.train(llama, ROWS, train, seed=0, max_steps=6, out=tmp_path / "kept", checkpoints={3: tmp_path / "half"})
    assert kept.loss == plain.loss
    file = "adapter_model.safetensors"
    whole, again, half = (load_file(tmp_path / name / file) for name in ("plain", "kept", "half"))
    assert all(torch.equal(whole[k], again[k]) for k in whole)
    assert any(not torch.equal(whole[k], half[k]) for k in whole)


def test_a_scaled_adapter_adds_that_share_of_the_update(llama, tmp_path):
    train = load_study("embedded").train.model_copy(update={"per_device_train_batch_size": 4})
    lora.train(llama, ROWS, train, seed=0, max_steps=4, out=tmp_path / "adapter")
    before = {n: p.clone() for n, p in llama.named_parameters()}
    weights = {}
    for scale in (0.25, 1.0):
        with adapted(llama, tmp_path / "adapter", scale) as model:
            weights[scale] = {n: p.detach().clone() for n, p in model.named_parameters()}
    changed = 0
    for name, base in before.items():
        quarter, full = weights[0.25][name] - base, weights[1.0][name] - base
        assert torch.allclose(quarter, 0.25 * full, atol=1e-6)
        changed += bool(full.abs().max() > 0)
    assert changed and all(torch.equal(p, before[n]) for n, p in llama.named_parameters())
