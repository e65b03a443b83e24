"""Prompts -> requests on token ids, and the packs they are scored in: made once per process, kept for the next model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from holdfast.engine import _scoring as scoring
from holdfast.engine._scoring import ScoreRequest
from holdfast.engine.generation import GenerateRequest
from holdfast.engine.memory import Bounds
from holdfast.models.chat import ChatFormat
from holdfast.records import Prompt

_KEPT_REQUESTS = 200_000


@dataclass(frozen=True, slots=True)
class TokenizedPrompts:
    """Requests and indices of the prompts with choices (`requests`, `requests_at`) and of the others (`generate`, `generate_at`)."""

    requests_at: list[int]
    requests: list[ScoreRequest]
    generate_at: list[int]
    generate: list[GenerateRequest]


class Encoder:
    """`cache` outlives a model: lists and packs by name, single requests by the prompt's content."""

    def __init__(self, chat: ChatFormat, cache: dict[Any, Any], device: torch.device):
        self.chat, self.cache, self.device = chat, cache, device

    def encode(self, prompts: Sequence[Prompt], key: Any = None) -> TokenizedPrompts:
        """Prompts and their answers as token ids.

        Args: prompts: a list of prompts; key: name of the list, which is then tokenized once; None: nothing is kept.
        Returns: their token ids.
        """
        if key is not None and key in self.cache:
            return self.cache[key]
        choices = [i for i, p in enumerate(prompts) if p.choices]
        others = [i for i, p in enumerate(prompts) if not p.choices]
        scored, generated = self._to_score([prompts[i] for i in choices]), self._to_generate([prompts[i] for i in others])
        out = TokenizedPrompts(choices, scored, others, generated)
        if key is not None:
            self.cache[key] = out
        return out

    def _to_score(self, prompts: Sequence[Prompt]) -> list[ScoreRequest]:
        """Requests of prompts with choices; a prompt met before (with another model, too) is not tokenized again."""
        cached: dict[Any, ScoreRequest] = self.cache.setdefault("requests", {})
        keys = [(p.messages, p.prefill, p.plain, p.choices) for p in prompts]
        new = [(p, key) for p, key in zip(prompts, keys, strict=True) if key not in cached]
        pairs = self.chat.encode_choices([self.chat.prompt_text(p) for p, _ in new], [p.choices for p, _ in new])
        for (_, key), (context, continuations) in zip(new, pairs, strict=True):
            cached[key] = ScoreRequest(tuple(context), tuple(map(tuple, continuations)))
        out = [cached[key] for key in keys]
        if len(cached) > _KEPT_REQUESTS:
            cached.clear()
        return out

    def contexts(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """Token ids up to where an answer begins.

        Args: prompts: a list of prompts.
        Returns: per prompt, its token ids.
        """
        if all(p.choices for p in prompts):
            return [request.context for request in self._to_score(prompts)]
        return [tuple(ids) for ids in self.chat.encode([self.chat.prompt_text(p) for p in prompts])]

    def _to_generate(self, prompts: Sequence[Prompt]) -> list[GenerateRequest]:
        contexts = self.chat.encode([self.chat.prompt_text(p) for p in prompts])
        requests = [
            GenerateRequest(tuple(ids), p.max_new_tokens, tuple(self.chat.next_turn(p, say) for say in p.branches), p.max_new_tokens)
            for p, ids in zip(prompts, contexts, strict=True)
        ]
        self.chat.require_positions(max((r.size for r in requests), default=0), "a prompt with its replies")
        return requests

    def packs(self, requests: Sequence[ScoreRequest], key: Any, within: Bounds) -> Iterable[scoring.Pack]:
        """Packs of requests; those of a named list are kept while they take little memory.

        Args: requests: contexts with their continuations; key: name of the list; None: nothing is kept; within: bounds of one pack.
        Returns: packs that hold every continuation once.
        """
        name = ("packs", key, within.row_tokens, str(self.device))
        if key is not None and name in self.cache:
            return self.cache[name]
        new = scoring.packs(requests, within.row_tokens, self.device)
        return new if key is None or self.cache.get("kept", 0) >= within.kept_bytes else self._keep(name, new, within.kept_bytes)

    def _keep(self, name: Any, packs: Iterable[scoring.Pack], most: int) -> Iterable[scoring.Pack]:
        """Keep packs as they are used, so that a list too long to be kept is never held whole."""
        held: list[scoring.Pack] = []
        size = 0
        for pack in packs:
            yield pack
            size += pack.num_bytes
            if self.cache.get("kept", 0) + size > most:
                held.clear()
            else:
                held.append(pack)
        if self.cache.get("kept", 0) + size <= most:
            self.cache[name], self.cache["kept"] = held, self.cache.get("kept", 0) + size
