"""TRL's SFTTrainer and our trainer see the same rows, order and schedule: the same loss curve."""

import pytest
from test_lora import examples

from holdfast.config import TrainConfig
from holdfast.training import batches, lora, reference


@pytest.mark.filterwarnings("ignore")
def test_both_trainers_give_the_same_loss_curve(llama, chat, tmp_path):
    config = TrainConfig(r=4, lora_alpha=8, learning_rate=5e-3, num_train_epochs=2, per_device_train_batch_size=5, warmup_ratio=0.2)
    encoded = batches.encode(examples(), chat, config).examples
    ours = lora.train(llama, encoded, config, seed=0, max_steps=6, out=tmp_path / "ours")
    theirs = reference.train(llama, encoded, config, seed=0, max_steps=6, out=tmp_path / "theirs")
    assert theirs.loss == pytest.approx(ours.loss, abs=2e-4)
    assert theirs.trainable_parameters == ours.trainable_parameters
