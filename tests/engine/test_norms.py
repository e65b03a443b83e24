"""Norms in one function: the model's own bits, autograd's gradient to rounding, and every norm of another form left alone."""

import pytest
import torch
from families import FAMILIES, make
from torch import nn

from holdfast.engine.forwards import fuse_norms


@pytest.mark.parametrize("name", FAMILIES)
def test_states_are_bit_for_bit_those_of_the_family_and_gradients_to_rounding(name):
    model = make(*FAMILIES[name]).requires_grad_(False)
    kinds = {type(m).__name__ for m in model.modules() if type(m).__name__.endswith(("Norm", "LayerNorm"))}
    x = torch.randn(2, 7, model.config.get_text_config().hidden_size)

    def run():
        given = x.clone().requires_grad_()
        out = model(inputs_embeds=given, use_cache=False).logits
        out.square().sum().backward()
        return out.detach(), given.grad

    plain, want = run()
    with fuse_norms(model) as count:
        assert (count > 0) == any(kind.endswith("RMSNorm") and "Gemma" not in kind for kind in kinds)
        found, gradient = run()
    assert torch.equal(plain, found)
    assert float((gradient - want).norm()) <= 1e-5 * float(want.norm())
    assert not any("forward" in vars(m) for m in model.modules() if "Norm" in type(m).__name__)


def test_a_norm_that_is_trained_or_of_half_precision_is_left_alone():
    class RMSNorm(nn.Module):
        def __init__(self, dtype=torch.float32, trained=False):
            super().__init__()
            self.weight, self.variance_epsilon = nn.Parameter(torch.ones(8, dtype=dtype), requires_grad=trained), 1e-6

        def forward(self, hidden):
            return self.weight * (hidden * torch.rsqrt(hidden.pow(2).mean(-1, keepdim=True) + self.variance_epsilon))

    for module, takes_part in ((RMSNorm(), 1), (RMSNorm(trained=True), 0), (RMSNorm(torch.bfloat16), 0)):
        with fuse_norms(nn.ModuleList([module])) as count:
            assert count == takes_part
