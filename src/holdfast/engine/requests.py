"""Prompts -> requests on token ids, and the packs they are scored in: made once a process, kept for the next model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from holdfast.engine import scoring
from holdfast.engine.generation import GenerateRequest
from holdfast.engine.memory import Bounds
from holdfast.engine.scoring import ScoreRequest
from holdfast.models.chat import ChatFormat
from holdfast.records import Prompt

_KEPT_REQUESTS = 200_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """`scored`: indices of the prompts with choices, `requests` theirs; `open`: indices of the others, `written` theirs."""

    scored: list[int]
    requests: list[ScoreRequest]
    open: list[int]
    written: list[GenerateRequest]


class Encoder:
    """`cache` outlives a model: lists and packs under their names, single requests under what they ask."""

    def __init__(self, chat: ChatFormat, cache: dict[Any, Any], device: torch.device):
        self.chat, self.cache, self.device = chat, cache, device

    def encode(self, prompts: Sequence[Prompt], key: Any = None) -> Encoded:
        """`key` names the list, so that its token ids are made once."""
        if key is not None and key in self.cache:
            return self.cache[key]
        scored = [i for i, p in enumerate(prompts) if p.choices]
        open_ = [i for i, p in enumerate(prompts) if not p.choices]
        out = Encoded(scored, self.to_score([prompts[i] for i in scored]), open_, self._to_write([prompts[i] for i in open_]))
        if key is not None:
            self.cache[key] = out
        return out

    def to_score(self, prompts: Sequence[Prompt]) -> list[ScoreRequest]:
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

    def contexts(self, prompts: Sequence[Prompt]) -> list[tuple[int, ...]]:
        """Token ids up to where an answer begins."""
        if all(p.choices for p in prompts):
            return [request.context for request in self.to_score(prompts)]
        return [tuple(ids) for ids in self.chat.encode([self.chat.prompt_text(p) for p in prompts])]

    def _to_write(self, prompts: Sequence[Prompt]) -> list[GenerateRequest]:
        contexts = self.chat.encode([self.chat.prompt_text(p) for p in prompts])
        return [
            GenerateRequest(tuple(ids), p.max_new_tokens, tuple(self.chat.next_turn(p, say) for say in p.branches), p.max_new_tokens)
            for p, ids in zip(prompts, contexts, strict=True)
        ]

    def packs(self, requests: Sequence[ScoreRequest], key: Any, within: Bounds) -> Iterable[scoring.Pack]:
        """The packs of a named list are kept while they take little memory."""
        name = ("packs", key, within.row_tokens, str(self.device))
        if key is not None and name in self.cache:
            return self.cache[name]
        made = scoring.packs(requests, within.row_tokens, self.device)
        if key is None or self.cache.get("kept", 0) >= within.kept_bytes:
            return made
        return self._keeping(name, made, within.kept_bytes)

    def _keeping(self, name: Any, made: Iterable[scoring.Pack], most: int) -> Iterable[scoring.Pack]:
        """As they are used, so that a list too long to be kept is never held whole."""
        held: list[scoring.Pack] = []
        size = 0
        for pack in made:
            yield pack
            size += pack.num_bytes
            if self.cache.get("kept", 0) + size > most:
                held.clear()
            else:
                held.append(pack)
        if self.cache.get("kept", 0) + size <= most:
            self.cache[name], self.cache["kept"] = held, self.cache.get("kept", 0) + size
