"""A row of paths: what several sequences begin with stands once, and attention and its gradient are those of each sequence alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from holdfast.engine import _plans as plans
from holdfast.engine import paths

SEQUENCES = st.lists(st.lists(st.integers(3, 5), min_size=1, max_size=14).map(tuple), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(sequences=SEQUENCES, share=st.booleans())
def test_every_sequence_is_a_path_and_what_is_shared_stands_once(sequences, share):
    tokens, rows = paths.lay_paths(sequences, share)
    assert [tuple(tokens[mine]) for mine in rows] == sequences
    starts = {s[:k] for s in sequences for k in range(1, len(s) + 1)}
    assert len(tokens) == (len(starts) if share else sum(map(len, sequences)))
    plan = paths.Paths(rows)
    assert all(plan.positions_N[mine].tolist() == list(range(len(mine))) for mine in rows)
    assert sum(n for n, _ in plan.shapes) == len(sequences)


@pytest.mark.parametrize(("window", "softcap"), [(None, None), (3, None), (None, 5.0)])
@settings(max_examples=25, deadline=None)
@given(sequences=SEQUENCES, share=st.booleans(), every=st.integers(1, 4), free=st.sampled_from([0, 4000]))
def test_attention_along_paths_and_its_gradient_are_those_of_each_sequence_alone(window, softcap, sequences, share, every, free):
    tokens, rows = paths.lay_paths(sequences, share)
    before, paths._FREE = paths._FREE, free  # none: tiles of one length each
    try:
        plan = paths.Paths(rows)
    finally:
        paths._FREE = before
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(len(tokens), h, 4, generator=generator, dtype=torch.float64) for h in (4, 2, 2)]
    weight = torch.randn(len(tokens), 4, 4, generator=generator, dtype=torch.float64)
    wanted = torch.arange(0, len(tokens), every)

    scores = plans.Scores(window=window, softcap=softcap)

    def alone(q, k, v):
        out = torch.zeros_like(weight)
        for mine in rows:
            own = torch.from_numpy(np.ascontiguousarray(mine))
            gap = torch.arange(len(own))[:, None] - torch.arange(len(own))
            mask = plans.additive((gap >= 0) & (gap < (window or 99)), torch.float64)
            found = plans.attend_dense(*(x[own].transpose(0, 1)[None] for x in (q, k, v)), mask[None, None], scores)
            out = out.index_copy(0, own, found[0].transpose(0, 1))
        return out[wanted]

    def result(attend):
        x = [i.clone().requires_grad_() for i in inputs]
        out = attend(*x)
        (out * weight[wanted]).sum().backward()
        return [out.detach(), *(i.grad for i in x)]

    want = result(alone)
    for way in (lambda q, k, v: plan.attend(0, q, k, v, scores)[wanted],
                lambda q, k, v: plan.narrow(wanted).attend(0, q[wanted], k, v, scores)):  # fmt: skip
        for found, expected in zip(result(way), want, strict=True):
            torch.testing.assert_close(found, expected, **({} if softcap is None else {"rtol": 1e-4, "atol": 1e-5}))  # softmax in float32


def test_sequences_of_unlike_lengths_lie_in_tiles_of_their_own_and_few_short_ones_in_one():
    assert len(paths.Paths(paths.lay_paths([tuple(range(k)) for k in (300, 290, 20, 10)], share=False)[1]).shapes) == 2
    assert len(paths.Paths(paths.lay_paths([tuple(range(k)) for k in (20, 18, 12, 10)], share=False)[1]).shapes) == 1


def test_a_row_that_several_paths_share_gets_the_sum_of_their_gradients():
    plan = paths.Paths(paths.lay_paths([(1, 2, 3), (1, 2, 4), (1, 5)])[1])
    x = torch.ones(5, 1, 1, requires_grad=True)
    sum(F.relu(tile).sum() for tile in plan.tiles(x)).backward()
    assert x.grad.view(-1).tolist() == [3.0, 2.0, 1.0, 1.0, 1.0]
