"""Random models, tokenizers, templates and adapters: choices and greedy text are those of plain transformers and PEFT."""

import tempfile
from pathlib import Path

import pytest
from benchmarks.differential import ADAPTERS, TOLERANCE, Draw, difference
from hypothesis import given, settings
from hypothesis import strategies as st


def agrees(draw):
    with tempfile.TemporaryDirectory() as folder:
        gap, texts = difference(draw, Path(folder))
    assert gap < TOLERANCE and not texts, (draw, gap, texts)


@pytest.mark.slow
@settings(max_examples=6)
@given(st.integers(0, 2**31))
def test_a_random_model_with_a_random_adapter_gives_plain_numbers_and_text(seed):
    agrees(Draw.of(seed))


@pytest.mark.slow
@settings(max_examples=60)
@given(st.integers(0, 2**31))
def test_sixty_of_them_do(seed):
    agrees(Draw.of(seed))


def test_a_draw_is_settled_by_its_seed_and_every_adapter_is_drawn():
    draws = [Draw.of(seed) for seed in range(400)]
    assert draws == [Draw.of(seed) for seed in range(400)] and {d.adapter for d in draws} == set(ADAPTERS)
