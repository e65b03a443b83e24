"""What is sent to a server that speaks OpenAI's API, and the strict reading of what it sends back.

Every reader takes parsed JSON and returns plain values; it raises (BadReply, LookupError, TypeError, AttributeError) on anything else.
Log-probabilities are in nats, finite and at most 0. Numbers that no model gives raise Untrue: a log-probability above 0, the same one at
every token, alternatives that are more probable than certain, a token more probable than the most probable one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from holdfast.endpoints.transport import BadReply, JsonObject, Untrue, count, sound

MODELS, COMPLETIONS, CHAT = "/models", "/completions", "/chat/completions"
MOST_MODELS, LONGEST_NAME = 10_000, 300
_MOST_NEW = 8  # one is asked for; llama.cpp writes on to the end of a split character
_IMPOSSIBLE = -9000.0  # nats; vLLM and others write -9999 for minus infinity
_NOISE = 1e-3  # nats above 0 that rounding may give
SURE = 1.01  # what probabilities may sum to
_APART = 0.05  # nats that a token may have more than the most probable one: bfloat16's noise
_GREEDY = 0.5  # the same of the token that a server writes, which a penalty on repetition may change
_SAME_FROM = 4  # tokens of a prompt that cannot all have one log-probability
_SPECIAL = re.compile(r"\s*(?:<[^<>]{1,30}>|\[[A-Z]{2,10}\])")
_LONGEST_BOS = 20  # letters and digits of a token like <|begin_of_text|>
_MARGIN = 16  # characters before a choice whose tokens are kept, so that choices can be cut at one place
TextOrTokens = str | list[int]


def completion(model: str, prompt: TextOrTokens, max_tokens: int, **more: Any) -> JsonObject:
    return {"model": model, "prompt": prompt, "max_tokens": max_tokens, "temperature": 0.0, "stream": False, **more}


def chat(model: str, messages: Sequence[Any], max_tokens: int, **more: Any) -> JsonObject:
    turns = [{"role": m.role, "content": m.content} for m in messages]
    return {"model": model, "messages": turns, "max_tokens": max_tokens, "temperature": 0.0, "stream": False, **more}


def read_models(found: Any) -> list[str]:
    """Names in the server's order."""
    names = [entry["id"] for entry in found["data"]]
    if len(names) > MOST_MODELS or not all(isinstance(n, str) and 0 < len(n) <= LONGEST_NAME for n in names):
        raise BadReply("the list of models contains something that is not a name")
    return list(dict.fromkeys(names))


def bare(text: str) -> str:
    """Letters and digits of ASCII alone: what is left of a text whatever a tokenizer does to white space and split characters."""
    return "".join(c for c in text if c.isascii() and c.isalnum())


def spells(tokens: Sequence[str], said: frozenset[str]) -> bool:
    """Whether echoed tokens are the prompt that was sent, or that after a token with which every text begins; special ones may be unknown words."""
    whole = bare("".join(tokens))
    if any(whole.endswith(prompt) and len(whole) - len(prompt) <= _LONGEST_BOS for prompt in said):
        return True
    parts = [bare(part) for part in "".join("\0" if _SPECIAL.fullmatch(t) else t for t in tokens).split("\0")]
    return len(parts) > 1 and any(_after(prompt, parts) for prompt in said)


def _after(prompt: str, parts: Sequence[str]) -> bool:
    """Whether a prompt holds these parts one after another, the last at its end."""
    at = 0
    for part in parts:
        if (at := prompt.find(part, at)) < 0:
            return False
        at += len(part)
    return any(parts) and prompt.endswith(parts[-1])


def read_written(found: Any) -> JsonObject:
    """A generated reply: text, whether it ended by itself, and the server's counts of tokens (None where it gives none)."""
    choice = _only(found)
    message = choice.get("message")
    text = ("" if message["content"] is None else message["content"]) if isinstance(message, dict) else choice["text"]
    if not isinstance(text, str):
        raise BadReply(f"choices[0]: a reply is text, not {type(text).__name__}")
    finish = choice.get("finish_reason")
    if finish in ("content_filter", "tool_calls", "function_call", "error"):
        raise BadReply(f"choices[0].finish_reason: {finish!r}: not what the model wrote to the end")
    ended = {"stop": True, "length": False}.get(finish) if isinstance(finish, str) else None
    return {"text": sound(text), "ended": ended, **_usage(found)}


