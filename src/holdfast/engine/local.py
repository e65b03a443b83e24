"""Requests -> log-likelihoods and texts, on a model in this process.

All prompts of a list and their choices are one trie: what two of them share at the start is computed once. Only positions
somebody reads go through the LM head; log-softmax is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.engine import generation, kernels, memory, packed, plain, plans, scoring, trie
from holdfast.engine.fit import Fit, check_fit
from holdfast.engine.generation import GenerateRequest, Reply
from holdfast.engine.kernels import Kernels
from holdfast.engine.memory import Bounds
from holdfast.engine.requests import Encoder
from holdfast.engine.scoring import ScoreRequest
from holdfast.models import placement
from holdfast.models.chat import ChatFormat
from holdfast.records import Prompt, Response

Progress = Callable[[int], None]
_FEW_TOKENS = 128  # less work than the check whether packed rows fit: scored by ordinary calls while that is not known
_SETTING = "execution.tokens_per_batch"


@dataclass(slots=True)
class Counters:
    """Tokens of a model's work. `asked`: what one call a request and choice would compute; `computed`; `read`: positions that went
    through the head; `flops`: 2 operations a weight and token, attention left out.
    """

    asked: int = 0
    computed: int = 0
    read: int = 0
    flops: int = 0


class LocalEngine:
    """Scores and generates with one model; the tokenised requests of a list of prompts are kept for the next model."""

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
        self.device = placement.entry(model)
        if packing is not None:
            fit = Fit(None if packing else "switched off", packing)
        self._fit = fit
        self.cache = cache if cache is not None else {}
        self.encoder = Encoder(chat, self.cache, self.device)
        self.kernels = use or Kernels()
        self.bounds: Bounds = self.cache.get("bounds") or memory.bounds(model, tokens_per_batch, memory_bytes)
        self.counters = Counters()
        self.watched: Tensor | None = None
        self.body, self.head = packed.sizes(model)

    @property
    def fit(self) -> Fit:
        """Whether this model takes packed rows: checked when first needed, if it was not given."""
        if self._fit is None:
            self._fit = check_fit(self.model)
        return self._fit

    def answer(
        self, prompts: Sequence[Prompt], key: Any = None, progress: Progress | None = None, watch: Sequence[int] = ()
    ) -> list[Response]:
        """One response per prompt, in order. `key` names the list, so that its token ids are made once per process.

        `watch`: prompts with choices (by index) whose next token's log-probabilities are to be had from `watched` afterwards.
        Where memory runs short, smaller rows are tried. Raises ResourceError if none is small enough.
        """
        progress = progress or (lambda _: None)
        asked = self.encoder.encode(prompts, key)
        out: list[Response | None] = [None] * len(prompts)
        place = {i: k for k, i in enumerate(asked.scored)}
        values = self.score(asked.requests, progress, key, [place[i] for i in watch])
        for i, request, logliks in zip(asked.scored, asked.requests, values, strict=True):
            out[i] = Response(logliks=logliks, num_tokens=tuple(map(len, request.continuations)), num_prompt_tokens=len(request.context))
        for i, request, replies in zip(asked.open, asked.written, self.generate(asked.written, progress), strict=True):
            first, *later = (self._response(request, reply) for reply in replies)
            out[i] = replace(first, branches=tuple(later))
        return out  # type: ignore[return-value]

    def lay_out(self, prompts: Sequence[Prompt], key: Any) -> None:
        """Tokenise a named list and make the packs it is scored in, without asking the model."""
        requests = self.encoder.encode(prompts, key).requests
        if self.fit.why_not is None:
            for _ in self.encoder.packs(list(dict.fromkeys(requests)), key, self.bounds):
                pass

    def _response(self, request: GenerateRequest, reply: Reply) -> Response:
        text = self.chat.tokenizer.decode(list(reply.ids), skip_special_tokens=True)
        return Response(text=text, num_prompt_tokens=len(request.context), num_new_tokens=len(reply.ids), ended=reply.ended)

    def score(
        self, requests: Sequence[ScoreRequest], progress: Progress | None = None, key: Any = None, watch: Sequence[int] = ()
    ) -> list[tuple[float, ...]]:
        """Summed log-probability (nats) of every continuation of every request. `key` names the list, as in `answer`; `watched` then
        holds the next token's log-probabilities after the contexts of the requests in `watch`.
        """
        distinct: dict[ScoreRequest, int] = {}
        places = [distinct.setdefault(request, len(distinct)) for request in requests]
        unique, progress = list(distinct), progress or (lambda _: None)
        self.counters.asked += sum(len(r.context) * len(r.continuations) + sum(map(len, r.continuations)) for r in requests)
        tell = _teller(progress)
        few = self._fit is None and sum(len(r.sequence(j)) for r in unique for j in range(len(r.continuations))) < _FEW_TOKENS
        if not few and self.fit.why_not is None:
            wanted = [places[i] for i in watch]
            row_of = {i: k for k, i in enumerate(dict.fromkeys(wanted))}
            watching = self._watching(unique, row_of) if watch else None
            sums = self._shrinking(lambda within: self._score_packed(unique, key, within, tell, watching))
            self.watched = watching.seen[[row_of[i] for i in wanted]] if watching is not None else None
        else:
            sums = self._shrinking(lambda within: self._score_plain(unique, within))
            self.watched = self._after([unique[places[i]].context for i in watch]) if watch else None
        tell(len(unique))
        progress(len(requests) - len(unique))
        values, out, at = sums.tolist(), [], 0
        for request in unique:
            out.append(tuple(values[at : at + len(request.continuations)]))
            at += len(request.continuations)
        return [out[place] for place in places]

    def _watching(self, requests: Sequence[ScoreRequest], row_of: dict[int, int]) -> scoring.Watch:
        first, total = [], 0
        for request in requests:
            first.append(total)
            total += len(request.continuations)
        place = torch.full((total,), -1, dtype=torch.long)
        for i, k in row_of.items():
            place[first[i]] = k
        size = packed.causal_lm(self.model).config.get_text_config().vocab_size
        return scoring.Watch(place, torch.full((len(row_of), size), float("nan")))

    def _shrinking(self, run: Callable[[Bounds], Any]) -> Any:
        """The bounds with which it went through are kept, for the next model too."""
        out, within = memory.shrinking(self.bounds, run, _SETTING)
        if within != self.bounds:
            self.bounds = self.cache["bounds"] = within
        return out

    @torch.inference_mode()
    def _score_packed(
        self, requests: Sequence[ScoreRequest], key: Any, within: Bounds, tell: Progress, watch: scoring.Watch | None
    ) -> Tensor:
        sums = torch.zeros(sum(len(r.continuations) for r in requests), dtype=torch.float64)
        done = 0
        with packed.using(self.model) as lm, kernels.using(lm, self.kernels.many):
            for pack in self.encoder.packs(requests, key, within):
                scoring.score_pack(lm, pack, sums, self.fit.prune, watch)
                self._count(len(pack.tokens), len(pack.wanted))
                done += pack.num_done
                tell(done)
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
        """Log-probabilities of the token after each prompt and its prefill, where a choice begins: [len(prompts), vocabulary], float32, CPU."""
        return self._after(self.encoder.contexts(prompts))

    def _after(self, contexts: Sequence[tuple[int, ...]]) -> Tensor:
        distinct = list(dict.fromkeys(contexts))
        found = self._shrinking(lambda within: self._next_logprobs(distinct, within))
        return torch.stack([found[ids] for ids in contexts])

    @torch.inference_mode()
    def _next_logprobs(self, contexts: Sequence[tuple[int, ...]], within: Bounds) -> dict[tuple[int, ...], Tensor]:
        if self.fit.why_not is not None:
            return plain.next_logprobs(self.model, contexts, min(self.budget, within.slot_tokens))
        found: dict[tuple[int, ...], Tensor] = {}
        with packed.using(self.model) as lm, kernels.using(lm, self.kernels.many):
            for row in trie.rows(contexts, [1] * len(contexts), within.row_tokens):
                wanted = torch.from_numpy(np.concatenate(row.tails)).to(self.device)
                plan, tokens = plans.TriePlan(row).to(self.device), torch.from_numpy(row.tokens).to(self.device)
                logits = torch.cat([part for _, part in packed.logits(lm, tokens, plan, wanted, prune=self.fit.prune)])
                found.update(zip([contexts[i] for i in row.sequences], logits.log_softmax(-1).cpu(), strict=True))
                self._count(len(tokens), len(wanted))
        return found

    def generate(self, requests: Sequence[GenerateRequest], progress: Progress | None = None) -> list[list[Reply]]:
        """Greedy replies, each with those to its branches. Of the checkpoint's generation settings only the end tokens are kept.

        A request met twice is answered once.
        """
        progress = progress or (lambda _: None)
        unique, tell = list(dict.fromkeys(requests)), _teller(progress)
        tokenizer = self.chat.tokenizer
        ends = frozenset({tokenizer.eos_token_id, *_end_ids(self.model)} - {None})
        if self.fit.why_not is None:
            replies = self._shrinking(lambda within: self._slots(unique, ends, within, tell))
        else:
            pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else min(ends, default=0)
            replies = self._shrinking(lambda w: plain.generate(self.model, unique, ends, pad, min(self.budget, w.slot_tokens)))
        tell(len(unique))
        progress(len(requests) - len(unique))
        found = dict(zip(unique, replies, strict=True))
        return [found[request] for request in requests]

    def _slots(self, requests: Sequence[GenerateRequest], ends: frozenset[int], within: Bounds, tell: Progress) -> list[list[Reply]]:
        counted, through = generation.Counters(), 0

        def done(count: int) -> None:
            nonlocal through
            through += count
            tell(through)

        with kernels.using(packed.causal_lm(self.model), self.kernels.few, few=True):
            out = generation.generate(
                self.model,
                requests,
                ends,
                budget=within.slot_tokens,
                row_tokens=within.row_tokens,
                counters=counted,
                done=done,
                prune=self.fit.prune,
            )
        written = sum(len(reply.ids) for replies in out for reply in replies)
        self.counters.asked += written + sum(len(r.context) for r in requests)
        self.counters.asked += sum(
            len(r.context) + len(replies[0].ids) + len(b) for r, replies in zip(requests, out, strict=True) for b in r.branches
        )
        self._count(counted.prefill + counted.decoded, written + len(requests))
        return out


def _teller(progress: Progress) -> Progress:
    """Takes how much is done in all; what was told before a smaller try is not told again."""
    told = 0

    def tell(count: int) -> None:
        nonlocal told
        if count > told:
            progress(count - told)
            told = count

    return tell


def _end_ids(model: nn.Module) -> set[int]:
    found = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return set(found) if isinstance(found, (list, tuple)) else {found}
