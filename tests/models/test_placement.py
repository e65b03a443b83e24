"""A base over memory and disk: the same numbers by ordinary calls, its adapters carried and trained where its layers compute."""

import json

import pytest
import torch

from holdfast.backends.keys import ModelKey
from holdfast.backends.local import LocalBackend
from holdfast.config import ModelConfig, TrainConfig, load_study
from holdfast.engine.local import LocalEngine
from holdfast.errors import ConfigError, ModelError
from holdfast.models import placement
from holdfast.models.adapters import adapted
from holdfast.models.checkpoint import load_base
from holdfast.records import Message, Prompt
from holdfast.store import Store
from holdfast.training import lora
from holdfast.training.batches import Encoded

HALF = {
    **dict.fromkeys(("model.embed_tokens", "model.layers.0", "model.norm", "model.rotary_emb", "lm_head"), "cpu"),
    "model.layers.1": "disk",
}
ASKED = [Prompt(condition="plain", messages=(Message("user", f"what is {w} ?"),), choices=(" yes", " no")) for w in ("one", "two", "three")]
ASKED += [Prompt(condition="plain", messages=(Message("user", "what is the answer ?"),), max_new_tokens=5)]
ROWS = [Encoded(tuple((7 * i + k * k) % 24 + 3 for k in range(5 + i % 3)), 2) for i in range(12)]
TRAIN = TrainConfig(r=2, num_train_epochs=2, per_device_train_batch_size=4, learning_rate=0.02)


@pytest.fixture
def whole(checkpoint_folder):
    return load_base(ModelConfig(name=checkpoint_folder))


@pytest.fixture
def spread(checkpoint_folder, request):
    return load_base(ModelConfig(name=checkpoint_folder), "cpu", getattr(request, "param", HALF))


def answers(model, chat, **kwargs):
    found = LocalEngine(model, chat, **kwargs).answer(ASKED)
    return [x for r in found for x in (r.logliks or ())], found[-1].text


@pytest.mark.parametrize("spread", [HALF, {"": "disk"}], ids=["half on disk", "all on disk"], indirect=True)
def test_a_spread_base_answers_as_a_whole_one_and_says_that_its_rows_are_not_packed(whole, spread):
    assert placement.is_spread(spread.model) and not placement.is_spread(whole.model)
    assert LocalEngine(spread.model, spread.chat).fit.why_not == placement.SPREAD_REASON
    assert answers(spread.model, spread.chat) == answers(whole.model, whole.chat, packing=False)
    logliks, text = answers(whole.model, whole.chat)
    assert answers(spread.model, spread.chat)[0] == pytest.approx(logliks, abs=1e-4) and answers(spread.model, spread.chat)[1] == text


@pytest.mark.slow
def test_an_adapter_is_trained_and_carried_on_a_spread_base(whole, spread, tmp_path):
    before = answers(spread.model, spread.chat)
    records = {}
    for name, base in (("whole", whole), ("spread", spread)):
        records[name] = lora.train(base.model, ROWS, TRAIN, seed=3, max_steps=6, out=tmp_path / name)
    assert records["spread"].loss == pytest.approx(records["whole"].loss, abs=1e-5) and not records["spread"].packed
    assert records["spread"].loss[-1] < records["spread"].loss[0] - 0.01
    for scale in (1.0, 0.5):
        with adapted(whole.model, tmp_path / "whole", scale) as one, adapted(spread.model, tmp_path / "whole", scale) as other:
            want, found = answers(one, whole.chat, packing=False), answers(other, spread.chat)
            assert found[0] == pytest.approx(want[0], abs=1e-5) and found[0] != pytest.approx(before[0], abs=1e-3)
        with adapted(spread.model, tmp_path / "spread", scale) as mine:
            assert answers(mine, spread.chat)[0] == pytest.approx(want[0], abs=1e-4)
    assert answers(spread.model, spread.chat) == before


def test_an_adapter_of_another_shape_is_refused_and_leaves_the_base_alone(spread, make_llama, tmp_path):
    before = answers(spread.model, spread.chat)
    lora.identity(make_llama(kv_heads=4), TRAIN, 0, tmp_path / "adapter")
    with pytest.raises(ModelError, match="does not fit"), adapted(spread.model, tmp_path / "adapter"):
        pass
    assert answers(spread.model, spread.chat) == before


@pytest.mark.slow
def test_a_study_over_memory_and_disk_has_the_cells_of_a_whole_one(tmp_path):
    study = load_study(
        "embedded", ["instruments=[{kind: mmlu, style: world, limit: 6}]", "domains=[{name: none_at_all, identity: true}]", "dose={}"]
    )
    tight = study.execution.model_copy(update={"device_map": "auto", "max_memory": {"cpu": "1MB"}})
    found = {}
    for name, execution in (("whole", study.execution), ("spread", tight)):
        cells = LocalBackend(study.model_copy(update={"execution": execution}), Store(tmp_path / name))
        (place,) = cells.make_trials(ModelKey(None))
        found[name] = place, json.loads((place / "engine.json").read_text()), placement.is_spread(cells.base.model)
    assert found["whole"][0].name == found["spread"][0].name and (found["whole"][2], found["spread"][2]) == (False, True)
    assert found["spread"][1]["ordinary_calls"] == placement.SPREAD_REASON and "ordinary_calls" not in found["whole"][1]
    import pyarrow.parquet as pq

    one, other = (pq.read_table(found[n][0] / "trials.parquet").to_pylist() for n in ("whole", "spread"))
    assert len(one) == len(other) >= 6
    for a, b in zip(one, other, strict=True):
        assert {k: v for k, v in a.items() if not isinstance(v, float)} == {k: v for k, v in b.items() if not isinstance(v, float)}
        assert [v for v in a.values() if isinstance(v, float)] == pytest.approx(
            [v for v in b.values() if isinstance(v, float)], abs=1e-4, nan_ok=True
        )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["execution.max_memory={cpu: 1GB}"], "set device_map"),
        (["execution.device_map=auto", "execution.compile=true"], "compile"),
        (["execution.device_map=everywhere"], "device_map"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings, words):
    with pytest.raises(ConfigError, match=words):
        load_study("embedded", settings)


@pytest.mark.parametrize("device_map", [{"": "moon"}, {"": 99}])
def test_a_place_that_is_not_there_is_one_line(checkpoint_folder, device_map):
    with pytest.raises(ModelError, match="could not be loaded") as error:
        load_base(ModelConfig(name=checkpoint_folder), "cpu", device_map)
    assert "\n" not in str(error.value)
    assert torch.get_default_dtype() == torch.float32
