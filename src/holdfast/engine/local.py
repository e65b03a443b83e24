"""Requests -> log-likelihoods and texts, on a model in this process.

All prompts of a list and their choices are one trie: what two of them share at the start is computed once. Only positions that
are read go through the LM head; log-softmax is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.engine import _plain as plain
from holdfast.engine import _scoring as scoring
from holdfast.engine import _trie as trie
from holdfast.engine import generation, kernels, memory, packed
from holdfast.engine._plans import TriePlan
from holdfast.engine._requests import Encoder
from holdfast.engine._scoring import ScoreRequest
from holdfast.engine.fit import Fit, check_fit
from holdfast.engine.generation import GeneratedReply, GenerateRequest
from holdfast.engine.kernels import Kernels
from holdfast.engine.memory import Bounds
from holdfast.models import placement
from holdfast.models.chat import ChatFormat
from holdfast.models.finite import require_finite
from holdfast.records import Prompt, Response

CountProgress = Callable[[int], None]
_FEW_TOKENS = 128  # less work than `check_fit`: scored by ordinary calls while that has not run
_SETTING = "execution.tokens_per_batch"


@dataclass(slots=True)
class Counters:
    """A model's work."""

    asked: int = 0  # tokens that one call per request and choice would compute
    computed: int = 0  # tokens computed
    read: int = 0  # positions that went through the head
    flops: int = 0  # 2 operations per weight and token, without attention


