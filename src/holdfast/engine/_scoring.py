"""Requests -> packs (a trie row, its attention plan, which log-probabilities are read) -> summed log-probabilities.

A pack does not depend on the weights: the packs of a list of requests serve every model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from holdfast.engine import _trie as trie
from holdfast.engine import packed
from holdfast.engine._plans import TriePlan

_HEAD_NUMBERS = 2**23  # logits held at once


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Token ids of a context and of the continuations to score after it."""

    context: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]

    def sequence(self, j: int) -> tuple[int, ...]:
        """What has to be computed to score continuation j: everything but its last token.

        Args: j: number of the continuation.
        Returns: token ids.
        """
        return self.context + self.continuations[j][:-1]


@dataclass(frozen=True, slots=True)
class Pack:
    """`narrow`: the plan for the wanted rows only. `wanted`: rows that go through the head, ascending. Pick p reads `targets[p]` at
    wanted row `reads[p]` (ascending) for continuation `owners[p]` of the whole list. Continuation `starters[k]` begins after wanted
    row `starts[k]`, its context's last. `num_done`: how many requests are complete with this pack.
    """

    tokens: Tensor
    plan: TriePlan
    narrow: TriePlan
    wanted: Tensor
    reads: Tensor
    targets: Tensor
    owners: Tensor
    starts: Tensor
    starters: Tensor
    num_done: int

    @property
    def num_bytes(self) -> int:
        """Bytes of the row's index arrays and plans."""
        numbers = len(self.tokens) + len(self.wanted) + 3 * len(self.reads) + 2 * len(self.starts)
        return self.plan.num_bytes + self.narrow.num_bytes + 8 * numbers


def packs(requests: Sequence[ScoreRequest], budget: int, device: torch.device) -> Iterator[Pack]:
    """All continuations of all requests, in packs of at most `budget` tokens where no single sequence is longer.

    Args: requests: contexts with their continuations; budget: tokens of one pack; device: where the packs' arrays are put.
    Returns: packs that hold every continuation once.
    """
    readers: dict[tuple[int, ...], list[tuple[int, tuple[int, ...]]]] = {}
    owner = 0
    for request in requests:
        for j, continuation in enumerate(request.continuations):
            readers.setdefault(request.sequence(j), []).append((owner, continuation))
            owner += 1
    sequences = list(readers)
    number = {ids: i for i, ids in enumerate(sequences)}
    tails = [max(len(c) for _, c in readers[ids]) for ids in sequences]
    rows = list(trie.rows(sequences, tails, budget))
    pack_of = np.empty(len(sequences), dtype=np.int64)
    for k, row in enumerate(rows):
        pack_of[list(row.sequences)] = k
    done = np.zeros(len(rows) + 1, dtype=np.int64)
    for request in requests:
        done[max((pack_of[number[request.sequence(j)]] for j in range(len(request.continuations))), default=-1)] += 1
    for k, row in enumerate(rows):
        yield _pack(row, [readers[sequences[i]] for i in row.sequences], int(done[k]), device)


def _pack(row: trie.TrieRow, readers: list[list[tuple[int, tuple[int, ...]]]], num_done: int, device: torch.device) -> Pack:
    at: list[int] = []
    targets: list[int] = []
    owners: list[int] = []
    starts: list[int] = []
    starters: list[int] = []
    for tail, continuations in zip(row.tails, readers, strict=True):
        places = tail.tolist()
        for owner, continuation in continuations:
            at += places[len(places) - len(continuation) :]
            starts.append(places[-len(continuation)])
            starters.append(owner)
            targets += continuation
            owners += [owner] * len(continuation)
    order = np.argsort(np.array(at), kind="stable")
    wanted, reads = np.unique(np.array(at)[order], return_inverse=True)
    put = lambda a: torch.from_numpy(np.ascontiguousarray(a)).to(device)  # noqa: E731
    return Pack(
        tokens=put(row.tokens),
        plan=TriePlan(row, device),
        narrow=TriePlan(row, device, wanted),
        wanted=put(wanted),
        reads=torch.from_numpy(reads),
        targets=put(np.array(targets)[order]),
        owners=torch.from_numpy(np.array(owners)[order]),
        starts=torch.from_numpy(np.searchsorted(wanted, np.array(starts))),
        starters=torch.from_numpy(np.array(starters)),
        num_done=num_done,
    )


@dataclass(slots=True)
class Watch:
    """Distributions of the next token, kept while scores are read: `place` [continuations of the list] is the row of `seen` [n, vocabulary]
    (float32 log-probabilities, on the CPU) for the one after a continuation's context, or -1.
    """

    place: Tensor
    seen: Tensor


def score_pack(lm: Any, pack: Pack, sums: Tensor, prune: bool = True, watch: Watch | None = None) -> None:
    """Add the pack's log-probabilities (float32 log-softmax) to `sums`. Inside `packed.using`.

    Args: lm: the causal language model; pack: one row of sequences; sums: [number of continuations], float64, nats; changed in place;
        prune: leave out queries whose output is not read; watch: distributions to keep on the way; None: none.
    """
    block = max(64, _HEAD_NUMBERS // lm.config.get_text_config().vocab_size)
    places = watch.place[pack.starters] if watch is not None else None
    for start, logits in packed.logits(lm, pack.tokens, pack.plan, pack.wanted, block, pack.narrow, prune):
        low, high = torch.searchsorted(pack.reads, torch.tensor([start, start + len(logits)])).tolist()
        local = (pack.reads[low:high] - start).to(logits.device)
        norm = logits.logsumexp(-1)
        logprobs = logits[local, pack.targets[low:high]] - norm[local]
        sums.index_add_(0, pack.owners[low:high], logprobs.double().cpu())
        if watch is not None and places is not None:
            mine = (places >= 0) & (pack.starts >= start) & (pack.starts < start + len(logits))
            rows = (pack.starts[mine] - start).to(logits.device)
            watch.seen[places[mine]] = (logits[rows] - norm[rows, None]).cpu()
