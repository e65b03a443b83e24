"""Prompts -> responses of one served model, by whatever the server can do. A request that failed is a response that says so."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any

from holdfast.endpoints import protocol
from holdfast.endpoints.asking import Asker, Request, untrue
from holdfast.endpoints.capabilities import Capabilities, said_by, with_bos, without_bos
from holdfast.endpoints.transport import BadReply, Failure, JsonObject
from holdfast.errors import ModelError
from holdfast.instruments.written import read_choice
from holdfast.models.chat import ChatFormat
from holdfast.records import Message, Prompt, Response

_AT_ONCE = 2000  # prompts whose requests are held at once
LONGEST_CHOICE = 32  # new tokens of a reply that is to name a choice, after a prefill
LONGEST_ANSWER = 64  # the same where nothing can be put into the model's mouth
MOST_UNSEEN = 0.01  # share of an answer set's mass that alternatives too improbable to be listed may have


class PromptForm:
    """How prompts are put to a server, and how its answers are read."""

    def __init__(self, can: Capabilities, chat: ChatFormat | None):
        self.can, self.chat = can, chat

    def way(self, prompt: Prompt) -> str:
        """How answers are scored: one of capabilities.SCORINGS."""
        if not prompt.choices:
            return "generated"
        return self.can.scoring if self.by_text(prompt) else self.can.chat_scoring

    def by_text(self, prompt: Prompt) -> bool:
        """Whether it goes out as a text or token ids, and not as messages."""
        return self.can.completions and (self.chat is not None or prompt.plain)

    def num_requests(self, prompt: Prompt) -> int:
        """Requests that a prompt makes, second turns left out."""
        return len(prompt.choices) if self.way(prompt) in ("echo", "prompt_logprobs") else 1


class EndpointEngine(PromptForm):
    """Scores and generates with one served model. `chat`: the format of its own tokenizer, None if there is none: turns are then
    sent as messages, and nothing but plain texts can be scored in whole. `repeat`: asked anew, and kept, under this name.
    """

    watched = None  # no server gives whole distributions

    def __init__(self, asker: Asker, served: str, can: Capabilities, chat: ChatFormat | None, repeat: str = ""):
        super().__init__(can, chat)
        self.asker, self.served, self.repeat = asker, served, repeat

    def answer(
        self, prompts: Sequence[Prompt], key: Any = None, progress: Callable[[int], None] | None = None, watch: Sequence[int] = ()
    ) -> list[Response]:
        """One response per prompt, in order. Raises ResourceError when the server has stopped answering."""
        progress = progress or (lambda _: None)
        found: list[Response] = []
        for start in range(0, len(prompts), _AT_ONCE):
            found += self._some(prompts[start : start + _AT_ONCE], progress)
        return found

    def _some(self, prompts: Sequence[Prompt], progress: Callable[[int], None]) -> list[Response]:
        asked = [self._requests(p) for p in prompts]
        owner = [i for i, requests in enumerate(asked) for _ in requests]
        left = [len(requests) for requests in asked]

        def done(k: int) -> None:
            left[owner[k]] -= 1
            if not left[owner[k]]:
                progress(1)

        replies = iter(self.asker.ask_all([r for requests in asked for r in requests], done, self.repeat))
        found = [self._response(p, [next(replies) for _ in requests]) for p, requests in zip(prompts, asked, strict=True)]
        return self._branches(prompts, found)

    # --- what is sent ---------------------------------------------------------------------------------------------------

    def _requests(self, prompt: Prompt) -> list[Request]:
        way = self.way(prompt)
        if way in ("echo", "prompt_logprobs"):
            return self._scored(prompt, way)
        limit = prompt.max_new_tokens
        if prompt.choices:
            limit = 1 if way == "next_token" else LONGEST_CHOICE if self.by_text(prompt) else LONGEST_ANSWER
        read, what = (protocol.read_next, "next") if way == "next_token" else (protocol.read_written, "written")
        if self.by_text(prompt):
            more = {"logprobs": self.can.top} if way == "next_token" else {}
            context = self._context(prompt)
            body = protocol.completion(self.served, context, limit, **more)
            return [Request(protocol.COMPLETIONS, body, [what], lambda r: counted(read(r), context))]
        more = {"logprobs": True, "top_logprobs": self.can.chat_top} if way == "next_token" else {}
        return [Request(protocol.CHAT, protocol.chat(self.served, prompt.messages, limit, **more), [what], read)]

    def _text(self, prompt: Prompt) -> str:
        if self.chat is None:
            return prompt.messages[0].content + prompt.prefill
        text = self.chat.prompt_text(prompt)
        return with_bos(text, self.chat) if self.can.text_bos else without_bos(text, self.chat)

    def _context(self, prompt: Prompt) -> protocol.TextOrTokens:
        if self.can.token_ids and self.chat is not None:
            return self.chat.encode([self.chat.prompt_text(prompt)])[0]
        return self._text(prompt)

    def _scored(self, prompt: Prompt, way: str) -> list[Request]:
        """Score each choice by one request."""
        if self.can.token_ids and self.chat is not None:
            ((context, tails),) = self.chat.encode_choices([self.chat.prompt_text(prompt)], [prompt.choices])
            return [self._ids(context, tail, way) for tail in tails]
        text = self._text(prompt)
        return [self._choice(text, choice) for choice in prompt.choices]

    def _choice(self, text: str, choice: str) -> Request:
        body, said = protocol.completion(self.served, text + choice, 1, logprobs=1, echo=True), self._known_text(text + choice)
        return Request(protocol.COMPLETIONS, body, ["echo", choice], lambda r: protocol.read_echo_text(r, choice, said))

    def _ids(self, context: list[int], tail: list[int], way: str) -> Request:
        ids, size = [*context, *tail], len(tail)
        if way == "echo":
            body, said = protocol.completion(self.served, ids, 1, logprobs=1, echo=True), self._known_text(ids)
            return Request(protocol.COMPLETIONS, body, ["echo", size], lambda r: counted(protocol.read_echo(r, size, said), ids))
        body = protocol.completion(self.served, ids, 1, prompt_logprobs=0)
        return Request(
            protocol.COMPLETIONS, body, ["prompt_logprobs", size], lambda r: counted(protocol.read_prompt_logprobs(r, ids, size), ids)
        )

    def _known_text(self, prompt: protocol.TextOrTokens) -> frozenset[str] | None:
        return said_by(prompt, self.chat) if self.can.echoes else None

    # --- what came back -------------------------------------------------------------------------------------------------

    def _response(self, prompt: Prompt, replies: Sequence[JsonObject | Failure]) -> Response:
        way = self.way(prompt)
        failed = next((r for r in replies if isinstance(r, Failure)), None)
        if failed is not None:
            return self._count_failure(prompt, way, f"{failed.kind}: {failed.message}")
        kept: list[Any] = list(replies)
        prompt_tokens = kept[0]["num_prompt"] or 0
        if way == "generated":
            text, new = kept[0]["text"], kept[0]["num_new"] or 0
            logliks = one_hot(read_choice(prompt, text), len(prompt.choices)) if prompt.choices else ()
            return Response(text=text, logliks=logliks, num_prompt_tokens=prompt_tokens, num_new_tokens=new, ended=kept[0]["ended"])
        if way == "next_token":
            values = first_tokens(kept[0]["next"], prompt.choices)
            counts = (1,) * len(values) if values is not None else ()
            return Response(logliks=values or (), num_tokens=counts, num_prompt_tokens=prompt_tokens)
        if "tokens" in kept[0]:
            try:
                values = protocol.cut_at_one_place([k["tokens"] for k in kept], prompt.choices)
            except BadReply as error:
                return self._count_failure(prompt, way, f"malformed: {error}")
        else:
            values = [k["logprobs"] for k in kept]
        sums, counts = tuple(math.fsum(v) for v in values), tuple(map(len, values))
        if (total := most_certain(prompt.choices, sums)) > protocol.SURE:
            what = f"{len(sums)} answers to one prompt have probabilities that sum to {total:.3g}, more than 1 (its replies are kept: use another folder)"
            raise ModelError(untrue(self.asker.transport.base_url, what))
        return Response(logliks=sums, num_tokens=counts, num_prompt_tokens=max(0, prompt_tokens - counts[0]))

    def _count_failure(self, prompt: Prompt, way: str, said: str) -> Response:
        self.asker.counts["missing answers"] += 1
        later = tuple(Response(failed="its first turn failed", text="") for _ in prompt.branches)
        return Response(failed=said, text="" if way == "generated" else None, branches=later)

    # --- second turns ---------------------------------------------------------------------------------------------------

    def _branches(self, prompts: Sequence[Prompt], found: list[Response]) -> list[Response]:
        """Each branch is put by itself after the reply that was given."""
        owners, later = [], []
        for i, (p, r) in enumerate(zip(prompts, found, strict=True)):
            for say in p.branches if r.failed is None else ():
                owners.append(i)
                turns = (*p.messages, Message("assistant", p.prefill + (r.text or "")), Message("user", say))
                later.append(dataclasses.replace(p, messages=turns, prefill="", branches=()))
        for i, response in zip(owners, self.answer(later) if later else [], strict=True):
            found[i] = dataclasses.replace(found[i], branches=(*found[i].branches, response))
        return found


def counted(reply: JsonObject, prompt: protocol.TextOrTokens) -> JsonObject:
    """Raises BadReply where the server counts other tokens than were sent: a reply to somebody else's prompt."""
    if isinstance(prompt, list) and reply["num_prompt"] not in (None, len(prompt)):
        raise BadReply("it counts other tokens than were sent")
    return reply


