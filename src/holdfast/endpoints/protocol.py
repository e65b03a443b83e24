"""What is sent to a server that speaks OpenAI's API, and the strict reading of what it sends back.

Every reader takes parsed JSON and returns plain values; it raises (BadReply, LookupError, TypeError, AttributeError) on anything else.
Log-probabilities are in nats, finite and at most 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from holdfast.endpoints.transport import BadReply, JsonObject, count, sound

MODELS, COMPLETIONS, CHAT = "/models", "/completions", "/chat/completions"
MOST_MODELS, LONGEST_NAME = 10_000, 300
_MOST_NEW = 8  # one is asked for; llama.cpp writes on to the end of a split character
_IMPOSSIBLE = -9000.0  # nats; vLLM and others write -9999 for minus infinity
_MARGIN = 16  # characters before a choice whose tokens are kept, so that choices can be cut at one place
Prompt = str | list[int]


def completion(model: str, prompt: Prompt, max_tokens: int, **more: Any) -> JsonObject:
    return {"model": model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0.0, "stream": False, **more}


def chat(model: str, messages: Sequence[Any], max_tokens: int, **more: Any) -> JsonObject:
    turns = [{"role": m.role, "content": m.content} for m in messages]
    return {"model": model, "messages": turns, "max_tokens": max_tokens, "temperature": 0.0, "stream": False, **more}


def read_models(found: Any) -> list[str]:
    """Names in the server's order."""
    names = [entry["id"] for entry in found["data"]]
    if len(names) > MOST_MODELS or not all(isinstance(n, str) and 0 < len(n) <= LONGEST_NAME for n in names):
        raise BadReply("the list of models holds something that is no name")
    return list(dict.fromkeys(names))


def bare(text: str) -> str:
    """Letters and digits of ASCII alone: what is left of a text whatever a tokenizer does to white space and split characters."""
    return "".join(c for c in text if c.isascii() and c.isalnum())


def read_written(found: Any) -> JsonObject:
    """A generated reply: text, whether it ended by itself, and the server's counts of tokens (None where it gives none)."""
    choice = _only(found)
    message = choice.get("message")
    text = ("" if message["content"] is None else message["content"]) if isinstance(message, dict) else choice["text"]
    if not isinstance(text, str):
        raise BadReply("the reply is not text")
    finish = choice.get("finish_reason")
    ended = {"stop": True, "length": False}.get(finish) if isinstance(finish, str) else None
    return {"text": sound(text), "ended": ended, **_usage(found)}


def read_echo(found: Any, tail: int, said: frozenset[str] | None = None) -> JsonObject:
    """Log-probabilities of a prompt's last `tail` tokens, from a completion with echo. `said`: what `bare` may make of the echoed prompt."""
    _, values = prompt_part(found, said)
    if len(values) < tail:
        raise BadReply("fewer prompt tokens than were sent")
    return {"logprobs": [logprob(v) for v in values[-tail:]], **_usage(found)}


def read_echo_text(found: Any, choice: str, said: frozenset[str] | None = None) -> JsonObject:
    """Of a prompt that ends with `choice`: [text, log-probability] of the tokens that make the choice and a little before it."""
    tokens, values = prompt_part(found, said)
    kept: list[list[Any]] = []
    length = 0
    for token, value in zip(reversed(tokens), reversed(values), strict=True):
        if length >= len(choice) + _MARGIN or value is None:
            break
        text = token.replace("\u2581", " ")
        kept.insert(0, [text, logprob(value)])
        length += len(text)
    if not "".join(t for t, _ in kept).endswith(choice):
        raise BadReply("the echoed prompt does not end with what was sent")
    return {"tokens": kept, **_usage(found)}


def cut_at_one_place(tails: Sequence[Sequence[Sequence[Any]]], choices: Sequence[str]) -> list[list[float]]:
    """Log-probabilities of each choice's tokens, all counted from one place of the text, at or before where the choices begin.

    `tails`: what `read_echo_text` kept of each. A token that holds the prompt's last characters and the choice's first belongs to the
    choice; the others are then counted from that token's start, too. Raises BadReply where no common place is kept.
    """
    places = []
    for tail, choice in zip(tails, choices, strict=True):
        at, ends = len(choice), set()
        for text, _ in reversed(tail):
            at -= len(text)
            ends.add(-at)
        places.append(ends)  # characters before the choice at which a token starts
    common = [p for p in set.intersection(*places) if p >= 0]
    if not common:
        raise BadReply("the choices share no token boundary")
    before, out = min(common), []
    for tail, choice in zip(tails, choices, strict=True):
        wanted, length, values = len(choice) + before, 0, []
        for text, value in reversed(tail):
            if length >= wanted:
                break
            length += len(text)
            values.append(value)
        out.append(values[::-1])
    return out


def read_prompt_logprobs(found: Any, ids: Sequence[int], tail: int) -> JsonObject:
    """The same from vLLM's `prompt_logprobs`: one entry a prompt token, by token id, none for the first."""
    given = _only(found).get("prompt_logprobs", found.get("prompt_logprobs"))
    if not isinstance(given, list) or len(given) != len(ids):
        raise BadReply("no prompt_logprobs of this prompt")
    if not all(str(token) in entry for token, entry in zip(ids[1:], given[1:], strict=True)):
        raise BadReply("another prompt's prompt_logprobs")
    values = [entry[str(token)] for token, entry in zip(ids[-tail:], given[-tail:], strict=True)]
    return {"logprobs": [logprob(v["logprob"] if isinstance(v, dict) else v) for v in values], **_usage(found)}


def read_next(found: Any) -> JsonObject:
    """[text, log-probability] of what the next token may be, most probable first, from a completion or chat with alternatives."""
    given = _only(found)["logprobs"]
    chat = isinstance(given.get("content"), list)
    top = {e["token"]: e["logprob"] for e in given["content"][0]["top_logprobs"]} if chat else given["top_logprobs"][0]
    if not all(isinstance(t, str) for t in top) or len(top) > 1000 or all(v == -9999.0 for v in top.values()):
        raise BadReply("the alternatives are no tokens")
    pairs = sorted(((sound(t), logprob(v)) for t, v in top.items() if v != -9999.0), key=lambda p: (-p[1], p[0]))
    if sum(math.exp(v) for _, v in pairs) > 1.01:
        raise BadReply("the alternatives are more probable than certain")
    return {"next": [list(p) for p in pairs], **_usage(found)}


def _only(found: Any) -> JsonObject:
    choices = found["choices"]
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise BadReply("not one choice")
    return choices[0]


def _usage(found: Any) -> JsonObject:
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return {"num_prompt": count(usage.get("prompt_tokens")), "num_new": count(usage.get("completion_tokens"))}


def prompt_part(found: Any, said: frozenset[str] | None = None) -> tuple[list[str], list[Any]]:
    """Tokens and log-probabilities of an echoed prompt, without what was generated after it."""
    given, new = _only(found)["logprobs"], _usage(found)["num_new"]
    tokens, values = given["tokens"], given["token_logprobs"]
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        raise BadReply("tokens and their log-probabilities do not match")
    if new is None or new > _MOST_NEW or new > len(tokens) or not all(isinstance(t, str) for t in tokens):
        raise BadReply("it does not say where the prompt ends")
    end = len(tokens) - new
    if said is not None and bare("".join(tokens[:end])) not in said:
        raise BadReply("another prompt is echoed")
    return tokens[:end], values[:end]


def logprob(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not _IMPOSSIBLE < value <= 1e-3:
        raise BadReply("a log-probability that is none")
    return min(0.0, float(value))
