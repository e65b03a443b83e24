"""Requests -> log-likelihoods and texts, on a model in this process.

All prompts of a list and their choices are one trie: what two of them share at the start is computed once. Only positions
somebody reads go through the LM head; log-softmax is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.engine import generation, kernels, packed, scoring, trie
from holdfast.engine.generation import Counters, GenerateRequest, Reply
from holdfast.engine.kernels import Kernels
from holdfast.engine.scoring import ScoreRequest
from holdfast.errors import ResourceError
from holdfast.models.chat import ChatFormat
from holdfast.records import Prompt, Response

Progress = Callable[[int], None]


# A row this long fills the kernels; longer ones only leave the processor's caches.
_CPU_ROW = 1024
_KEPT_BYTES = 2**28
_SLOT_BYTES = 2**28
_KEPT_REQUESTS = 200_000


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
    ):
        self.model, self.chat, self.budget = model.eval(), chat, tokens_per_batch
        self.device = next(model.parameters()).device
        self.fit = packed.fit(model) if packing is None else packed.Fit(None if packing else "switched off", packing)
        self.cache = cache if cache is not None else {}
        self.tokens_asked = self.tokens_computed = 0
        self.generated = Counters()
        self.kernels = use or Kernels()

    @property
    def _row_tokens(self) -> int:
        return self.budget if self.device.type != "cpu" else min(self.budget, _CPU_ROW)

    @property
    def slot_tokens(self) -> int:
        """Tokens that all slots of generation may hold: those of a batch, or more where their keys and values are small."""
        config = packed.causal_lm(self.model).config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        each = 2 * config.num_hidden_layers * heads * width * next(self.model.parameters()).dtype.itemsize
        return max(self.budget, _SLOT_BYTES // each)

    def answer(self, prompts: Sequence[Prompt], key: Any = None, progress: Progress | None = None) -> list[Response]:
        """One response per prompt, in order. `key` names the list, so that its token ids are made once per process."""
        try:
            return self._answer(prompts, key, progress or (lambda _: None))
        except (torch.OutOfMemoryError, MemoryError):
            raise ResourceError(
                f"execution.tokens_per_batch: {self.budget} tokens at once do not fit in memory; "
                f"lower it, for example execution.tokens_per_batch={max(256, self.budget // 4)}"
            ) from None

    def _answer(self, prompts: Sequence[Prompt], key: Any, progress: Progress) -> list[Response]:
        if key is not None and key in self.cache:
            scored, requests, open_, written = self.cache[key]
        else:
            scored = [i for i, p in enumerate(prompts) if p.choices]
            open_ = [i for i, p in enumerate(prompts) if not p.choices]
            requests = self._requests([prompts[i] for i in scored])
            written = self._written_requests([prompts[i] for i in open_])
            if key is not None:
                self.cache[key] = scored, requests, open_, written
        out: list[Response | None] = [None] * len(prompts)
        for i, request, logliks in zip(scored, requests, self.score(requests, progress, key), strict=True):
            out[i] = Response(
                logliks=logliks, num_tokens=tuple(map(len, request.continuations)), num_prompt_tokens=len(request.context)
            )
        for i, request, replies in zip(open_, written, self.generate(written, progress), strict=True):
            texts = [self.chat.tokenizer.decode(list(r.ids), skip_special_tokens=True) for r in replies]
            later = [
                Response(text=text, num_prompt_tokens=len(request.context), num_new_tokens=len(reply.ids), ended=reply.ended)
                for text, reply in zip(texts, replies, strict=True)
            ]
            out[i] = replace(later[0], branches=tuple(later[1:]))
        return out  # type: ignore[return-value]

    def _written_requests(self, prompts: Sequence[Prompt]) -> list[GenerateRequest]:
        contexts = self.chat.encode([self.chat.prompt_text(p) for p in prompts])
        return [
            GenerateRequest(
                tuple(ids), p.max_new_tokens, tuple(self.chat.next_turn(p, say) for say in p.branches), p.max_new_tokens
            )
            for p, ids in zip(prompts, contexts, strict=True)
        ]

    def _requests(self, prompts: Sequence[Prompt]) -> list[ScoreRequest]:
        """Token ids of prompts with choices; those of a prompt met before (by another model, too) are not made again."""
        known: dict[Any, ScoreRequest] = self.cache.setdefault("requests", {})
        asked = [(p.messages, p.prefill, p.plain, p.choices) for p in prompts]
        new = [p for p, name in zip(prompts, asked, strict=True) if name not in known]
        pairs = self.chat.encode_choices([self.chat.prompt_text(p) for p in new], [p.choices for p in new])
        for p, (context, continuations) in zip(new, pairs, strict=True):
            known[p.messages, p.prefill, p.plain, p.choices] = ScoreRequest(tuple(context), tuple(map(tuple, continuations)))
        out = [known[name] for name in asked]
        if len(known) > _KEPT_REQUESTS:
            known.clear()
        return out

    @torch.inference_mode()
    def score(
        self, requests: Sequence[ScoreRequest], progress: Progress | None = None, key: Any = None
    ) -> list[tuple[float, ...]]:
        """Summed log-probability (nats) of every continuation of every request. `key` names the list, as in `answer`."""
        distinct: dict[ScoreRequest, int] = {}
        places = [distinct.setdefault(request, len(distinct)) for request in requests]
        unique, progress = list(distinct), progress or (lambda _: None)
        self.tokens_asked += sum(len(r.context) * len(r.continuations) + sum(map(len, r.continuations)) for r in requests)
        sums = torch.zeros(sum(len(r.continuations) for r in unique), dtype=torch.float64)
        if self.fit.why_not is None:
            with packed.using(self.model) as lm, kernels.using(lm, self.kernels.many):
                for pack in self._packs(unique, key):
                    scoring.score_pack(lm, pack, sums, self.fit.prune)
                    self.tokens_computed += len(pack.tokens)
                    progress(pack.num_done)
        else:
            self._score_plain(unique, sums)
            progress(len(unique))
        progress(len(requests) - len(unique))
        values, out, at = sums.tolist(), [], 0
        for request in unique:
            out.append(tuple(values[at : at + len(request.continuations)]))
            at += len(request.continuations)
        return [out[place] for place in places]

    def _packs(self, requests: Sequence[ScoreRequest], key: Any) -> Iterable[scoring.Pack]:
        """The packs of a named list are kept for the next model while they take little memory."""
        budget = self._row_tokens
        name = ("packs", key, budget, str(self.device))
        if key is None or name in self.cache:
            return self.cache[name] if key is not None else scoring.packs(requests, budget, self.device)
        if self.cache.get("kept", 0) > _KEPT_BYTES:
            return scoring.packs(requests, budget, self.device)
        made = list(scoring.packs(requests, budget, self.device))
        self.cache["kept"] = self.cache.get("kept", 0) + sum(p.plan.num_bytes + p.narrow.num_bytes for p in made)
        self.cache[name] = made
        return made

    def _score_plain(self, requests: Sequence[ScoreRequest], sums: Tensor) -> None:
        """Ordinary calls, for models that packed rows do not fit. A call holds sequences of one length: nothing is padded, so
        that neither a mask nor a recurrent state nor a length-dependent rotary frequency can differ from a call of one.
        """
        readers: dict[tuple[int, ...], list[tuple[int, int]]] = {}
        flat = [(r, j) for r in requests for j in range(len(r.continuations))]
        for owner, (request, j) in enumerate(flat):
            readers.setdefault(request.context + request.continuations[j][:-1], []).append((owner, len(request.context)))
        for group in _equal_lengths(list(readers), self.budget):
            logits = self.model(input_ids=torch.tensor(group, device=self.device), use_cache=False).logits
            self.tokens_computed += len(group) * len(group[0])
            for ids, row in zip(group, logits, strict=True):
                for owner, depth in readers[ids]:
                    request, j = flat[owner]
                    target = torch.tensor(request.continuations[j], device=self.device)
                    logprobs = row[depth - 1 :].float().log_softmax(-1)
                    sums[owner] = logprobs[torch.arange(len(target)), target].double().sum().cpu()

    @torch.inference_mode()
    def next_logprobs(self, prompts: Sequence[Prompt]) -> Tensor:
        """Log-probabilities of the token after each prompt and its prefill: [len(prompts), vocabulary], float32, on the CPU."""
        known: dict[Any, tuple[int, ...]] = self.cache.setdefault("contexts", {})
        names = [(p.messages, p.prefill, p.plain) for p in prompts]
        new = [p for p, name in zip(prompts, names, strict=True) if name not in known]
        for p, ids in zip(new, self.chat.encode([self.chat.prompt_text(p) for p in new]), strict=True):
            known[p.messages, p.prefill, p.plain] = tuple(ids)
        contexts = [known[name] for name in names]
        if len(known) > _KEPT_REQUESTS:
            known.clear()
        found: dict[tuple[int, ...], Tensor] = {}
        distinct = list(dict.fromkeys(contexts))
        if self.fit.why_not is None:
            with packed.using(self.model) as lm, kernels.using(lm, self.kernels.many):
                for row in trie.rows(distinct, [1] * len(distinct), self._row_tokens):
                    wanted = torch.from_numpy(np.concatenate(row.tails)).to(self.device)
                    plan = packed.TriePlan(row).to(self.device)
                    tokens = torch.from_numpy(row.tokens).to(self.device)
                    logits = torch.cat([part for _, part in packed.logits(lm, tokens, plan, wanted, prune=self.fit.prune)])
                    found.update(zip([distinct[i] for i in row.sequences], logits.log_softmax(-1).cpu(), strict=True))
        else:
            for group in _equal_lengths(distinct, self.budget):
                logits = self.model(input_ids=torch.tensor(group, device=self.device), use_cache=False).logits[:, -1].float()
                found.update(zip(group, logits.log_softmax(-1).cpu(), strict=True))
        return torch.stack([found[ids] for ids in contexts])

    def generate(self, requests: Sequence[GenerateRequest], progress: Progress | None = None) -> list[list[Reply]]:
        """Greedy replies, each with those to its branches. Of the checkpoint's generation settings only the end tokens are kept.

        A request met twice is answered once.
        """
        done = progress or (lambda _: None)
        unique = list(dict.fromkeys(requests))
        done(len(requests) - len(unique))
        ends = frozenset({self.chat.tokenizer.eos_token_id, *_end_ids(self.model)} - {None})
        if self.fit.why_not is None:
            with kernels.using(packed.causal_lm(self.model), self.kernels.few, few=True):
                replies = generation.generate(
                    self.model,
                    unique,
                    ends,
                    budget=self.budget,
                    row_tokens=self._row_tokens,
                    counters=self.generated,
                    done=done,
                    prune=self.fit.prune,
                )
        else:
            replies = self._generate_plain(unique, ends)
            done(len(unique))
        found = dict(zip(unique, replies, strict=True))
        return [found[request] for request in requests]

    @torch.inference_mode()
    def _generate_plain(self, requests: Sequence[GenerateRequest], ends: frozenset[int]) -> list[list[Reply]]:
        """transformers' own `generate` on contexts of one length at a time, for models that packed rows do not fit."""
        first = self._written([(r.context, r.limit) for r in requests], ends)
        replies = [first[r.context, r.limit] for r in requests]
        later = [
            [(r.context + reply.ids + b, r.branch_limit) for b in r.branches] for r, reply in zip(requests, replies, strict=True)
        ]
        second = self._written([turn for turns in later for turn in turns], ends)
        return [[reply, *(second[turn] for turn in turns)] for reply, turns in zip(replies, later, strict=True)]

    def _written(
        self, turns: Sequence[tuple[tuple[int, ...], int]], ends: frozenset[int]
    ) -> dict[tuple[tuple[int, ...], int], Reply]:
        """{(context, limit): reply}"""
        pad = self.chat.tokenizer.pad_token_id if self.chat.tokenizer.pad_token_id is not None else min(ends, default=0)
        out = {turn: Reply((), False) for turn in turns if turn[1] == 0}
        for limit in sorted({limit for _, limit in turns} - {0}):
            mine = list(dict.fromkeys(context for context, of in turns if of == limit))
            for group in _equal_lengths(mine, self.budget, limit):
                ids = torch.tensor(group, device=self.device)
                written = self.model.generate(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    max_new_tokens=limit,
                    do_sample=False,
                    num_beams=1,
                    repetition_penalty=1.0,
                    pad_token_id=pad,
                    eos_token_id=sorted(ends) or None,
                    temperature=None,
                    top_p=None,
                    top_k=None,
                )[:, ids.shape[1] :].tolist()
                for context, new in zip(group, written, strict=True):
                    stop = next((k for k, token in enumerate(new) if token in ends), None)
                    out[context, limit] = Reply(tuple(new if stop is None else new[:stop]), stop is not None)
                    self.generated.decoded += len(new)
        return out


def _equal_lengths(sequences: Sequence[tuple[int, ...]], budget: int, more: int = 0) -> Iterator[list[tuple[int, ...]]]:
    """Groups of sequences of one length, of at most `budget` tokens (with `more` new ones each) where no single one is longer."""
    group: list[tuple[int, ...]] = []
    for ids in sorted(sequences, key=lambda ids: (len(ids), ids)):
        if group and (len(ids) != len(group[0]) or (len(ids) + more) * (len(group) + 1) > budget):
            yield group
            group = []
        group.append(ids)
    if group:
        yield group


def _end_ids(model: nn.Module) -> set[int]:
    found = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return set(found) if isinstance(found, (list, tuple)) else {found}
