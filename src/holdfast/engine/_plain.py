"""Ordinary calls, for models that do not run on packed rows.

A call holds sequences of one length: nothing is padded, so that no mask, recurrent state or length-dependent rotary frequency
differs from a call with one sequence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.engine._scoring import ScoreRequest
from holdfast.engine.generation import GeneratedReply, GenerateRequest
from holdfast.models import placement
from holdfast.models.finite import require_finite

Ids = tuple[int, ...]
_GREEDY = {"do_sample": False, "num_beams": 1, "repetition_penalty": 1.0, "temperature": None, "top_p": None, "top_k": None}


@torch.inference_mode()
def score(model: nn.Module, requests: Sequence[ScoreRequest], budget: int) -> tuple[Tensor, int]:
    """Summed log-probabilities by ordinary padded calls.

    Args: model: a causal language model; requests: contexts with their continuations; budget: tokens of one padded batch, at most.
    Returns: (log-probability of every continuation in order, nats, float64; tokens computed).
    """
    device = placement.entry_device(model)
    readers: dict[Ids, list[tuple[int, int]]] = {}
    flat = [(r, j) for r in requests for j in range(len(r.continuations))]
    sums = torch.zeros(len(flat), dtype=torch.float64)
    for owner, (request, j) in enumerate(flat):
        readers.setdefault(request.context + request.continuations[j][:-1], []).append((owner, len(request.context)))
    computed = 0
    for group in _equal_lengths(list(readers), budget):
        logits = model(input_ids=torch.tensor(group, device=device), use_cache=False).logits
        computed += len(group) * len(group[0])
        for ids, row in zip(group, logits, strict=True):
            for owner, depth in readers[ids]:
                request, j = flat[owner]
                target = torch.tensor(request.continuations[j], device=device)
                logprobs = row[depth - 1 :].float().log_softmax(-1)
                sums[owner] = logprobs[torch.arange(len(target)), target].double().sum().cpu()
    return sums, computed


@torch.inference_mode()
def next_logprobs(model: nn.Module, contexts: Sequence[Ids], budget: int) -> dict[Ids, Tensor]:
    """Log-probabilities of the token after each context.

    Args: model: a causal language model; contexts: token ids; budget: tokens of one padded batch, at most.
    Returns: {context: log-probabilities [vocabulary], nats, float32, on the CPU}.
    """
    device, out = placement.entry_device(model), {}
    for group in _equal_lengths(contexts, budget):
        logits = model(input_ids=torch.tensor(group, device=device), use_cache=False).logits[:, -1].float()
        out.update(zip(group, logits.log_softmax(-1).cpu(), strict=True))
    return out


def generate(
    model: nn.Module, requests: Sequence[GenerateRequest], ends: frozenset[int], pad: int, budget: int
) -> list[list[GeneratedReply]]:
    """As `generation.generate`, by transformers' own `generate`.

    Args: model: a causal language model; requests: prompts; ends: tokens that end a reply; pad: fills a batch; budget: tokens of one padded batch, at most.
    Returns: per request, its reply, then those of its branches.
    """
    first = _generated(model, [(r.context, r.limit) for r in requests], ends, pad, budget)
    replies = [first[r.context, r.limit] for r in requests]
    later = [[(r.context + reply.ids + b, r.branch_limit) for b in r.branches] for r, reply in zip(requests, replies, strict=True)]
    second = _generated(model, [turn for turns in later for turn in turns], ends, pad, budget)
    return [[reply, *(second[turn] for turn in turns)] for reply, turns in zip(replies, later, strict=True)]


@torch.inference_mode()
def _generated(
    model: Any, turns: Sequence[tuple[Ids, int]], ends: frozenset[int], pad: int, budget: int
) -> dict[tuple[Ids, int], GeneratedReply]:
    """{(context, limit): reply}"""

    def sound(_: Any, logits: Tensor) -> Tensor:
        require_finite(logits.amax(-1), model)
        return logits

    device = placement.entry_device(model)
    out = {turn: GeneratedReply((), False) for turn in turns if turn[1] == 0}
    for limit in sorted({limit for _, limit in turns} - {0}):
        mine = list(dict.fromkeys(context for context, of in turns if of == limit))
        for group in _equal_lengths(mine, budget, limit):
            ids = torch.tensor(group, device=device)
            tokens = {"pad_token_id": pad, "eos_token_id": sorted(ends) or None, "max_new_tokens": limit, "logits_processor": [sound]}
            whole = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **tokens, **_GREEDY)
            for context, new in zip(group, whole[:, ids.shape[1] :].tolist(), strict=True):
                stop = next((k for k, token in enumerate(new) if token in ends), None)
                out[context, limit] = GeneratedReply(tuple(new if stop is None else new[:stop]), stop is not None)
    return out


def _equal_lengths(sequences: Sequence[Ids], budget: int, more: int = 0) -> Iterator[list[Ids]]:
    """Groups of sequences of one length, of at most `budget` tokens (with `more` new ones each) where no single one is longer."""
    group: list[Ids] = []
    for ids in sorted(sequences, key=lambda ids: (len(ids), ids)):
        if group and (len(ids) != len(group[0]) or (len(ids) + more) * (len(group) + 1) > budget):
            yield group
            group = []
        group.append(ids)
    if group:
        yield group