def most_certain(choices: Sequence[str], logliks: Sequence[float]) -> float:
    """What the probabilities of those answers sum to of which no two can both be: none that another one begins."""
    return math.fsum(
        math.exp(value)
        for i, (choice, value) in enumerate(zip(choices, logliks, strict=True))
        if not any(choice.startswith(other) and (choice != other or j < i) for j, other in enumerate(choices) if j != i)
    )


def one_hot(chosen: int | None, count: int) -> tuple[float, ...]:
    """Log-probabilities of an answer that was written: all of it on the choice it names; empty where it names none."""
    return () if chosen is None else tuple(0.0 if j == chosen else -math.inf for j in range(count))


def first_tokens(top: Sequence[Sequence[Any]], choices: Sequence[str]) -> tuple[float, ...] | None:
    """Log-probability of each choice's first token among the listed alternatives; None where they do not tell.

    A token belongs to the one choice that begins with it. A choice that is not listed is given what the least probable alternative has,
    which is the most it can have, if all such choices together stay below MOST_UNSEEN of the answer set.
    """
    bare = [c.strip() for c in choices]
    mass = [0.0] * len(choices)
    for token, value in top:
        said = token.replace("\u2581", " ").strip()
        owners = [j for j, c in enumerate(bare) if said and c.startswith(said)]
        exact = [j for j in owners if bare[j] == said]
        if len(exact or owners) == 1:
            mass[(exact or owners)[0]] += math.exp(value)
    least = math.exp(min(value for _, value in top))
    unseen = sum(m == 0 for m in mass)
    if not sum(mass) or unseen * least > MOST_UNSEEN * sum(mass):
        return None
    return tuple(math.log(m or least) for m in mass)
