"""Requests -> log-likelihoods and texts, on a model in this process.

A prompt and all its choices are one small trie: the context is computed once, every continuation sees the context and
itself. Only positions somebody reads go through the LM head; log-softmax is in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from holdfast.engine import packed
from holdfast.errors import ResourceError
from holdfast.models.chat import ChatFormat
from holdfast.records import Prompt, Response

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """Token ids of a context and of the continuations to score after it."""

    context: tuple[int, ...]
    continuations: tuple[tuple[int, ...], ...]

    @property
    def size(self) -> int:
        return len(self.context) + sum(len(c) - 1 for c in self.continuations)


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
            pairs = self.chat.encode_choices(
                [self.chat.prompt_text(prompts[i]) for i in scored], [prompts[i].choices for i in scored]
            )
            requests = [ScoreRequest(tuple(c), tuple(map(tuple, ks))) for c, ks in pairs]
            contexts = self.chat.encode([self.chat.prompt_text(prompts[i]) for i in open_])
            if key is not None:
                self.cache[key] = scored, requests, open_, contexts
        out: list[Response | None] = [None] * len(prompts)
        for i, request, logliks in zip(scored, requests, self.score(requests, progress), strict=True):
            out[i] = Response(
                logliks=logliks, num_tokens=tuple(map(len, request.continuations)), num_prompt_tokens=len(request.context)
            )
        limits = [prompts[i].max_new_tokens for i in open_]
        for i, context, (ids, ended) in zip(open_, contexts, self.generate(contexts, limits, progress), strict=True):
            text = self.chat.tokenizer.decode(ids, skip_special_tokens=True)
            out[i] = Response(text=text, num_prompt_tokens=len(context), num_new_tokens=len(ids), ended=ended)
        return out  # type: ignore[return-value]

    @torch.inference_mode()
    def score(self, requests: Sequence[ScoreRequest], progress: Progress | None = None) -> list[tuple[float, ...]]:
        """Summed log-probability (nats) of every continuation of every request."""
        distinct: dict[ScoreRequest, int] = {}
        for request in requests:
            distinct.setdefault(request, len(distinct))
        unique, values = list(distinct), [()] * len(distinct)
        self.tokens_asked += sum((len(r.context) + len(c)) for r in requests for c in r.continuations)
        order = sorted(range(len(unique)), key=lambda i: (unique[i].size, unique[i].context))
        if self.unfit is None:
            with packed.using(self.model) as lm:
                for group in _groups(order, [r.size for r in unique], self.budget):
                    for i, value in zip(group, self._packed(lm, [unique[i] for i in group]), strict=True):
                        values[i] = value
                    if progress:
                        progress(len(group))
        else:
            for i in order:
                values[i] = self._plain(unique[i])
                if progress:
                    progress(1)
        if progress:
            progress(len(requests) - len(unique))
        return [values[distinct[r]] for r in requests]

    def _packed(self, lm: nn.Module, requests: Sequence[ScoreRequest]) -> list[tuple[float, ...]]:
        sizes = [r.size for r in requests]
        longest, start = max(sizes), 0
        tokens: list[int] = []
        positions: list[int] = []
        rows: list[int] = []
        targets: list[int] = []
        owner: list[int] = []
        mask = torch.zeros(len(requests), longest, longest, dtype=torch.bool)
        mask[:, :, 0] = True
        count = 0
        for n, request in enumerate(requests):
            depth = len(request.context)
            tokens += request.context
            positions += range(depth)
            mask[n, :depth, :depth] = _causal(depth)
            at = depth
            for continuation in request.continuations:
                body = len(continuation) - 1
                rows += [start + depth - 1, *range(start + at, start + at + body)]
                targets += continuation
                owner += [count] * len(continuation)
                count += 1
                tokens += continuation[:-1]
                positions += range(depth, depth + body)
                mask[n, at : at + body, :depth] = True
                mask[n, at : at + body, at : at + body] = _causal(body)
                mask[n, at : at + body, 0] = True
                at += body
            start += request.size
        self.tokens_computed += len(tokens)
        plan = packed.Plan(sizes, torch.tensor(positions), mask).to(self.device)
        wanted, back = torch.unique(torch.tensor(rows), return_inverse=True)
        hidden = packed.hidden_rows(lm, torch.tensor(tokens, device=self.device), plan, wanted.to(self.device))
        head = lm.get_output_embeddings()
        logprobs = _picked(head, hidden, back, torch.tensor(targets))
        sums = torch.zeros(count, dtype=torch.float64).index_add_(0, torch.tensor(owner), logprobs.double()).tolist()
        out, at = [], 0
        for request in requests:
            out.append(tuple(sums[at : at + len(request.continuations)]))
            at += len(request.continuations)
        return out

    def _plain(self, request: ScoreRequest) -> tuple[float, ...]:
        """One ordinary call per continuation: for models whose attention packed rows do not carry."""
        out, depth = [], len(request.context)
        for continuation in request.continuations:
            ids = torch.tensor([[*request.context, *continuation[:-1]]], device=self.device)
            logits = self.model(input_ids=ids, use_cache=False).logits[0, depth - 1 :].float()
            picked = logits.log_softmax(-1)[torch.arange(len(continuation)), torch.tensor(continuation)]
            out.append(float(picked.double().sum()))
            self.tokens_computed += ids.shape[1]
        return tuple(out)

    @torch.inference_mode()
    def next_logprobs(self, prompts: Sequence[Prompt]) -> Tensor:
        """Log-probabilities of the token after each prompt and its prefill: [len(prompts), vocabulary], float32, on the CPU."""
        contexts = self.chat.encode([self.chat.prompt_text(p) for p in prompts])
        out: list[Tensor] = [torch.empty(0)] * len(contexts)
        order = sorted(range(len(contexts)), key=lambda i: (len(contexts[i]), i))
        if self.unfit is None:
            with packed.using(self.model) as lm:
                for group in _groups(order, [len(c) for c in contexts], self.budget):
                    sizes = [len(contexts[i]) for i in group]
                    tokens = torch.tensor([t for i in group for t in contexts[i]], device=self.device)
                    last = torch.tensor(sizes, device=self.device).cumsum(0) - 1
                    hidden = packed.hidden_rows(lm, tokens, packed.Plan(sizes).to(self.device), last)
                    for i, row in zip(group, lm.get_output_embeddings()(hidden).float().log_softmax(-1).cpu(), strict=True):
                        out[i] = row
        else:
            for i in order:
                ids = torch.tensor([contexts[i]], device=self.device)
                out[i] = self.model(input_ids=ids, use_cache=False).logits[0, -1].float().log_softmax(-1).cpu()
        return torch.stack(out)

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


def _causal(size: int) -> Tensor:
    return torch.ones(size, size, dtype=torch.bool).tril_()


def _picked(head: nn.Module, hidden: Tensor, back: Tensor, targets: Tensor, block: int = 1024) -> Tensor:
    """Log-probability of targets[k] at hidden[back[k]], float32, the vocabulary never held for more than `block` rows."""
    out = torch.empty(len(targets), dtype=torch.float32)
    order = torch.argsort(back)
    ranked = back[order].contiguous()
    for start in range(0, len(hidden), block):
        logits = head(hidden[start : start + block]).float()
        lo, hi = torch.searchsorted(ranked, torch.tensor([start, start + len(logits)])).tolist()
        mine = order[lo:hi]
        local = (back[mine] - start).to(logits.device)
        found = logits[local, targets[mine].to(logits.device)] - logits.logsumexp(-1)[local]
        out[mine] = found.cpu()
    return out


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
