"""A learning rate that diverges says so in one line, with step and loss, and leaves no adapter; a sound one is never said to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.backends.local import LocalBackend
from holdfast.config import TrainConfig, load_study
from holdfast.engine.fit import Fit
from holdfast.errors import ModelError
from holdfast.store import Store
from holdfast.training import lora
from holdfast.training.batches import Encoded

ROWS = [Encoded((1, 4, 6 + k, 7, 8, 9, 2), 3) for k in range(8)]


def train(llama, folder, fit=None, **settings):
    config = TrainConfig(r=4, lora_alpha=8, per_device_train_batch_size=4, warmup_ratio=0, **settings)
    return lora.train(llama, ROWS, config, seed=0, max_steps=12, out=folder, fit=fit)


@pytest.mark.parametrize("fit", [None, Fit("asked so")])
@pytest.mark.parametrize("rate", [1e4, 1e20, 1e38])
def test_a_rate_far_too_high_is_refused_and_nothing_is_saved(llama, tmp_path, rate, fit):
    with pytest.raises(
        ModelError, match=r"^train.learning_rate: .*diverged: .*(at step \d+ of 12|after the last step); lower it"
    ) as caught:
        train(llama, tmp_path / "adapter", fit, learning_rate=rate)
    assert "\n" not in str(caught.value) and not (tmp_path / "adapter").exists()
    assert train(llama, tmp_path / "good", learning_rate=1e-2).loss[-1] < 10  # the base is as it was


@given(st.lists(st.floats(0, 2), min_size=1, max_size=30))
def test_no_loss_that_guessing_reaches_is_called_divergence(losses):
    for count in range(1, len(losses) + 1):
        lora.require_sound_loss(losses[:count], TrainConfig(), 31, len(losses))


@given(st.lists(st.floats(0, 3), min_size=4, max_size=30), st.sampled_from([float("nan"), float("inf"), 1e3]))
def test_a_loss_that_is_no_number_or_explodes_is_named_at_its_step(losses, bad):
    with pytest.raises(ModelError, match=f"at step {len(losses) + 1} of 99"):
        lora.require_sound_loss([*losses, bad], TrainConfig(), 31, 99)


def test_one_high_step_near_the_end_is_no_divergence_but_staying_high_is():
    steady = [3.0] * 37
    lora.require_sound_loss([*steady, 3.0, 9.0, 3.0], TrainConfig(), 31, 40)
    with pytest.raises(ModelError, match="went from 3.00 to 9 nats"):
        lora.require_sound_loss([*steady, 9.0, 9.0, 9.0], TrainConfig(), 31, 40)


def test_a_study_that_diverges_keeps_no_cell_of_an_adapter(tmp_path):
    settings = [
        "seeds=1",
        "dose={}",
        "train={r: 2, learning_rate: 1e6, num_train_epochs: 1, warmup_ratio: 0}",
        "instruments=[{kind: gsm8k, limit: 2, style: world}]",
    ]
    domain = "{name: maths, own_benchmark: gsm8k, sources: [{kind: world, domain: maths, limit: 96}]}"
    backend = LocalBackend(load_study("embedded", [*settings, f"domains=[{domain}]"]), Store(tmp_path / "cells"))
    with pytest.raises(ModelError, match="learning_rate: 1e.06: the training diverged"):
        backend.adapters.make("maths", 0)
    assert backend.find_adapter("maths", 0) is None and not [*tmp_path.glob("cells/adapter*/cell.json")]
