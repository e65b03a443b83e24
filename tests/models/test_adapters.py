"""An adapter on a base: merged or carried along, the same scores; the base is never changed, and a change would be seen."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from holdfast.engine.local import LocalEngine, ScoreRequest
from holdfast.errors import ModelError
from holdfast.models.adapters import adapted, fingerprint

REQUESTS = [ScoreRequest((1, 5, 9, 4), ((7, 8), (6,))), ScoreRequest((1, 5, 9, 11, 3), ((3,), (12,)))]


@pytest.fixture
def folder(llama, tmp_path):
    import copy

    torch.manual_seed(3)
    model = get_peft_model(copy.deepcopy(llama), LoraConfig(task_type="CAUSAL_LM", r=4, target_modules="all-linear"))
    for name, p in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(p, std=0.1)
    model.save_pretrained(tmp_path / "adapter")
    return tmp_path / "adapter"


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_merged_and_carried_along_give_the_same_scores_and_leave_the_base_as_it_was(llama, chat, folder, scale):
    before, weights = fingerprint(llama), {k: v.clone() for k, v in llama.state_dict().items()}
    plain, found = LocalEngine(llama, chat).score(REQUESTS), {}
    for merge in (True, False):
        with adapted(llama, folder, scale, merge) as model:
            found[merge] = LocalEngine(model, chat).score(REQUESTS)
    for merged, carried, base in zip(found[True], found[False], plain, strict=True):
        assert merged == pytest.approx(carried, abs=1e-5)
        assert merged != pytest.approx(base, abs=1e-3)
    assert fingerprint(llama) == before and all(torch.equal(weights[k], v) for k, v in llama.state_dict().items())


@pytest.mark.parametrize("merge", [True, False])
def test_a_base_that_changed_while_an_adapter_was_on_is_refused(llama, folder, merge):
    weight = llama.model.layers[0].mlp.up_proj.weight
    kept = weight.detach().clone()
    try:
        with pytest.raises(ModelError, match="weights changed"), adapted(llama, folder, merge=merge):
            weight.data[3, 5] += 1e-6 + abs(float(kept[3, 5])) * 1e-3
    finally:
        weight.data.copy_(kept)


def test_the_fingerprint_sees_one_weight_in_any_dtype():
    for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16):
        layer = torch.nn.Linear(7, 5).to(dtype)
        before = fingerprint(layer)
        layer.weight.data[4, 6] += 0.25
        assert fingerprint(layer) != before
