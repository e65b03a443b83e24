"""Greedy generation in slots: shared prompt starts are computed once, a finished slot takes the next prompt, later turns continue
from token ids.

A prefill row is a trie of new prompts. Any other row holds one token of every running slot, plus the whole of a new turn. Keys and
values are held in the slots, not in a transformers cache. Branches of a reply follow one another in its slot, each from the end of
the reply; nothing is computed twice, and no text is tokenized again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.engine import _plans as plans
from holdfast.engine import _trie as trie
from holdfast.engine import packed
from holdfast.models.finite import require_finite

_GROUP = 8  # neighbouring slots that are read up to the longest of them, at least; a fourth of many slots
_MOST_SLOTS = 512


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """What to generate after a context: a reply, and a further reply to each branch of it."""

    context: tuple[int, ...]  # token ids of the prompt
    limit: int  # most new tokens of the reply
    branches: tuple[tuple[int, ...], ...] = ()  # token ids that close the reply and open the next, each on its own
    branch_limit: int = 0  # most new tokens of a branch's reply

    @property
    def size(self) -> int:
        """Most keys and values that a slot has to hold for it."""
        return len(self.context) + self.limit + max((len(b) + self.branch_limit for b in self.branches), default=0)


@dataclass(frozen=True, slots=True)
class GeneratedReply:
    """A reply."""

    ids: tuple[int, ...]  # its token ids, without the end token
    ended: bool  # whether the model generated an end token


@dataclass(slots=True)
class SlotCounters:
    """Work of the slots."""

    prefill: int = 0  # tokens computed of prompts and further turns
    decoded: int = 0  # tokens computed one at a time
    steps: int = 0  # rows of decoding


class _KeyValues:
    """Keys and values of every layer, [slots, Hkv, length, D], allocated when a layer is first written."""

    def __init__(self, num_slots: int, length: int):
        self.num_slots, self.length = num_slots, length
        self._layers: dict[int, tuple[Tensor, Tensor]] = {}

    def of(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        if layer not in self._layers:
            new = lambda x: x.new_zeros(self.num_slots, x.shape[1], self.length, x.shape[2])  # noqa: E731
            self._layers[layer] = new(key), new(value)
        return self._layers[layer]

    def writer(self, slots: Sequence[int], paths: Sequence[np.ndarray], device: torch.device) -> Callable[[int, Tensor, Tensor], None]:
        """A function that a trie row's plan calls in every layer: it copies the keys and values along each path into its slot."""
        rows = torch.from_numpy(np.concatenate(paths)).to(device)
        into = torch.from_numpy(np.repeat(slots, [len(path) for path in paths])).to(device)
        at = torch.from_numpy(np.concatenate([np.arange(len(path)) for path in paths])).to(device)

        def write(layer: int, key: Tensor, value: Tensor) -> None:
            keys, values = self.of(layer, key, value)
            keys[into, :, at] = key.index_select(0, rows)
            values[into, :, at] = value.index_select(0, rows)

        return write


