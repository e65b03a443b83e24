"""A packed row with autograd (training): each sequence is a path through it, causal in itself, and a shared start is held once.

Only the attention separates the paths: it gathers their rows into padded tiles [n, H, L, D] of similar length and scatters the
result back, so that every other layer works on each token once. A shared token's gradient is the sum over the paths it is on.

Shapes: N tokens of the row, T places of all tiles, n paths of L places in a tile, H heads, D head width.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.engine import _trie as trie
from holdfast.engine._plans import Scores, additive, attend_dense

_SLACK, _FREE = 1.15, 4000  # what padding may cost a tile before a second one is cheaper: share of its area, and area


def lay_paths(sequences: Sequence[tuple[int, ...]], share: bool = True) -> tuple[np.ndarray, list[np.ndarray]]:
    """Put sequences into one row.

    Args:
        sequences: token ids.
        share: hold a start that several sequences share once.
    Returns:
        (tokens of the row [N], for each sequence the rows of its tokens).
    """
    lengths = [len(s) for s in sequences]
    if not share:
        ends = np.cumsum(lengths)
        return np.concatenate([np.array(s) for s in sequences]), [np.arange(e - k, e) for e, k in zip(ends, lengths, strict=True)]
    (row,) = trie.rows(sequences, lengths, 2 * sum(lengths), min_share=1)
    rows = dict(zip(row.sequences, row.tails, strict=True))
    return row.tokens, [rows[i] for i in range(len(sequences))]


class Paths:
    """Attention plan of a row of paths. Padding comes last in a tile, where no earlier query can see it.

    Args:
        rows: for each sequence, the rows of its tokens; together they are 0..N-1.
        device: where the model computes.
    """

    def __init__(self, rows: Sequence[np.ndarray], device: torch.device | str = "cpu"):
        total = 1 + max(int(path.max()) for path in rows)
        place_of_row, positions = np.full(total, -1), np.zeros(total, dtype=np.int64)
        at, of_place, again = 0, [], []
        self.shapes: list[tuple[int, int]] = []
        for group in trie.buckets([trie.Tile(path, path) for path in rows], _SLACK, _FREE):
            wide = len(group[-1].keys)
            tile = np.zeros((len(group), wide), dtype=np.int64)
            for k, path in enumerate(group):
                own, size = path.keys, len(path.keys)
                tile[k, :size] = own
                places = np.arange(at + k * wide, at + k * wide + size)
                new = place_of_row[own] < 0
                place_of_row[own[new]], positions[own[new]] = places[new], np.arange(size)[new]
                again += [np.stack([places[~new], own[~new]])]
            of_place.append(tile.reshape(-1))
            self.shapes.append((len(group), wide))
            at += tile.size
        put = lambda x: torch.from_numpy(x).to(device)  # noqa: E731
        self.positions_N, self.place_of_row, self.row_of_place = put(positions), put(place_of_row), put(np.concatenate(of_place))
        # Places of rows that an earlier place already holds.
        self.again, self.row_again = put(np.concatenate(again, axis=1)).unbind()
        self._masks: dict[Any, Tensor] = {}

    def tiles(self, x: Tensor) -> list[Tensor]:
        """Gather a row into tiles.

        Args:
            x: [N, H, D].
        Returns:
            [n, H, L, D] of every tile.
        """
        spread = _Spread.apply(x, self.row_of_place, self.place_of_row, self.again, self.row_again)
        parts = spread.split([n * wide for n, wide in self.shapes])
        return [part.unflatten(0, shape).transpose(1, 2) for part, shape in zip(parts, self.shapes, strict=True)]

    def _mask(self, window: int | None, wide: int, query: Tensor) -> Tensor | None:
        if window is None or window >= wide:
            return None
        if (window, wide, query.dtype) not in self._masks:
            places = torch.arange(wide, device=query.device)
            gap = places[:, None] - places
            self._masks[window, wide, query.dtype] = additive((gap >= 0) & (gap < window), query.dtype)[None, None]
        return self._masks[window, wide, query.dtype]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scores: Scores) -> Tensor:
        """Attention of one layer.

        Args:
            layer: its index.
            query: [N, H, D].
            key: [N, Hkv, D].
            value: [N, Hkv, D].
            scores: how the layer scores keys.
        Returns:
            [N, H, D].
        """
        parts = [
            attend_dense(q, k, v, self._mask(scores.window, q.shape[2], q), scores).transpose(1, 2).flatten(0, 1)
            for q, k, v in zip(self.tiles(query), self.tiles(key), self.tiles(value), strict=True)
        ]
        return _gather(parts, self.place_of_row)

    def narrow(self, rows: Tensor) -> _NarrowPaths:
        """The plan for the queries of some rows only.

        Args:
            rows: the queries, ascending.
        Returns:
            A plan whose `attend` takes these queries.
        """
        return _NarrowPaths(self, rows)


class _NarrowPaths:
    """As `Paths`, for the queries of some `rows` (ascending) only."""

    def __init__(self, whole: Paths, rows: Tensor):
        self.whole, device = whole, rows.device
        place = whole.place_of_row[rows].cpu()
        self.tiles: list[tuple[tuple[int, int], Tensor, Tensor] | None] = []  # None: no query is in that tile
        into, taken, low = torch.zeros(len(rows), dtype=torch.long), 0, 0
        for count, longest in whole.shapes:
            mine = torch.nonzero((place >= low) & (place < low + count * longest)).view(-1)
            if not len(mine):
                self.tiles.append(None)
            else:
                path, position = (place[mine] - low) // longest, (place[mine] - low) % longest
                order = torch.argsort(path, stable=True)
                mine, path, position = mine[order], path[order], position[order]
                each = torch.bincount(path, minlength=count)
                wide = int(each.max())
                inside = path * wide + torch.arange(len(mine)) - (each.cumsum(0) - each)[path]
                index, at = torch.zeros(2, count * wide, dtype=torch.long)
                index[inside], at[inside] = mine, position
                gap = at.view(count, wide, 1) - torch.arange(longest)
                self.tiles.append(((count, wide), index.to(device), gap.to(device)))
                into[mine] = taken + inside
                taken += count * wide
            low += count * longest
        self.into = into.to(device)

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scores: Scores) -> Tensor:
        """[W, H, D] and two of [N, Hkv, D] -> [W, H, D]"""
        parts = []
        for tile, k, v in zip(self.tiles, self.whole.tiles(key), self.whole.tiles(value), strict=True):
            if tile is not None:
                shape, index, gap = tile
                keep = gap >= 0 if scores.window is None else (gap >= 0) & (gap < scores.window)
                q, mask = query[index].unflatten(0, shape).transpose(1, 2), additive(keep, query.dtype)[:, None]
                parts.append(attend_dense(q, k, v, mask, scores).transpose(1, 2).flatten(0, 1))
        return _gather(parts, self.into)


def _gather(parts: list[Tensor], place_of_row: Tensor) -> Any:
    return _Gather.apply(parts[0] if len(parts) == 1 else torch.cat(parts), place_of_row)


class _Spread(torch.autograd.Function):
    """Rows to places: x [N, ...], row_of_place [T], place_of_row [N], places and rows of tokens held at several places -> [T, ...]"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, row_of_place: Tensor, place_of_row: Tensor, again: Tensor, row_again: Tensor):
        ctx.save_for_backward(place_of_row, again, row_again)
        return x.index_select(0, row_of_place)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor):
        place_of_row, again, row_again = ctx.saved_tensors
        out = grads[0].index_select(0, place_of_row)
        if len(again):
            out.index_put_((row_again,), grads[0].index_select(0, again), accumulate=True)
        return out, None, None, None, None


class _Gather(torch.autograd.Function):
    """Places to rows: x [T, ...], place of each row [N], all different -> [N, ...]"""

    @staticmethod
    def forward(ctx: Any, x: Tensor, place_of_row: Tensor):
        ctx.save_for_backward(place_of_row)
        ctx.places = len(x)
        return x.index_select(0, place_of_row)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor):
        (place_of_row,) = ctx.saved_tensors
        out = grads[0].new_zeros(ctx.places, *grads[0].shape[1:])
        return out.index_copy_(0, place_of_row, grads[0]), None
