"""Requests -> log-likelihoods and texts, on a model in this process.

All prompts of a list and their choices are one trie: what two of them share at the start is computed once. Only positions
somebody reads go through the LM head; log-softmax is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.engine import packed, scoring, trie
from holdfast.engine.scoring import ScoreRequest
from holdfast.errors import ResourceError
from holdfast.models.chat import ChatFormat
from holdfast.records import Prompt, Response

Progress = Callable[[int], None]


# A row this long fills the kernels; longer ones only leave the processor's caches.
_CPU_ROW = 1024
_KEPT_BYTES = 2**28
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
    ):
        self.model, self.chat, self.budget = model.eval(), chat, tokens_per_batch
        self.device = next(model.parameters()).device
        self.unfit = packed.unfit(model) if packing is None else (None if packing else "switched off")
        self.cache = cache if cache is not None else {}
        self.tokens_asked = self.tokens_computed = 0

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
            scored, requests, open_, contexts = self.cache[key]
        else:
            scored = [i for i, p in enumerate(prompts) if p.choices]
            open_ = [i for i, p in enumerate(prompts) if not p.choices]
            requests = self._requests([prompts[i] for i in scored])
            contexts = self.chat.encode([self.chat.prompt_text(prompts[i]) for i in open_])
            if key is not None:
                self.cache[key] = scored, requests, open_, contexts
        out: list[Response | None] = [None] * len(prompts)
        for i, request, logliks in zip(scored, requests, self.score(requests, progress, key), strict=True):
            out[i] = Response(
                logliks=logliks, num_tokens=tuple(map(len, request.continuations)), num_prompt_tokens=len(request.context)
            )
        limits = [prompts[i].max_new_tokens for i in open_]
        for i, context, (ids, ended) in zip(open_, contexts, self.generate(contexts, limits, progress), strict=True):
            text = self.chat.tokenizer.decode(ids, skip_special_tokens=True)
            out[i] = Response(text=text, num_prompt_tokens=len(context), num_new_tokens=len(ids), ended=ended)
        return out  # type: ignore[return-value]

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
        if self.unfit is None:
            with packed.using(self.model) as lm:
                for pack in self._packs(unique, key):
                    scoring.score_pack(lm, pack, sums)
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
        budget = self.budget if self.device.type != "cpu" else min(self.budget, _CPU_ROW)
        name = ("packs", key, budget, str(self.device))
        if key is None or name in self.cache:
            return self.cache[name] if key is not None else scoring.packs(requests, budget, self.device)
        if self.cache.get("kept", 0) > _KEPT_BYTES:
            return scoring.packs(requests, budget, self.device)
        made = list(scoring.packs(requests, budget, self.device))
        self.cache["kept"] = self.cache.get("kept", 0) + sum(p.plan.num_bytes for p in made)
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
        if self.unfit is None:
            budget = self.budget if self.device.type != "cpu" else min(self.budget, _CPU_ROW)
            with packed.using(self.model) as lm:
                for row in trie.rows(distinct, [1] * len(distinct), budget):
                    wanted = torch.from_numpy(np.concatenate(row.tails)).to(self.device)
                    plan = packed.TriePlan(row).to(self.device)
                    tokens = torch.from_numpy(row.tokens).to(self.device)
                    logits = torch.cat([part for _, part in packed.logits(lm, tokens, plan, wanted)])
                    found.update(zip([distinct[i] for i in row.sequences], logits.log_softmax(-1).cpu(), strict=True))
        else:
            for group in _equal_lengths(distinct, self.budget):
                logits = self.model(input_ids=torch.tensor(group, device=self.device), use_cache=False).logits[:, -1].float()
                found.update(zip(group, logits.log_softmax(-1).cpu(), strict=True))
        return torch.stack([found[ids] for ids in contexts])

    @torch.inference_mode()
    def generate(
        self, contexts: Sequence[Sequence[int]], limits: Sequence[int], progress: Progress | None = None
    ) -> list[tuple[list[int], bool]]:
        """Greedy replies: (new token ids without the end token, whether the end token was written)."""
        tokenizer = self.chat.tokenizer
        ends = {tokenizer.eos_token_id, *_end_ids(self.model)} - {None}
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else next(iter(sorted(ends)), 0)
        out: list[tuple[list[int], bool]] = [([], False)] * len(contexts)
        order = sorted(range(len(contexts)), key=lambda i: (limits[i], len(contexts[i]), i))
        sizes = [len(contexts[i]) + limits[i] for i in range(len(contexts))]
        for group in _groups(order, sizes, self.budget):
            wide, limit = max(len(contexts[i]) for i in group), max(limits[i] for i in group)
            ids = torch.full((len(group), wide), pad)
            seen = torch.zeros(len(group), wide, dtype=torch.long)
            for j, i in enumerate(group):
                ids[j, wide - len(contexts[i]) :] = torch.tensor(contexts[i])
                seen[j, wide - len(contexts[i]) :] = 1
            written = self.model.generate(
                input_ids=ids.to(self.device),
                attention_mask=seen.to(self.device),
                max_new_tokens=limit,
                do_sample=False,
                num_beams=1,
                pad_token_id=pad,
                eos_token_id=sorted(ends) or None,
                temperature=None,
                top_p=None,
                top_k=None,
            )[:, wide:].tolist()
            for i, new in zip(group, written, strict=True):
                new = new[: limits[i]]
                stop = next((k for k, token in enumerate(new) if token in ends), None)
                out[i] = (new if stop is None else new[:stop], stop is not None)
            if progress:
                progress(len(group))
        return out


def _equal_lengths(sequences: Sequence[tuple[int, ...]], budget: int) -> Iterator[list[tuple[int, ...]]]:
    """Groups of sequences of one length, of at most `budget` tokens where no single sequence is longer."""
    group: list[tuple[int, ...]] = []
    for ids in sorted(sequences, key=lambda ids: (len(ids), ids)):
        if group and (len(ids) != len(group[0]) or len(ids) * (len(group) + 1) > budget):
            yield group
            group = []
        group.append(ids)
    if group:
        yield group


def _groups(order: Sequence[int], sizes: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Runs of `order` whose padded size stays within `budget` tokens."""
    group: list[int] = []
    widest = 0
    for i in order:
        widest = max(widest, sizes[i])
        if group and widest * (len(group) + 1) > budget:
            yield group
            group, widest = [], sizes[i]
        group.append(i)
    if group:
        yield group


def _end_ids(model: nn.Module) -> set[int]:
    found = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    return set(found) if isinstance(found, (list, tuple)) else {found}