class _SlotPlan:
    """Attention of a row of segments (slot, tokens already in it, new tokens): those of one token first, in order of slots."""

    def __init__(self, cache: _KeyValues, segments: Sequence[tuple[int, int, int]], device: torch.device):
        self.cache = cache
        self.slots_N = torch.tensor([slot for slot, _, count in segments for _ in range(count)], device=device)
        self.positions_N = torch.tensor([start + i for _, start, count in segments for i in range(count)], device=device)
        singles = [(slot, start) for slot, start, count in segments if count == 1]
        self._groups: list[tuple[slice, Tensor, slice, int]] = []  # (rows, slots within the group, slots, keys read)
        width = max(_GROUP, cache.num_slots // 4) if device.type == "cpu" else cache.num_slots
        row = 0
        for low in range(0, cache.num_slots, width):
            mine = [(slot, start) for slot, start in singles if low <= slot < low + width]
            if mine:
                first, last = mine[0][0], mine[-1][0] + 1
                inside = torch.tensor([slot - first for slot, _ in mine], device=device)
                self._groups.append((slice(row, row + len(mine)), inside, slice(first, last), max(s for _, s in mine) + 1))
                row += len(mine)
        self._long: list[tuple[slice, int, int]] = []  # (rows, slot, keys read)
        for slot, start, count in segments[row:]:
            self._long.append((slice(row, row + count), slot, start + count))
            row += count
        self._masks: dict[Any, Tensor] = {}

    def _mask(self, name: Any, positions: Tensor, length: int, window: int | None, dtype: torch.dtype) -> Tensor:
        """Additive [n, 1, q, length] for queries at `positions` [n, q]."""
        if (name, window) not in self._masks:
            gap = positions[:, :, None] - torch.arange(length, device=positions.device)
            keep = gap >= 0 if window is None else (gap >= 0) & (gap < window)
            self._masks[name, window] = plans.additive(keep, dtype)[:, None]
        return self._masks[name, window]

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scores: plans.Scores) -> Tensor:
        """[N, H, D] and two of [N, Hkv, D] -> [N, H, D]"""
        keys, values = self.cache.of(layer, key, value)
        keys[self.slots_N, :, self.positions_N] = key
        values[self.slots_N, :, self.positions_N] = value
        out = query.new_empty(*query.shape[:2], value.shape[2])
        heads, shared = query.shape[1], key.shape[1]
        for i, (rows, inside, slots, length) in enumerate(self._groups):
            count = slots.stop - slots.start
            queries = query.new_zeros(count, shared, heads // shared, query.shape[2])  # queries of one key head are its rows
            queries[inside] = query[rows].unflatten(1, (shared, heads // shared))
            positions = self.positions_N.new_zeros(count, 1)
            positions[inside, 0] = self.positions_N[rows]
            mask = self._mask(i, positions, length, scores.window, query.dtype).expand(-1, -1, heads // shared, -1)
            result = plans.attend_dense(queries, keys[slots, :, :length], values[slots, :, :length], mask, scores)
            out[rows] = result[inside].flatten(1, 2)
        for i, (rows, slot, length) in enumerate(self._long):
            mask = self._mask(("long", i), self.positions_N[rows][None], length, scores.window, query.dtype)
            mine = keys[slot, :, :length][None], values[slot, :, :length][None]
            out[rows] = plans.attend_dense(query[rows].transpose(0, 1)[None], *mine, mask, scores)[0].transpose(0, 1)
        return out


@dataclass(slots=True)
class _Slot:
    """A running request. `held`: keys in the slot; `feed`: tokens of its next row; `turn`: 0 the reply, then its branches."""

    number: int
    index: int
    request: GenerateRequest
    held: int
    turn: int = 0
    new: list[int] = field(default_factory=list)
    feed: list[int] = field(default_factory=list)
    replies: list[GeneratedReply] = field(default_factory=list)
    fork: int = 0
    rest: list[int] = field(default_factory=list)

    def take(self, token: int, ends: frozenset[int]) -> bool:
        """Record a generated token; whether the request is finished."""
        limit = self.request.limit if self.turn == 0 else self.request.branch_limit
        ended = token in ends
        if not ended:
            self.new.append(token)
        if not ended and len(self.new) < limit:
            self.feed = [token]
            return False
        self.replies.append(GeneratedReply(tuple(self.new), ended))
        if self.turn == 0:
            self.fork, self.rest = self.held, [] if ended else [token]  # an unended reply's last token is not in the slot yet
        if self.turn == len(self.request.branches) or self.request.branch_limit == 0:
            return True
        self.held, self.feed = self.fork, [*self.rest, *self.request.branches[self.turn]]
        self.turn, self.new = self.turn + 1, []
        return False


def generate(
    model: nn.Module,
    requests: Sequence[GenerateRequest],
    ends: frozenset[int],
    *,
    budget: int,
    row_tokens: int,
    counters: SlotCounters,
    done: Callable[[int], None] = lambda _: None,
    prune: bool = True,
) -> list[list[GeneratedReply]]:
    """Generate greedily. Slots are as long as the longest request; where that leaves room for few, requests of similar size run
    together, so that one long prompt does not make all slots long.

    Args:
        model: a transformers model or a PeftModel.
        requests: what to generate.
        ends: end tokens.
        budget: tokens that the slots may hold together.
        row_tokens: most tokens of one prefill row.
        counters: raised by the work done.
        done: called with the number of requests that finished since the last call.
        prune: let the last layer of a prefill row work on the rows that are read only.
    Returns:
        For each request its reply, then those to its branches.
    """
    out: list[list[GeneratedReply]] = [[GeneratedReply((), False)] if r.limit == 0 else [] for r in requests]
    done(sum(map(bool, out)))
    order = sorted((i for i, replies in enumerate(out) if not replies), key=lambda i: (requests[i].size.bit_length(), requests[i].context))
    longest = max((requests[i].size for i in order), default=0)
    together = longest * min(_MOST_SLOTS, len(order)) <= budget
    with torch.inference_mode(), packed.using(model) as lm:
        for _, members in groupby(order, key=lambda i: 0 if together else requests[i].size.bit_length()):
            _run(lm, requests, list(members), out, ends, budget, row_tokens, counters, done, prune)
    return out


def _run(
    lm: Any, requests: Sequence[GenerateRequest], order: list[int], out: list[list[GeneratedReply]], ends: frozenset[int], budget: int,
    row_tokens: int, counters: SlotCounters, done: Callable[[int], None], prune: bool,
) -> None:  # fmt: skip
    device = next(lm.parameters()).device
    length = max(requests[i].size for i in order)
    num_slots = max(1, min(budget // length, len(order), _MOST_SLOTS))
    cache, waiting = _KeyValues(num_slots, length), order[::-1]
    running: dict[int, _Slot] = {}

    def take(slot: _Slot, token: int) -> None:
        if slot.take(token, ends):
            out[slot.index] = slot.replies
            del running[slot.number]
            done(1)

    while waiting or running:
        free = [s for s in range(num_slots) if s not in running]
        if waiting and (len(free) >= max(1, num_slots // 8) or len(waiting) <= len(free)):
            new = [_Slot(number, i := waiting.pop(), requests[i], len(requests[i].context)) for number in free[: len(waiting)]]
            running.update((slot.number, slot) for slot in new)
            for slot, token in _prefill(lm, cache, new, row_tokens, counters, prune):
                take(slot, token)
        if not running:
            continue
        row = sorted(running.values(), key=lambda s: (len(s.feed) > 1, s.number))
        plan = _SlotPlan(cache, [(s.number, s.held, len(s.feed)) for s in row], device)
        tokens = torch.tensor([token for s in row for token in s.feed], device=device)
        wanted = torch.tensor([len(s.feed) for s in row], device=device).cumsum(0) - 1
        new_tokens = torch.cat([greedy(part, lm) for _, part in packed.logits(lm, tokens, plan, wanted)]).tolist()
        counters.steps += 1
        counters.decoded += sum(len(s.feed) == 1 for s in row)
        counters.prefill += sum(len(s.feed) for s in row if len(s.feed) > 1)
        for slot, token in zip(row, new_tokens, strict=True):
            slot.held += len(slot.feed)
            take(slot, token)


def greedy(logits: Tensor, model: Any) -> Tensor:
    """The most probable token of every position.

    Args: logits: [positions, vocabulary]; model: whose they are.
    Returns: token ids. Raises ModelError where its numbers overflow.
    """
    best = logits.argmax(-1)
    require_finite(logits.gather(-1, best[:, None]), model)
    return best


def _prefill(
    lm: Any, cache: _KeyValues, new: Sequence[_Slot], row_tokens: int, counters: SlotCounters, prune: bool
) -> Iterator[tuple[_Slot, int]]:
    """(slot, first generated token) of every new prompt, whose keys and values are now in its slot."""
    device = next(lm.parameters()).device
    contexts = [slot.request.context for slot in new]
    for row in trie.rows(contexts, list(map(len, contexts)), row_tokens):
        plan = plans.TriePlan(row, device)
        mine = [new[i] for i in row.sequences]
        plan.keep = cache.writer([slot.number for slot in mine], row.tails, device)
        last, reads = np.unique([path[-1] for path in row.tails], return_inverse=True)  # equal prompts end in one row
        tokens, wanted = torch.from_numpy(row.tokens).to(device), torch.from_numpy(last).to(device)
        counters.prefill += len(tokens)
        first = torch.cat([greedy(part, lm) for _, part in packed.logits(lm, tokens, plan, wanted, prune=prune)]).tolist()
        yield from zip(mine, [first[k] for k in reads], strict=True)
