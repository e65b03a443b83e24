"""What a server can do, found by trying: an ability is believed only if its numbers agree with each other."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.config import ModelConfig
from holdfast.endpoints import protocol
from holdfast.endpoints.asking import untrue
from holdfast.endpoints.transport import Failure, JsonObject, Transport, Untrue
from holdfast.errors import ConfigError, ModelError
from holdfast.models.chat import ChatFormat
from holdfast.records import Message

AGREE = 0.05  # nats: prompt log-probabilities of a token against the same token's when it was generated; wider than bfloat16's noise
TOP = 20  # alternatives of the next token asked for: the most that vLLM and OpenAI give
FEWER = 5  # OpenAI's older completions
SCORINGS = ("echo", "prompt_logprobs", "next_token", "generated")
_BUSY = {408, 425, 429, 502, 503, 504}
_WORDS = "the answer is one of these and it will be shown".split()
_PLAIN = "The capital of France is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """`models`: names served, None if it does not say. `echo`, `prompt_logprobs`: log-probabilities of a prompt's tokens, and by which
    parameter. `top`, `chat_top`: alternatives of the next token in completions and in chat; 0: none. `text_bos`: whether texts are sent
    with the BOS that our template writes. `echoes`: an echoed prompt's text is the one that was sent. `scoring`: how choices after a
    templated or plain text are read; `chat_scoring`: after messages.
    """

    base: str
    models: tuple[str, ...] | None
    completions: bool = False
    chat: bool = False
    token_ids: bool = False
    echo: bool = False
    prompt_logprobs: bool = False
    top: int = 0
    chat_top: int = 0
    text_bos: bool = True
    echoes: bool = False
    scoring: str = "generated"
    chat_scoring: str = "generated"
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, fields: JsonObject) -> Capabilities:
        """From JSON. Raises TypeError or KeyError for anything else."""
        models = fields["models"]
        return cls(**{**fields, "models": tuple(models) if models is not None else None, "notes": tuple(fields["notes"])})

    @property
    def mass(self) -> bool:
        """Whether the server gives the probabilities of whole answer sets."""
        return self.scoring in ("echo", "prompt_logprobs")


def examine(transport: Transport, model: ModelConfig, chat: ChatFormat | None, named: Sequence[str] = ()) -> Capabilities:
    """`named`: adapters it must serve. Raises ModelError if it does not answer or serve them, or gives log-probabilities that cannot be;
    ConfigError for a setting it cannot meet.
    """
    return _Examination(transport, model, chat).run(named)


class _Examination:
    def __init__(self, transport: Transport, model: ModelConfig, chat: ChatFormat | None):
        self.transport, self.model, self.format = transport, model, chat
        self.notes: list[str] = []
        self.echoes, self.words = False, _WORDS

    def run(self, named: Sequence[str]) -> Capabilities:
        models = self._models()
        self.base = self._base(models)
        for name in (self.base, *named):
            check_served(name, models)
        self.transport.models = frozenset((self.base, *named))
        text, ids = self._context()
        completions, token_ids, text_bos = self._completions(text, ids)
        self.send_ids, self.completions = token_ids, completions
        self.text = text if text_bos or self.format is None else without_bos(text, self.format)
        hello = self._post(protocol.CHAT, protocol.chat(self.base, [Message("user", "Hello")], 1), protocol.read_written)
        chat = not isinstance(hello, Failure)
        if not completions and not chat:
            assert isinstance(hello, Failure)
            said = f"answers neither completions nor chat: {self.notes.pop()}; no chat: {hello.message}"
            raise ModelError(f"model.name: the server at {self.transport.base_url} {said}")
        for name in dict.fromkeys(named):
            self._answers(name, completions)
        echo = completions and self._agrees("echo")
        prompt_logprobs = completions and token_ids and not echo and self._agrees("prompt_logprobs")
        top = self._top(False) if completions else 0
        chat_top = self._top(True) if chat else 0
        for asked, said in self.transport.other_names.items():
            self.notes.append(f"replies of {asked!r} report the model {said!r}")
        can = {"echo": echo, "prompt_logprobs": prompt_logprobs, "next_token": top > 0, "generated": True}
        return Capabilities(
            base=self.base, models=tuple(models) if models is not None else None, completions=completions, chat=chat, token_ids=token_ids,
            echo=echo, prompt_logprobs=prompt_logprobs, top=top, chat_top=chat_top, text_bos=text_bos, echoes=self.echoes,
            scoring=self._pick(can, "completions"), chat_scoring=self._pick({"next_token": chat_top > 0, "generated": True}, "chat"),
            notes=tuple(self.notes),
        )  # fmt: skip

    def _post(self, route: str, body: JsonObject, read: Any) -> Any:
        """A refusal tells what a server cannot do; a server that is busy or gone tells nothing, and ends the examination."""
        found = self.transport.post(route, body, read)
        if isinstance(found, Failure) and (found.kind in ("timeout", "connection", "not_asked") or found.status in _BUSY):
            raise ModelError(
                f"model.name: the server at {self.transport.base_url} failed while its capabilities were tested: {found.message}; run again"
            )
        if isinstance(found, Failure) and found.kind == "untrue" and self.model.scoring != "generated":
            raise ModelError(untrue(self.transport.base_url, found.message))
        return found

    def _answers(self, name: str, completions: bool) -> None:
        """Raises ModelError for an adapter that does not answer, or that another model answers for."""
        text = protocol.completion(name, self._prompt(self.text), 1)
        chat = protocol.chat(name, [Message("user", "Hello")], 1)
        found = self._post(*((protocol.COMPLETIONS, text) if completions else (protocol.CHAT, chat)), protocol.read_written)
        if isinstance(found, Failure):
            raise ModelError(f"model.name: {name!r} at {self.transport.base_url} does not answer: {found.message}")

    def _pick(self, can: dict[str, bool], route: str) -> str:
        wanted = self.model.scoring
        if wanted == "auto" or (route == "chat" and self.format is not None and self.completions):
            return next(name for name in SCORINGS if can.get(name))
        if not can.get(wanted):
            if (
                (route == "chat") == self.completions
            ):  # nothing is asked by this route, or the setting is about plain texts; whether any are asked is checked later
                return "generated"
            ok = ", ".join(name for name in SCORINGS if can.get(name))
            raise ConfigError(f"model.scoring: {wanted!r}: the server at {self.transport.base_url} does not support it; supported: {ok}")
        return wanted

    def _models(self) -> list[str] | None:
        found = self.transport.get(protocol.MODELS, protocol.read_models)
        if not isinstance(found, Failure):
            return found
        if found.kind in ("timeout", "connection"):
            raise ModelError(
                f"model.name: the server at {self.transport.base_url} does not answer ({found.message}); start it, or correct the address"
            )
        self.notes.append(f"does not list its models: {found.message}")
        return None

    def _base(self, models: list[str] | None) -> str:
        if self.model.served_model is not None:
            return self.model.served_model
        if models is not None and len(models) == 1:
            return models[0]
        which = "does not say what it serves" if not models else f"serves {shown(models)}"
        raise ConfigError(f"model.served_model: not named, and the server {which}; name the base with model.served_model=NAME")

    def _context(self) -> tuple[str, list[int] | None]:
        """A text of the model's own words, and its token ids if a tokenizer is available."""
        if self.format is None:
            return _PLAIN, None
        own = sorted(w for w in self.format.tokenizer.get_vocab() if w.isascii() and w.isalpha() and len(w) > 2)
        self.words = own[3 : 3 + len(_WORDS)] or _WORDS
        text = self.format.text([Message("user", " ".join(own[:3] or _WORDS))])
        return text, self.format.encode([text])[0]

    def _one(self, prompt: protocol.TextOrTokens) -> JsonObject | Failure:
        return self._post(protocol.COMPLETIONS, protocol.completion(self.base, prompt, 1), protocol.read_written)

    def _completions(self, text: str, ids: list[int] | None) -> tuple[bool, bool, bool]:
        """(completions at all, token ids as a prompt, texts with our own BOS)"""
        if ids is not None:
            found = self._one(ids)
            if not isinstance(found, Failure):
                if found["num_prompt"] in (None, len(ids)):
                    return True, True, True
                self.notes.append(f"reads {found['num_prompt']} tokens where {len(ids)} token ids were sent: texts are sent instead")
        without = without_bos(text, self.format)
        plain = self._one(without)
        if isinstance(plain, Failure):
            self.notes.append(f"no completions: {plain.message}")
            return False, False, True
        if ids is None or plain["num_prompt"] in (None, len(ids)):
            return True, False, False
        whole = self._one(text)
        if not isinstance(whole, Failure) and whole["num_prompt"] == len(ids):
            return True, False, True
        raise ConfigError(
            f"model.tokenizer: {self.model.tokenizer!r} makes {len(ids)} tokens of a text of which the server makes {plain['num_prompt']}; "
            "name the served model's own tokenizer"
        )

    def _agrees(self, way: str) -> bool:
        """Whether a generated token has the same log-probability when it is sent as the end of a prompt."""
        for start in (self.text, *(f"{self.text} {word}" for word in self.words)):
            body = protocol.completion(self.base, self._prompt(start), 1, logprobs=1)
            made = self._post(protocol.COMPLETIONS, body, _first_token)
            if isinstance(made, Failure):
                self.notes.append(f"no log-probabilities: {made.message}")
                return False
            if protocol.bare(made["text"]):
                return self._same(way, start, made)
        self.notes.append(f"{way}: not tried, the server gave no reply to check it with")
        return False

    def _same(self, way: str, start: str, made: JsonObject) -> bool:
        text, whole = made["text"], start + made["text"]
        if self.send_ids:
            assert self.format is not None
            context, after = self.format.encode([start, whole])
            if after[: len(context)] != context or len(after) != len(context) + 1:
                spaced = self.format.encode([start + " " + text.strip()])[0]  # word tokenizers: the space is not the token's own
                if spaced[: len(context)] != context or len(spaced) != len(context) + 1:
                    self.notes.append(f"{way}: not believed, the generated token could not be sent back for a check")
                    return False
                after = spaced
            if way == "echo":
                found = self._echo(after, lambda r: protocol.read_echo(r, 1))
            else:
                body = protocol.completion(self.base, after, 1, prompt_logprobs=0)
                found = self._post(protocol.COMPLETIONS, body, lambda r: protocol.read_prompt_logprobs(r, after, 1))
        else:
            found = self._echo(whole, lambda r: protocol.read_echo_text(r, text))
        if isinstance(found, Failure):
            self.notes.append(f"no prompt log-probabilities by {way}: {found.message}")
            return False
        value = math.fsum(found["logprobs"] if self.send_ids else protocol.cut_at_one_place([found["tokens"]], [text])[0])
        if way == "echo" and not self.echoes:
            self.notes.append("echo: not believed, the tokens that are echoed do not spell the prompt")
            return False
        if abs(value - made["logprob"]) > AGREE:
            self.notes.append(
                f"{way}: not believed, a token's log-probability is {value:.3f} in a prompt and {made['logprob']:.3f} when generated"
            )
            return False
        return True

    def _echo(self, prompt: protocol.TextOrTokens, read: Callable[[Any], JsonObject]) -> Any:
        """What `read` makes of an echoed prompt; notes whether it is the one that was sent."""

        def reading(found: Any) -> JsonObject:
            self.echoes = protocol.spells(protocol.prompt_part(found)[0], said_by(prompt, self.format))
            return read(found)

        return self._post(protocol.COMPLETIONS, protocol.completion(self.base, prompt, 1, logprobs=1, echo=True), reading)

    def _prompt(self, text: str) -> protocol.TextOrTokens:
        return self.format.encode([text])[0] if self.send_ids and self.format is not None else text

    def _top(self, chat: bool) -> int:
        """How many alternatives of the next token it gives of those asked for."""
        for count in (TOP, FEWER):
            seen: list[list[Any]] = []

            def reading(found: Any, seen: list[list[Any]] = seen) -> JsonObject:
                read = protocol.read_next(found)
                if read["next"] in seen:
                    raise Untrue("top_logprobs: the same for two prompts")
                values = [v for _, v in (*read["next"], *(seen[0] if seen else ()))]
                if seen and len(values) > 3 and len({*values}) == 1:
                    raise Untrue(f"top_logprobs: {values[0]:g} for every alternative after two prompts, which no model gives")
                protocol.require_greedy(found, read["next"])
                return read

            for say in ("Hello", "What is the capital of France?"):
                if chat:
                    body = protocol.chat(self.base, [Message("user", say)], 1, logprobs=True, top_logprobs=count)
                else:
                    text = self.text if not seen else f"{self.text} {self.words[0]}"
                    body = protocol.completion(self.base, self._prompt(text), 1, logprobs=count)
                found = self._post(protocol.CHAT if chat else protocol.COMPLETIONS, body, reading)
                if isinstance(found, Failure) or len(found["next"]) < 2:
                    break
                seen.append(found["next"])
            else:
                return count
        return 0


