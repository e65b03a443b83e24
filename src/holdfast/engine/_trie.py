"""Many token sequences as one packed row that holds a shared start once, and the attention tiles over it.

The sequences are sorted; each adds to the row only what it does not share with the one before it, so the row is the trie in
depth-first order and the descendants of row j are the rows j..leave[j]-1. Hence the whole attention rule: row i sees row j
when j <= i < leave[j]. numpy only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

MIN_SHARE = 8
TILE_ROWS = 96
CHAIN_ROWS = 512


@dataclass(frozen=True, slots=True)
class TrieRow:
    """One packed row of N tokens.

    `tokens`, `positions` (along the path), `leave` (end of each token's descendants): int64 [N]. `sequences`: indices of the
    sequences it holds; `tails[k]`: for sequence k of them, the rows of its last tokens, as many as were requested.
    """

    tokens: np.ndarray
    positions: np.ndarray
    leave: np.ndarray
    sequences: tuple[int, ...]
    tails: tuple[np.ndarray, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """Attention of `queries` (rows, [q]) to `keys` (rows, [k]): a branch of the trie with what comes before it."""

    queries: np.ndarray
    keys: np.ndarray


def rows(sequences: Sequence[tuple[int, ...]], tails: Sequence[int], budget: int, min_share: int = MIN_SHARE) -> Iterator[TrieRow]:
    """Rows of at most `budget` tokens (one longer sequence is a row of its own); every sequence is in exactly one.

    `tails[i]`: for how many last tokens of sequence i `TrieRow.tails` gives the rows. A shared start shorter than `min_share` is
    repeated, as sharing it would join sequences that are otherwise apart. A family that does not fit is cut, its start repeated.

    Args: sequences: token ids; tails: one number per sequence; budget: tokens of one row; min_share: shortest shared start, in tokens.
    Returns: rows that hold every sequence once.
    """
    order = sorted(range(len(sequences)), key=lambda i: sequences[i])
    shared = _shared_starts([sequences[i] for i in order])
    shared[shared < min_share] = 0
    low, size = 0, 0
    for k, i in enumerate(order):
        more = len(sequences[i]) - int(shared[k])
        roomy = size + more <= budget and not (shared[k] == 0 and size > 0.85 * budget)
        if k > low and not roomy:
            yield _row([order[j] for j in range(low, k)], shared[low:k], sequences, tails)
            low, size, more = k, 0, len(sequences[i])
        size += more
    if order:
        yield _row(order[low:], shared[low:], sequences, tails)


def _row(members: list[int], shared: np.ndarray, sequences: Sequence[tuple[int, ...]], tails: Sequence[int]) -> TrieRow:
    tokens: list[int] = []
    positions: list[int] = []
    last = []
    longest = max(len(sequences[i]) for i in members)
    path = np.zeros(longest, dtype=np.int64)
    leave = np.zeros(sum(len(sequences[i]) for i in members), dtype=np.int64)
    depth = 0
    for k, i in enumerate(members):
        ids, keep = sequences[i], int(shared[k]) if k else 0
        start, more = len(tokens), len(ids) - keep
        leave[path[keep:depth]] = start
        path[keep : len(ids)] = np.arange(start, start + more)
        tokens += ids[keep:]
        positions += range(keep, len(ids))
        depth = len(ids)
        last.append(path[depth - tails[i] : depth].copy())
    leave[path[:depth]] = len(tokens)
    return TrieRow(np.array(tokens), np.array(positions), leave[: len(tokens)], tuple(members), tuple(last))


def _shared_starts(ordered: list[tuple[int, ...]], block: int = 512) -> np.ndarray:
    """Length of the start that each sequence shares with the one before it; 0 for the first."""
    out = np.zeros(len(ordered), dtype=np.int64)
    for low in range(1, len(ordered), block):
        part = ordered[low - 1 : low + block]
        wide = np.full((len(part), max(map(len, part)) + 1), -1, dtype=np.int64)
        for k, ids in enumerate(part):
            wide[k, : len(ids)] = ids
        wide[np.arange(len(part)), [len(ids) for ids in part]] = -2 - np.arange(len(part))  # no two ends are alike
        out[low : low + len(part) - 1] = (wide[1:] != wide[:-1]).argmax(1)
    return out


def tiles(leave: np.ndarray, tile_rows: int = TILE_ROWS, chain_rows: int = CHAIN_ROWS) -> list[Tile]:
    """Every row is a query of exactly one tile, whose keys hold all rows that it sees.

    Args: leave: per row, the first row that no longer sees it; tile_rows, chain_rows: queries of one tile, at most: in general, and along one chain.
    Returns: tiles.
    """
    out: list[Tile] = []

    def add(low: int, high: int, before: np.ndarray) -> None:
        own = np.arange(low, high)
        out.append(Tile(own, np.concatenate([before, own])))

    forests = [(0, len(leave), np.zeros(0, dtype=np.int64))]  # siblings, with the rows of the path above them
    while forests:
        low, high, before = forests.pop()
        start = low
        while low < high:
            end = int(leave[low])
            if end - start <= tile_rows and (low == start or len(before)):  # roots have nothing to share: a tile each
                low = end
            elif low > start:
                add(start, low, before)
                start = low
            else:  # one branch, too large for a tile: its unbranched start, then its descendants
                branch = low + 1
                while branch < end and leave[branch] == end:
                    branch += 1
                seen = before
                for a in range(low, branch, chain_rows):
                    b = min(a + chain_rows, branch)
                    add(a, b, seen)
                    seen = np.concatenate([seen, np.arange(a, b)])
                forests.append((branch, end, seen))
                start = low = end
        if low > start:
            add(start, low, before)
    return out


def narrow_tiles(tiles: Sequence[Tile], wanted: np.ndarray) -> list[Tile]:
    """The tiles with only those of their queries that are among `wanted` (ascending rows), and no key that none of them sees.

    Args: tiles: of all rows; wanted: rows, ascending.
    Returns: tiles without those that are left without a query.
    """
    out = []
    for tile in tiles:
        low, high = np.searchsorted(wanted, (tile.queries[0], tile.queries[-1] + 1))
        if low < high:
            queries = wanted[low:high]  # a tile's queries are a run of rows
            out.append(Tile(queries, tile.keys[: len(tile.keys) - int(tile.queries[-1] - queries[-1])]))
    return out


def buckets(tiles: Sequence[Tile], slack: float = 1.35, free: int = 2000) -> Iterator[list[Tile]]:
    """Tiles of similar size together: padding them to their largest costs at most `slack` times the area, or `free` more.

    Args: tiles: of any sizes; slack: padded area over real area, at most; free: padded area that is allowed in any case.
    Returns: lists of tiles, every tile once.
    """
    group: list[Tile] = []
    wide, area = 0, 0
    for tile in sorted(tiles, key=lambda t: (len(t.keys), len(t.queries))):
        q, k = len(tile.queries), len(tile.keys)
        if group and max(wide, q) * k * (len(group) + 1) > slack * (area + q * k) + free:
            yield group
            group, wide, area = [], 0, 0
        group.append(tile)
        wide, area = max(wide, q), area + q * k
    if group:
        yield group