def read_echo(found: Any, tail: int, said: frozenset[str] | None = None) -> JsonObject:
    """Log-probabilities of a prompt's last `tail` tokens, from a completion with echo. `said`: what `bare` may make of the echoed prompt."""
    _, values = prompt_part(found, said)
    return {"logprobs": _last(values, tail, "logprobs.token_logprobs"), **_usage(found)}


def read_echo_text(found: Any, choice: str, said: frozenset[str] | None = None) -> JsonObject:
    """Of a prompt that ends with `choice`: [text, log-probability] of the tokens that make the choice and a little before it."""
    tokens, values = prompt_part(found, said)
    _last(values, 0, "logprobs.token_logprobs")
    kept: list[list[Any]] = []
    length = 0
    for token, value in zip(reversed(tokens), reversed(values), strict=True):
        if length >= len(choice) + _MARGIN or value is None:
            break
        text = token.replace("\u2581", " ")
        kept.insert(0, [text, logprob(value, "logprobs.token_logprobs")])
        length += len(text)
    if not "".join(t for t, _ in kept).endswith(choice):
        raise BadReply("logprobs.tokens: the echoed prompt does not end with what was sent")
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
    """Log-probabilities from vLLM's `prompt_logprobs`: one entry per prompt token, by token id, none for the first."""
    given = _only(found).get("prompt_logprobs", found.get("prompt_logprobs"))
    if not isinstance(given, list) or len(given) != len(ids):
        raise BadReply("prompt_logprobs: not one entry for each token that was sent")
    values: list[float | None] = []
    for token, entry in zip(ids[1:], given[1:], strict=True):
        if str(token) not in entry:
            raise BadReply("prompt_logprobs: of another prompt than was sent")
        alike = {t: v["logprob"] if isinstance(v, dict) else v for t, v in entry.items()}
        values.append(_among(alike[str(token)], alike, "prompt_logprobs"))
    return {"logprobs": _last(values, tail, "prompt_logprobs"), **_usage(found)}


def read_next(found: Any) -> JsonObject:
    """[text, log-probability] of what the next token may be, most probable first, from a completion or chat with alternatives."""
    given = _only(found)["logprobs"]
    if isinstance(given.get("content"), list):
        first = given["content"][0]
        pairs = _distinct(first["top_logprobs"])
        _known(first["logprob"], "logprobs.content[0].logprob")
    else:
        pairs = list(given["top_logprobs"][0].items())
    return {"next": [[sound(t), v] for t, v in _alternatives(pairs, "top_logprobs")], **_usage(found)}


def require_greedy(found: Any, alternatives: Sequence[Sequence[Any]]) -> None:
    """Raises Untrue if the token that was written, at temperature 0, is far from the most probable one of its own list."""
    given = _only(found)["logprobs"]
    written = given["content"][0]["token"] if isinstance(given.get("content"), list) else str((given.get("tokens") or [""])[0])
    own, most = next((v for t, v in alternatives if t == written), None), alternatives[0][1]
    if own is not None and own < most - _GREEDY:
        raise Untrue(
            f"top_logprobs: {written[:40]!r} is written at temperature 0 with {own:.3f}, and {alternatives[0][0][:40]!r} has {most:.3f}"
        )


def _distinct(entries: Sequence[JsonObject]) -> list[tuple[str, Any]]:
    """(token, log-probability) of a chat's list. Two tokens may look alike, halves of characters or a byte and its letter; one stands once."""
    seen: set[tuple[str, Any]] = set()
    for entry in entries:
        same = {(entry["token"], entry["logprob"]), (entry["token"], f"id {entry['id']}" if "id" in entry else entry["logprob"])}
        if seen & same and entry["logprob"] > _IMPOSSIBLE:
            raise Untrue(f"top_logprobs: {entry['token'][:40]!r} is listed twice")
        seen |= same
    return [(entry["token"], entry["logprob"]) for entry in entries]


