"""The loss whose gradient is made in the forward pass is cross-entropy, whatever the block and the kernel."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from holdfast.training import rows as head


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 40), vocabulary=st.integers(2, 50), seed=st.integers(0, 1000), kernel=st.sampled_from(["torch", "onednn"]))
def test_loss_and_gradient_are_those_of_cross_entropy(rows, vocabulary, seed, kernel):
    generator = torch.Generator().manual_seed(seed)
    weight, times = torch.randn(vocabulary, 6, generator=generator), torch.randint(1, 4 if seed % 2 else 2, (rows,), generator=generator)
    at = torch.arange(rows).repeat_interleave(times)  # every other draw: states with several targets
    targets = torch.randint(vocabulary, (len(at),), generator=generator)
    found, want = (torch.randn(rows, 6, generator=torch.Generator().manual_seed(seed)).requires_grad_() for _ in range(2))
    before = head._NUMBERS
    head._NUMBERS = vocabulary * 32 if rows > 32 else before
    try:
        ours = head._HeadLoss.apply(found, weight, at, targets, kernel)
    finally:
        head._NUMBERS = before
    theirs = F.cross_entropy(F.linear(want, weight)[at], targets, reduction="sum")
    (3 * ours).backward()
    (3 * theirs).backward()
    assert float(ours.detach()) == pytest.approx(float(theirs.detach()), rel=1e-5, abs=1e-5)
    assert torch.allclose(found.grad, want.grad, atol=1e-5)


def test_a_head_that_is_trained_or_has_a_bias_goes_through_autograd():
    class Model(nn.Module):
        def __init__(self, bias, trained):
            super().__init__()
            self.head = nn.Linear(6, 9, bias=bias).requires_grad_(trained)

        def get_output_embeddings(self):
            return self.head

    hidden, at, targets = torch.randn(5, 6, requires_grad=True), torch.tensor([0, 0, 1, 2, 3, 4]), torch.randint(9, (6,))
    for bias, trained in ((True, False), (False, True)):
        model = Model(bias, trained)
        loss = head._head_loss(model, hidden, at, targets)
        loss.backward()
        want = F.cross_entropy(model.head(hidden)[at], targets, reduction="sum")
        assert float(loss.detach()) == pytest.approx(float(want.detach()), rel=1e-5)
        assert (model.head.weight.grad is not None) == trained
