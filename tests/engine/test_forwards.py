"""Compiled blocks give the same scores for rows of any length, and the model is given back as it was.

Traced by torch.compile and run without a compiler, which a bare machine lacks.
"""

import pytest
from torch import nn

from holdfast.engine.forwards import compile_blocks
from holdfast.engine.local import LocalEngine, ScoreRequest

REQUESTS = [ScoreRequest((1, *range(3, 3 + n)), ((7, 8), (6,))) for n in (4, 9, 20)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_scores_are_the_same_and_every_block_is_restored(llama, chat):
    want = LocalEngine(llama, chat, packing=True).score(REQUESTS)
    with compile_blocks(llama, True, "eager") as count:
        assert count == 2 * (2 + 1) + 1  # two norms and a feed-forward block a layer, and the last norm
        for found, value in zip(LocalEngine(llama, chat, packing=True).score(REQUESTS), want, strict=True):
            assert found == pytest.approx(value, abs=1e-5)
    assert not any("forward" in vars(m) for m in llama.modules())


def test_it_is_off_unless_asked_for(llama):
    with compile_blocks(llama, False) as count:
        assert count == 0 and not any("forward" in vars(m) for m in llama.modules() if isinstance(m, nn.Module))
