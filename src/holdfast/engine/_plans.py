"""Where a packed row's tokens sit in attention tiles: a trie of many sequences, without autograd.

Only the attention gathers rows into padded tiles [n, H, q, D] and scatters the result back; every other layer works on the row.

Shapes: N tokens of the row, n tiles of q queries and k keys, H heads, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from holdfast.engine import _trie as trie


class Scores(NamedTuple):
    """How a layer scores keys: `scaling` (None: 1 / sqrt(D)), `window` of tokens seen along a path, `softcap` by tanh, `dropout` rate."""

    scaling: float | None = None
    window: int | None = None
    softcap: float | None = None
    dropout: float = 0.0


def attend_dense(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scores: Scores) -> Tensor:
    """Attention computed densely.

    Args: query: [n, H, q, D]; key, value: [n, Hkv, k, D]; mask: added to the scores; None: causal; scores: how the layer scores keys.
    Returns: [n, H, q, D].
    """
    scaling, _, softcap, dropout = scores
    if softcap is None:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None, scale=scaling, dropout_p=dropout,
            enable_gqa=query.shape[1] != key.shape[1],
        )  # fmt: skip
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    capped = torch.tanh(query @ key.transpose(2, 3) * (scale / softcap)) * softcap
    if mask is None:
        mask = additive(torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril_(), query.dtype)
    return F.dropout((capped + mask).float().softmax(-1).to(query.dtype), dropout) @ value


def additive(keep: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a key is seen, -inf where not.

    Args: keep: bool, true where a key is seen; dtype: of the mask.
    Returns: a mask of the shape of `keep`, to be added to scores.
    """
    return torch.zeros(keep.shape, dtype=dtype, device=keep.device).masked_fill_(~keep, float("-inf"))


class TriePlan:
    """Attention along every path of a trie row, in tiles of similar size. Without autograd.

    `rows`: the queries of these rows (ascending) only.
    """

    def __init__(self, row: trie.TrieRow, device: torch.device, rows: np.ndarray | None = None):
        self.positions_N, self.row = torch.from_numpy(row.positions).to(device), row
        self.total = len(row.tokens if rows is None else rows)
        self.longest = int(row.positions.max()) + 1
        tiles = trie.tiles(row.leave) if rows is None else trie.narrow_tiles(trie.tiles(row.leave), rows)
        self._tiles = [tuple(x.to(device) for x in _bucket(group, row, rows)) for group in trie.buckets(tiles)]
        self._masks: dict[Any, list[Tensor]] = {}
        self.keep: Callable[[int, Tensor, Tensor], None] | None = None  # called with every layer's keys and values

    def narrow(self, rows: Tensor) -> TriePlan:
        """The plan for some of its queries.

        Args: rows: numbers of the queries kept, ascending.
        Returns: a plan with the same keys.
        """
        return TriePlan(self.row, rows.device, rows.cpu().numpy())

    @property
    def num_bytes(self) -> int:
        """Bytes that the plan holds, with the masks of one dtype."""
        return sum(8 * (q.numel() * 3 + k.numel()) + 5 * keep.numel() for q, k, keep, _, _ in self._tiles)

    def _mask(self, window: int | None, dtype: torch.dtype) -> list[Tensor]:
        window = window if window is not None and window < self.longest else None
        if (window, dtype) not in self._masks:
            masks = []
            for _, keys, keep, _, at in self._tiles:
                if window is not None:  # a distance along the path, not in the row
                    near = at[:, :, None] - self.positions_N[keys][:, None] < window
                    keep = keep & (near | (keep.sum(-1, keepdim=True) == 1))  # padded queries keep their one key
                masks.append(additive(keep, dtype)[:, None])
            self._masks[window, dtype] = masks
        return self._masks[window, dtype]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scores: Scores) -> Tensor:
        """Attention of one layer by the plan.

        Args: layer: number of the layer; query: [N, H, D], of the plan's rows; key, value: [N, Hkv, D]; scores: how the layer scores keys.
        Returns: [N, H, D].
        """
        if self.keep is not None:
            self.keep(layer, key, value)
        out = query.new_empty(self.total + 1, query.shape[1], value.shape[2])  # the last row takes what padding writes

        def pick(x: Tensor, rows: Tensor) -> Tensor:
            return x.index_select(0, rows.view(-1)).view(*rows.shape, *x.shape[1:]).transpose(1, 2)

        for (queries, keys, _, into, _), mask in zip(self._tiles, self._mask(scores.window, query.dtype), strict=True):
            result = attend_dense(pick(query, queries), pick(key, keys), pick(value, keys), mask, scores)
            out.index_copy_(0, into, result.transpose(1, 2).reshape(-1, *out.shape[1:]))
        return out[: self.total]


def _bucket(group: Sequence[trie.Tile], row: trie.TrieRow, rows: np.ndarray | None) -> tuple[Tensor, ...]:
    """(places of the queries [n, q], rows of the keys [n, k], which keys each sees [n, q, k], where results go [n * q], the
    queries' positions [n, q]); a place is the row itself, or its rank among `rows`.
    """
    count, length = len(group), len(row.tokens)
    q, k = max(len(t.queries) for t in group), max(len(t.keys) for t in group)
    queries, keys = np.full((count, q), -1), np.full((count, k), length)
    for i, tile in enumerate(group):
        queries[i, : len(tile.queries)] = tile.queries
        keys[i, : len(tile.keys)] = tile.keys
    leave = np.append(row.leave, 0)
    at = queries[:, :, None]
    keep = (keys[:, None] <= at) & (at < leave[keys][:, None])
    keep[:, :, 0] |= queries < 0  # a padded query needs one key, or its softmax is nan
    places = queries if rows is None else np.where(queries < 0, -1, np.searchsorted(rows, queries))
    into = np.where(queries < 0, length if rows is None else len(rows), places).reshape(-1)
    positions = row.positions[queries.clip(0)]
    return tuple(map(torch.from_numpy, (places.clip(0), keys.clip(0, length - 1), keep, into, positions)))