def _alternatives(pairs: Sequence[tuple[str, Any]], where: str) -> list[tuple[str, float]]:
    """The most probable first, without those that are impossible."""
    if len(pairs) > 1000 or not all(isinstance(t, str) for t, _ in pairs):
        raise BadReply(f"{where}: not the alternatives of one token")
    known = sorted(((t, v) for t, v in ((t, _known(v, where)) for t, v in pairs) if v > _IMPOSSIBLE), key=lambda p: (-p[1], p[0]))
    if not known:
        raise BadReply(f"{where}: no alternative that is possible")
    if (total := math.fsum(math.exp(v) for _, v in known)) > SURE:
        raise Untrue(f"{where}: {len(known)} alternatives of one token have probabilities that sum to {total:.3g}, more than 1")
    return known


def _among(value: Any, alike: JsonObject | None, where: str) -> float:
    """A token's log-probability, which no alternative of the same place contradicts."""
    own = _known(value, where)
    if alike and own > (most := _alternatives(list(alike.items()), where)[0][1]) + _APART:
        raise Untrue(f"{where}: {own:.3f} for a token, and {most:.3f} for the most probable one")
    return own


def _last(values: Sequence[float | None], tail: int, where: str) -> list[float]:
    """Log-probabilities of the last tokens. No model is equally sure of every token; a server without log-probabilities may send zeros."""
    known = [v for v in values if v is not None]
    if len(known) >= _SAME_FROM and len(set(known)) == 1:
        raise Untrue(f"{where}: {known[0]:g} for each of {len(known)} tokens, which no model gives")
    if len(values) < tail:
        raise BadReply(f"{where}: fewer prompt tokens than were sent")
    return [logprob(v, where) for v in values[len(values) - tail :]]


def _only(found: Any) -> JsonObject:
    if found.get("error") and not found.get("choices"):
        error = found["error"]
        raise BadReply(f"error: {str(error.get('message', error) if isinstance(error, dict) else error)[:120]} (with HTTP 200)")
    choices = found["choices"]
    if not isinstance(choices, list) or len(choices) != 1 or not isinstance(choices[0], dict):
        raise BadReply(f"choices: {len(choices) if isinstance(choices, list) else type(choices).__name__}, where one was asked for")
    if choices[0].get("index", 0) not in (0, None):
        raise BadReply(f"choices[0].index: {str(choices[0]['index'])[:20]}, where 0 was asked for")
    return choices[0]


def _usage(found: Any) -> JsonObject:
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return {"num_prompt": count(usage.get("prompt_tokens")), "num_new": count(usage.get("completion_tokens"))}


def prompt_part(found: Any, said: frozenset[str] | None = None) -> tuple[list[str], list[float | None]]:
    """Tokens and log-probabilities of an echoed prompt, None for the first, without what was generated after it."""
    given, new = _only(found)["logprobs"], _usage(found)["num_new"]
    tokens, values, top = given["tokens"], given["token_logprobs"], given.get("top_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        raise BadReply("logprobs: tokens and token_logprobs do not match")
    if new is None or new > _MOST_NEW or new > len(tokens) or not all(isinstance(t, str) for t in tokens):
        raise BadReply("usage.completion_tokens: does not say where the prompt ends")
    end = len(tokens) - new
    if said is not None and not spells(tokens[:end], said):
        raise BadReply("logprobs.tokens: another prompt is echoed than was sent")
    places = zip(values[:end], top if isinstance(top, list) and len(top) == len(tokens) else [None] * end, strict=False)
    return tokens[:end], [
        None if value is None else _among(value, alike if isinstance(alike, dict) else None, f"logprobs.token_logprobs[{i}]")
        for i, (value, alike) in enumerate(places)
    ]


def logprob(value: Any, where: str = "logprob") -> float:
    """Log-probability of a token that was sent or written, which must have some probability."""
    known = _known(value, where)
    if known <= _IMPOSSIBLE:
        raise BadReply(f"{where}: {known:g}: a token that was sent cannot be impossible")
    return known


def _known(value: Any, where: str) -> float:
    """At or below _IMPOSSIBLE: none at all."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not value == value:
        raise BadReply(f"{where}: {str(value)[:40]!r}: not a log-probability")
    if value > _NOISE:
        raise Untrue(f"{where}: {value if value < 1e9 else 'huge'}: a log-probability is at most 0")
    return min(0.0, float(max(value, 2 * _IMPOSSIBLE)))
