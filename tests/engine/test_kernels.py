"""Another matrix multiply: the same numbers, gradients and replies; chosen by a check, and only where it pays."""

import numpy as np
import pytest
import torch
from torch import nn

from holdfast.engine import adapter, kernels, packed, paths
from holdfast.engine.generation import GenerateRequest
from holdfast.engine.kernels import Kernels
from holdfast.engine.local import LocalEngine, ScoreRequest

BOTH = Kernels(many="onednn", few="onednn")
REQUESTS = [ScoreRequest((1, 5, 9, 4), ((7, 8), (6,))), ScoreRequest((1, 5, 9), ((3,), (11, 12, 13)))]


def test_the_operator_agrees_with_torch_for_any_shape_and_bias():
    torch.manual_seed(0)
    for rows, a, b in ((1, 7, 5), (3, 96, 1), (65, 33, 129)):
        x, w, bias = torch.randn(2, rows, a), torch.randn(b, a), torch.randn(b)
        want = nn.functional.linear(x, w, bias)
        assert torch.allclose(kernels._onednn(x, w, bias), want, atol=1e-4)
        assert torch.allclose(kernels._onednn(x, kernels._reorder(w, rows), bias), want, atol=1e-4)


@pytest.mark.skipif(not torch.ops.mkldnn._is_mkldnn_bf16_supported(), reason="oneDNN computes no bfloat16 products on this processor")
def test_the_operator_agrees_with_torch_in_bfloat16():
    torch.manual_seed(0)
    for rows, a, b in ((1, 7, 5), (3, 96, 1), (65, 33, 129)):
        x, w = torch.randn(2, rows, a), torch.randn(b, a)
        assert torch.allclose(kernels._onednn(x.bfloat16(), w.bfloat16()).float(), x @ w.t(), atol=0.3, rtol=0.05)


def test_scores_and_replies_are_the_same_on_either_kernel(llama, chat):
    default, other = LocalEngine(llama, chat), LocalEngine(llama, chat, use=BOTH)
    for found, want in zip(other.score(REQUESTS), default.score(REQUESTS), strict=True):
        assert found == pytest.approx(want, abs=1e-5)
    asked = [GenerateRequest((1, 5, 9, 4), 6, ((7, 3),), 5), GenerateRequest((1, 8), 4)]
    assert other.generate(asked) == default.generate(asked)
    assert not any("forward" in vars(m) for m in llama.modules())


def test_a_model_in_other_hands_is_given_back_its_own_forward_after_an_error(llama):
    with pytest.raises(RuntimeError, match="inside"), kernels.using(llama, "onednn") as count:
        assert count == sum(type(m) is nn.Linear for m in llama.modules())
        raise RuntimeError("inside")
    assert not any("forward" in vars(m) for m in llama.modules())
    with kernels.using(llama, "torch") as count:
        assert count == 0


def test_gradients_are_the_same_on_either_kernel_and_a_trained_linear_keeps_its_own(llama):
    from peft import LoraConfig, get_peft_model

    model = get_peft_model(llama, LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj", "down_proj"]))
    torch.manual_seed(1)
    for name, p in model.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(p, std=0.1)

    def gradients(kernel):
        model.zero_grad(set_to_none=True)
        with adapter.fuse_lora(model, kernel), kernels.using(model, kernel), packed.using(model) as lm:
            tokens = torch.tensor([1, 5, 9, 4, 1, 7, 8])
            plan = paths.Paths([np.arange(4), np.arange(4, 7)])
            ((_, logits),) = packed.logits(lm, tokens, plan, torch.tensor([0, 1, 2, 4, 5]))
            nn.functional.cross_entropy(logits, torch.tensor([5, 9, 4, 7, 8])).backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    want, found = gradients("torch"), gradients("onednn")
    assert want.keys() == found.keys() and len(want) == 8
    assert all(torch.allclose(found[name], want[name], rtol=1e-4, atol=1e-6) for name in want)
    trained = nn.Linear(3, 2)
    with kernels.using(trained, "onednn"):
        trained(torch.randn(4, 3)).sum().backward()
    assert trained.weight.grad is not None and trained.bias.grad is not None


def test_a_kernel_that_is_not_clearly_faster_or_does_not_agree_is_not_chosen(monkeypatch):
    took = {"torch": 1.0, "onednn": 0.5}
    monkeypatch.setattr(kernels, "_timed", lambda *_: (took, 1e-6))
    assert kernels.choose([(8, 8)])[0] == BOTH
    monkeypatch.setattr(kernels, "_timed", lambda *_: (took, 1.0))
    assert kernels.choose([(8, 8)])[0] == Kernels()
    monkeypatch.setattr(kernels, "_timed", lambda *_: ({"torch": 1.0, "onednn": 0.95}, 1e-6))
    assert kernels.choose([(8, 8)])[0] == Kernels()


def test_where_the_operator_is_missing_the_default_is_used(monkeypatch):
    def gone(*_):
        raise AttributeError("no such operator")

    monkeypatch.setattr(kernels, "_onednn", gone)
    assert kernels.choose([(8, 8)]) == (Kernels(), {})


def test_the_check_says_what_it_measured():
    _, measured = kernels.choose([(64, 64), (64, 96)])
    assert set(measured) == {"many", "few"}
    for found in measured.values():
        assert found["torch_gflops"] > 0 and found["onednn_gflops"] > 0 and found["largest_difference"] < kernels.TOLERANCE