class LocalEngine:
    """Scores and generates with one model.

    Args:
        model: a transformers model or a PeftModel; put into eval mode.
        chat: its tokenizer and chat template.
        tokens_per_batch: most tokens of a row, and at least all slots' together.
        packing: True: packed rows without a check; False: ordinary calls; None: as `fit` says.
        cache: token ids and packs, kept for the next model.
        use: the kernels of the run.
        memory_bytes: what this process may hold; None: unknown.
        fit: whether the model runs on packed rows; None: checked when first needed.
    """

    def __init__(
        self,
        model: nn.Module,
        chat: ChatFormat,
        tokens_per_batch: int = 8192,
        packing: bool | None = None,
        cache: dict[Any, Any] | None = None,
        use: Kernels | None = None,
        memory_bytes: int | None = None,
        fit: Fit | None = None,
    ):
        self.model, self.chat, self.budget = model.eval(), chat, tokens_per_batch
        self.device = placement.entry_device(model)
        self._fit = fit if packing is None else Fit(None if packing else "switched off", packing)
        self.cache = cache if cache is not None else {}
        self.encoder = Encoder(chat, self.cache, self.device)
        self.kernels = use or Kernels()
        self.bounds: Bounds = self.cache.get("bounds") or memory.bounds(model, tokens_per_batch, memory_bytes)
        self.counters = Counters()
        self.watched: Tensor | None = None
        self.body, self.head = packed.sizes(model)

    @property
    def fit(self) -> Fit:
        """Whether this model runs on packed rows."""
        if self._fit is None:
            self._fit = check_fit(self.model)
        return self._fit

    def answer(
        self, prompts: Sequence[Prompt], key: Any = None, progress: CountProgress | None = None, watch: Sequence[int] = ()
    ) -> list[Response]:
        """Responses to prompts: log-likelihoods of the choices, or a generated text. Smaller rows are tried where memory runs short.

        Args:
            prompts: what to respond to.
            key: name of the list, which is then tokenized once per process.
            progress: called with the number of prompts finished since the last call.
            watch: indices of prompts with choices; their next token's log-probabilities are in `watched` afterwards.
        Returns:
            One response per prompt, in order.
        Raises:
            ResourceError: no row is small enough for the memory.
        """
        progress = progress or (lambda _: None)
        tokenized = self.encoder.encode(prompts, key)
        responses: dict[int, Response] = {}
        place = {i: k for k, i in enumerate(tokenized.requests_at)}
        values = self.score(tokenized.requests, progress, key, [place[i] for i in watch])
        for i, request, logliks in zip(tokenized.requests_at, tokenized.requests, values, strict=True):
            lengths = tuple(map(len, request.continuations))
            responses[i] = Response(logliks=logliks, num_tokens=lengths, num_prompt_tokens=len(request.context))
        replies = self.generate(tokenized.generate, progress)
        for i, request, mine in zip(tokenized.generate_at, tokenized.generate, replies, strict=True):
            first, *later = (self._response(request, reply) for reply in mine)
            responses[i] = replace(first, branches=tuple(later))
        return [responses[i] for i in range(len(prompts))]

    def lay_out(self, prompts: Sequence[Prompt], key: Any) -> None:
        """Tokenize a named list and build the packs it is scored in, without running the model.

        Args:
            prompts: the list.
            key: its name.
        """
        requests = self.encoder.encode(prompts, key).requests
        if self.fit.why_not is None:
            for _ in self.encoder.packs(list(dict.fromkeys(requests)), key, self.bounds):
                pass

    def _response(self, request: GenerateRequest, reply: GeneratedReply) -> Response:
        text = self.chat.tokenizer.decode(list(reply.ids), skip_special_tokens=True)
        return Response(text=text, num_prompt_tokens=len(request.context), num_new_tokens=len(reply.ids), ended=reply.ended)

    def score(
        self, requests: Sequence[ScoreRequest], progress: CountProgress | None = None, key: Any = None, watch: Sequence[int] = ()
    ) -> list[tuple[float, ...]]:
        """Score continuations.

        Args:
            requests: contexts with their continuations.
            progress: called with the number of requests finished since the last call.
            key: name of the list, whose packs are then built once per process.
            watch: indices of requests; `watched` then holds the next token's log-probabilities after their contexts.
        Returns:
            For each request the summed log-probability (nats) of each continuation.
        Raises:
            ModelError: the model's numbers overflow.
        """
        distinct: dict[ScoreRequest, int] = {}
        places = [distinct.setdefault(request, len(distinct)) for request in requests]
        unique, progress = list(distinct), progress or (lambda _: None)
        self.counters.asked += sum(len(r.context) * len(r.continuations) + sum(map(len, r.continuations)) for r in requests)
        report = _increments(progress)
        few = self._fit is None and sum(len(r.sequence(j)) for r in unique for j in range(len(r.continuations))) < _FEW_TOKENS
        if not few and self.fit.why_not is None:
            wanted = [places[i] for i in watch]
            row_of = {i: k for k, i in enumerate(dict.fromkeys(wanted))}
            watching = self._watching(unique, row_of) if watch else None
            sums = self._within_memory(lambda within: self._score_packed(unique, key, within, report, watching))
            self.watched = watching.seen[[row_of[i] for i in wanted]] if watching is not None else None
        else:
            sums = self._within_memory(lambda within: self._score_plain(unique, within))
            self.watched = self._after([unique[places[i]].context for i in watch]) if watch else None
        lengths = torch.tensor([max(1, len(c)) for r in unique for c in r.continuations])
        require_finite(sums / lengths, self.model)
        report(len(unique))
        progress(len(requests) - len(unique))
        values = iter(sums.tolist())
        out = [tuple(islice(values, len(request.continuations))) for request in unique]
        return [out[place] for place in places]

    def _watching(self, requests: Sequence[ScoreRequest], row_of: dict[int, int]) -> scoring.Watch:
        first = [0, *accumulate(len(request.continuations) for request in requests)]
        place = torch.full((first[-1],), -1, dtype=torch.long)
        for i, k in row_of.items():
            place[first[i]] = k
        size = packed.causal_lm(self.model).config.get_text_config().vocab_size
        return scoring.Watch(place, torch.full((len(row_of), size), float("nan")))

    def _within_memory(self, run: Callable[[Bounds], Any]) -> Any:
        """Run within memory; the bounds that succeeded are kept, for the next model too."""
        out, within = memory.retry_smaller(self.bounds, run, _SETTING)
        if within != self.bounds:
            self.bounds = self.cache["bounds"] = within
        return out

    @torch.inference_mode()
    def _score_packed(
        self, requests: Sequence[ScoreRequest], key: Any, within: Bounds, report: CountProgress, watch: scoring.Watch | None
    ) -> Tensor:
        sums = torch.zeros(sum(len(r.continuations) for r in requests), dtype=torch.float64)
        done = 0
        with packed.using(self.model) as lm, kernels.using(lm, self.kernels.many):
            for pack in self.encoder.packs(requests, key, within):
                scoring.score_pack(lm, pack, sums, self.fit.prune, watch)
                self._count(len(pack.tokens), len(pack.wanted))
                done += pack.num_done
                report(done)
        return sums

    def _score_plain(self, requests: Sequence[ScoreRequest], within: Bounds) -> Tensor:
        sums, computed = plain.score(self.model, requests, min(self.budget, within.slot_tokens))
        self._count(computed, computed)
        return sums

    def _count(self, computed: int, read: int) -> None:
        self.counters.computed += computed
        self.counters.read += read
        self.counters.flops += 2 * (computed * self.body + read * self.head)

    def next_logprobs(self, prompts: Sequence[Prompt]) -> Tensor:
        """Distribution of the token after each prompt and its prefill, where a choice begins.

        Args:
            prompts: the prompts.
        Returns:
            Log-probabilities [len(prompts), vocabulary], float32, on the CPU.
        """
        return self._after(self.encoder.contexts(prompts))

    def _after(self, contexts: Sequence[tuple[int, ...]]) -> Tensor:
        distinct = list(dict.fromkeys(contexts))
        logprobs = self._within_memory(lambda within: self._next_logprobs(distinct, within))
        found = torch.stack([logprobs[ids] for ids in contexts])
        require_finite(found.amax(-1), self.model)
        return found

    @torch.inference_mode()
    def _next_logprobs(self, contexts: Sequence[tuple[int, ...]], within: Bounds) -> dict[tuple[int, ...], Tensor]:
        if self.fit.why_not is not None:
            return plain.next_logprobs(self.model, contexts, min(self.budget, within.slot_tokens))
        out: dict[tuple[int, ...], Tensor] = {}
        with packed.using(self.model) as lm, kernels.using(lm, self.kernels.many):
            for row in trie.rows(contexts, [1] * len(contexts), within.row_tokens):
                wanted = torch.from_numpy(np.concatenate(row.tails)).to(self.device)
                plan, tokens = TriePlan(row, self.device), torch.from_numpy(row.tokens).to(self.device)
                logits = torch.cat([part for _, part in packed.logits(lm, tokens, plan, wanted, prune=self.fit.prune)])
                out.update(zip([contexts[i] for i in row.sequences], logits.log_softmax(-1).cpu(), strict=True))
                self._count(len(tokens), len(wanted))
        return out

    def generate(self, requests: Sequence[GenerateRequest], progress: CountProgress | None = None) -> list[list[GeneratedReply]]:
        """Generate greedily. Of the checkpoint's generation settings only the end tokens are used; a repeated request runs once.

        Args:
            requests: contexts with their limits and branches.
            progress: called with the number of requests finished since the last call.
        Returns:
            For each request its reply, then those to its branches.
        """
        progress = progress or (lambda _: None)
        unique, report = list(dict.fromkeys(requests)), _increments(progress)
        tokenizer = self.chat.tokenizer
        ends = frozenset({tokenizer.eos_token_id, *_end_ids(self.model)} - {None})
        if self.fit.why_not is None:
            replies = self._within_memory(lambda within: self._slots(unique, ends, within, report))
        else:
            pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(ends, default=0)
            replies = self._within_memory(lambda w: plain.generate(self.model, unique, ends, pad, min(self.budget, w.slot_tokens)))
        report(len(unique))
        progress(len(requests) - len(unique))
        by_request = dict(zip(unique, replies, strict=True))
        return [by_request[request] for request in requests]

    def _slots(
        self, requests: Sequence[GenerateRequest], ends: frozenset[int], within: Bounds, report: CountProgress
    ) -> list[list[GeneratedReply]]:
        counted, finished = generation.SlotCounters(), 0

        def done(count: int) -> None:
            nonlocal finished
            finished += count
            report(finished)

        sizes = {"budget": within.slot_tokens, "row_tokens": within.row_tokens}
        with kernels.using(packed.causal_lm(self.model), self.kernels.few, few=True):
            out = generation.generate(self.model, requests, ends, **sizes, counters=counted, done=done, prune=self.fit.prune)
        generated = sum(len(reply.ids) for replies in out for reply in replies)
        self.counters.asked += generated + sum(len(r.context) for r in requests)
        for r, (first, *_) in zip(requests, out, strict=True):
            self.counters.asked += sum(len(r.context) + len(first.ids) + len(b) for b in r.branches)
        self._count(counted.prefill + counted.decoded, generated + len(requests))
        return out


def _increments(progress: CountProgress) -> CountProgress:
    """Takes the number finished in all and passes on what is new; what was counted before a smaller attempt is not counted again."""
    reported = 0

    def report(count: int) -> None:
        nonlocal reported
        if count > reported:
            progress(count - reported)
            reported = count

    return report


def _end_ids(model: Any) -> set[int | None]:
    ids = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return set(ids) if isinstance(ids, (list, tuple)) else {ids}
