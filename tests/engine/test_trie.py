"""The trie row: every sequence is a path of it, every row sees its path and nothing else."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.engine import _plans as plans
from holdfast.engine import _trie as trie

SEQUENCES = st.lists(st.lists(st.integers(3, 5), min_size=1, max_size=12).map(tuple), min_size=1, max_size=25, unique=True)


@settings(max_examples=60, deadline=None)
@given(sequences=SEQUENCES, budget=st.integers(4, 80), share=st.integers(1, 6))
def test_every_sequence_is_a_path_and_what_is_shared_stands_once(sequences, budget, share):
    rows = list(trie.rows(sequences, [len(s) for s in sequences], budget, share))
    assert sorted(i for row in rows for i in row.sequences) == list(range(len(sequences)))
    for row in rows:
        assert len(row.tokens) <= budget or len(row.sequences) == 1
        for i, tail in zip(row.sequences, row.tails, strict=True):
            assert tuple(row.tokens[tail]) == sequences[i]
            assert row.positions[tail].tolist() == list(range(len(sequences[i])))
    whole = next(iter(trie.rows(sequences, [1] * len(sequences), 10**6, 1)))
    assert len(whole.tokens) == len({s[:k] for s in sequences for k in range(1, len(s) + 1)})


@settings(max_examples=60, deadline=None)
@given(sequences=SEQUENCES, tile_rows=st.integers(1, 40), chain=st.integers(1, 8), every=st.integers(1, 5))
def test_the_tiles_show_each_row_its_path_and_nothing_else(sequences, tile_rows, chain, every):
    (row,) = trie.rows(sequences, [len(s) for s in sequences], 10**6, 2)
    found = trie.tiles(row.leave, tile_rows, chain)
    wanted = np.arange(len(row.tokens))[::every]
    for rows, tiles in ((None, found), (wanted, trie.narrow_tiles(found, wanted))):
        asked, seen = list(range(len(row.tokens)) if rows is None else wanted), {}
        for group in trie.buckets(tiles, free=20):
            queries, keys, keep, into, positions = (x.numpy() for x in plans._bucket(group, row, rows))
            for tile, line in zip(*np.nonzero(into.reshape(queries.shape) < len(asked)), strict=True):
                at = int(asked[queries[tile, line]])
                assert at not in seen and row.positions[at] == positions[tile, line]
                seen[at] = sorted(keys[tile][keep[tile, line]].tolist())
            assert keep.any(-1).all()
        assert sorted(seen) == asked
        for tail in row.tails:
            for k, at in enumerate(tail.tolist()):
                assert at not in seen or seen[at] == tail[: k + 1].tolist()


def test_a_family_larger_than_the_budget_is_cut_and_its_start_repeated():
    stem = tuple(range(10, 60))
    sequences = [(*stem, k, k, k) for k in range(3, 10)]
    rows = list(trie.rows(sequences, [1] * 7, 60))
    assert [len(r.tokens) for r in rows] == [59, 59, 53]


def test_a_comb_of_a_thousand_branches_is_laid_out():
    sequences = [(*range(10, 10 + k), 3) for k in range(8, 1200)]
    (row,) = trie.rows(sequences, [1] * len(sequences), 10**6)
    assert sum(len(t.queries) for t in trie.tiles(row.leave, 4, 16)) == len(row.tokens)


@pytest.mark.parametrize("budget", [1, 5])
def test_no_sequence_no_row(budget):
    assert list(trie.rows([], [], budget)) == []