def _first_token(found: Any) -> JsonObject:
    """Text of the one generated token and its log-probability."""
    written = protocol.read_written(found)
    given = found["choices"][0]["logprobs"]
    if len(given["token_logprobs"]) != 1:
        return {"text": "", "logprob": 0.0}
    return {"text": written["text"], "logprob": protocol.logprob(given["token_logprobs"][0], "logprobs.token_logprobs[0]")}


def without_bos(text: str, chat: ChatFormat | None) -> str:
    """The template's text for a server that adds a BOS itself."""
    bos = getattr(chat.tokenizer, "bos_token", None) if chat is not None else None
    return text.removeprefix(bos) if bos else text


def with_bos(text: str, chat: ChatFormat) -> str:
    """The text for a server that adds no BOS: with one BOS if the tokenizer uses one."""
    bos = chat.tokenizer.bos_token_id
    uses = bos is not None and chat.encode(["a"])[0][:1] == [bos]
    return chat.tokenizer.bos_token + without_bos(text, chat) if uses else text


def said_by(prompt: protocol.TextOrTokens, chat: ChatFormat | None) -> frozenset[str]:
    """What may be left of a prompt that is echoed, with and without its special tokens (see `protocol.bare`)."""
    if chat is None:
        assert isinstance(prompt, str)
        return frozenset({protocol.bare(prompt)})
    ids = chat.tokenizer(prompt, add_special_tokens=False)["input_ids"] if isinstance(prompt, str) else prompt
    bos = [chat.tokenizer.bos_token_id] if chat.tokenizer.bos_token_id is not None else []
    forms = [(ids, False), (ids, True), ([*bos, *ids], False), (ids[1:], False)]
    return frozenset(protocol.bare(chat.tokenizer.decode(list(i), skip_special_tokens=skip)) for i, skip in forms)


def check_served(name: str, models: Sequence[str] | None) -> None:
    """Raises ModelError, naming the nearest that is served."""
    if models is None or name in models:
        return
    near = difflib.get_close_matches(name, models, 1)
    raise ModelError(
        f"model.served_model: {name!r} is not served" + (f"; did you mean {near[0]!r}?" if near else "") + f" served: {shown(models)}"
    )


def shown(models: Sequence[str]) -> str:
    return ", ".join(models[:8]) + (f" and {len(models) - 8} more" if len(models) > 8 else "") if models else "nothing"
