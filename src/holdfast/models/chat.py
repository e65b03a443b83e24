"""Conversation -> token ids, tokenized once, with exactly one beginning-of-sequence token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, dropwhile, takewhile
from typing import Any

from holdfast.errors import ModelError
from holdfast.escape import reason
from holdfast.models import template
from holdfast.records import Example, Message, Prompt

_REPLY = "\u241fthe reply\u241f"  # placeholder of a reply, to find what the template puts after it
_PROBE = (
    "What's \"5 < 7\" & 'Größe' in {{ x }}?\n" + "a" * 64 + " " + "1" * 64 + " " * 16 + "one more line of words. " * 40 + "Is it Yes or no?"
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a model: rows of its embedding; positions it was trained on (None: not said), and whether a table of them ends there."""

    rows: int
    positions: int | None = None
    table: bool = False


class ChatFormat:
    """A tokenizer and its chat template. `limits`: of the model whose ids these are; None: not checked.

    Raises ModelError for a conversation without a template, for one whose text the template leaves out, and for ids beyond the limits.
    """

    def __init__(self, tokenizer: Any, limits: Limits | None = None):
        self.tokenizer, self.limits = tokenizer, limits

    def check(self) -> None:
        """Raises ModelError for a template that cannot ask anything, or a tokenizer that fails."""
        user, reply = Message("user", _PROBE), Message("assistant", _REPLY)
        asked = self._template([user], True)
        if asked != self._template([user], True):
            raise ModelError("model.chat_template: is not deterministic: one conversation gave two texts; remove what varies")
        closed = self._template([user], False)
        if asked == closed:  # then nothing may stand before a reply
            try:
                whole = self._template([user, reply], False)
            except ModelError:
                whole = ""
            header = whole.removeprefix(asked).partition(_REPLY)[0].strip() if whole.startswith(asked) else ""
            if header:
                raise ModelError(
                    f"model.chat_template: does not open the reply: a prompt lacks {header[:60]!r}, which precedes an answer; "
                    "add it where add_generation_prompt is true"
                )
        with template.quiet():
            self._encode([asked, _PROBE])
        used = {self.tokenizer.eos_token_id, self.tokenizer.bos_token_id if self.adds_bos else None} - {None}
        if self.limits and (high := max(used, default=0)) >= self.limits.rows:
            raise self._beyond(high, self.limits.rows)

    def require_positions(self, count: int, what: str = "a prompt") -> None:
        """Raises ModelError for more tokens than the model has positions."""
        if self.limits and self.limits.table and count > (self.limits.positions or count):
            raise ModelError(
                f"model.name: {what} of {count} tokens is longer than the model's {self.limits.positions} positions; "
                "name a model with more, or ask for less (shorter rows, fewer shots or new tokens)"
            )

    def text(self, messages: Sequence[Message], prefill: str = "") -> str:
        """The conversation up to where the assistant speaks, then `prefill`."""
        return self._template(messages, True) + prefill

    def prompt_text(self, prompt: Prompt) -> str:
        """The text up to where an answer begins."""
        return prompt.messages[0].content + prompt.prefill if prompt.plain else self.text(prompt.messages, prompt.prefill)

    def next_turn(self, prompt: Prompt, say: str) -> tuple[int, ...]:
        """Token ids that close a generated reply to `prompt`, hold the user's `say`, and open the next reply.

        They follow the ids that the model generated: nothing already in the conversation is tokenized again.
        """
        messages = (*prompt.messages, Message("assistant", prompt.prefill + _REPLY), Message("user", say))
        return tuple(self._tokenize([self._template(messages, True).partition(_REPLY)[2]])[0])

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of finished texts, each with one BOS in front if this tokenizer uses one."""
        out = self._encode(texts)
        self.require_positions(max(map(len, out), default=0))
        return out

    def _encode(self, texts: Sequence[str]) -> list[list[int]]:
        out, bos = self._tokenize(texts), self.tokenizer.bos_token_id
        return [[bos, *dropwhile(lambda token: token == bos, ids)] for ids in out] if self.adds_bos else out

    def _tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Raises ModelError for a tokenizer that fails or does not end, and for an id that the model has no row for."""
        if not texts:
            return []
        given, size = list(texts), sum(map(len, texts))
        call = lambda: self.tokenizer(given, add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False)  # noqa: E731
        try:
            out = [list(ids) for ids in template.within(5 + size / 5_000, call)["input_ids"]]
        except (KeyboardInterrupt, SystemExit, MemoryError):
            raise
        except BaseException as error:
            if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
                raise
            raise ModelError(f"model.name: its tokenizer fails on a text: {reason(error)}; name another") from None
        rows = self.limits.rows if self.limits else None
        if rows is not None and (high := max(chain.from_iterable(out), default=-1)) >= rows:
            raise self._beyond(high, rows)
        return out

    def _beyond(self, token: int, rows: int) -> ModelError:
        return ModelError(
            f"model.name: its tokenizer has {self.tokenizer.convert_ids_to_tokens(token)!r} as id {token}, beyond the {rows} rows of the model's "
            "embedding; name the tokenizer that the model was trained with"
        )

    def encode_choices(self, prompt_texts: Sequence[str], choices: Sequence[Sequence[str]]) -> list[tuple[list[int], list[list[int]]]]:
        """(context ids, ids of each continuation) per prompt.

        Prompt and continuation are tokenized together, as the model would have met them; where that changes the
        prompt's last token, the context is cut before it and the token is scored as part of the continuation.
        """
        contexts = self.encode(prompt_texts)
        flat = [text + choice for text, options in zip(prompt_texts, choices, strict=True) for choice in options]
        wholes, out, at = self.encode(flat), [], 0
        for context, options in zip(contexts, choices, strict=True):
            mine = wholes[at : at + len(options)]
            at += len(options)
            cut = min((_shared(context, whole) for whole in mine), default=len(context))
            cut = max(1, min(cut, *(len(whole) - 1 for whole in mine))) if mine else cut
            out.append((context[:cut], [whole[cut:] for whole in mine]))
        return out

    def encode_example(self, example: Example, train_eos: bool = True, completion_only: bool = True) -> tuple[list[int], int]:
        """(token ids, index of the first token that carries loss)."""
        eos = self.tokenizer.eos_token_id
        if example.plain:
            context, completion = example.messages[0].content, example.completion
            space = "" if not context or context[-1].isspace() or completion[:1].isspace() else " "
            prefix, whole = self._encode([context, context + space + completion])
        else:
            prefix, whole = self._encode([self._template(example.messages[:-1], True), self._template(example.messages, False)])
            if eos is not None and eos in whole[len(prefix) :]:
                whole = whole[: len(whole) - whole[::-1].index(eos)]
            if train_eos and eos is not None and whole[-1] != eos:
                whole = [*whole, eos]
            if not train_eos and whole[-1] == eos:
                whole = whole[:-1]
        return whole, max(1, _shared(prefix, whole)) if completion_only else 1

    def _template(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        text = self._render(messages, generation_prompt, self._in_parts)
        if lost := _lost(messages, text):
            raise _leaves_out(lost)
        return text

    def _render(self, messages: Sequence[Message], generation_prompt: bool, in_parts: bool) -> str:
        turns = [{"role": m.role, "content": [{"type": "text", "text": m.content}] if in_parts else m.content} for m in messages]
        return template.render(self.source, turns, generation_prompt, self.tokenizer.special_tokens_map)

    @property
    def source(self) -> str:
        """The chat template; of several, the one called default."""
        source = getattr(self.tokenizer, "chat_template", None)
        if isinstance(source, dict) and source and "default" not in source:
            raise ModelError(f"model.chat_template: {sorted(source)}: none of them is called default; give one as a file")
        source = source.get("default") if isinstance(source, dict) else source
        if source is not None and not isinstance(source, str):
            raise ModelError(f"model.chat_template: is a {type(source).__name__}; it must be a text")
        if not source or not source.strip():
            raise no_template(self.tokenizer.name_or_path)
        return source

    @cached_property
    def _in_parts(self) -> bool:
        """Whether the template takes content as a list of parts only. Raises ModelError if it takes it in neither form."""
        user, error = [Message("user", _PROBE)], None
        for in_parts in (False, True):
            try:
                if not (lost := _lost(user, self._render(user, True, in_parts))):
                    return in_parts
                error = error or _leaves_out(lost)
            except template.Endless:
                raise
            except ModelError as refused:
                error = error or refused
        assert error is not None
        raise error

    @cached_property
    def adds_bos(self) -> bool:
        """Whether texts begin with a BOS: this tokenizer puts one there, or the template names it and begins with it."""
        bos = self.tokenizer.bos_token_id
        if bos is None or self.tokenizer("a")["input_ids"][:1] == [bos]:
            return bos is not None
        named = isinstance(getattr(self.tokenizer, "chat_template", None), (str, dict)) and "bos_token" in self.source
        return named and self._template([Message("user", _PROBE)], True).lstrip().startswith(self.tokenizer.bos_token)


def _lost(messages: Sequence[Message], text: str) -> Message | None:
    """The first message that is not in `text` letter by letter, except for space around it; turns have to stand there in order."""
    at = 0
    for message in messages:
        wanted = message.content.strip()
        if message.role == "assistant":
            wanted = wanted.rpartition("</think>")[2].strip()  # reasoning of an earlier turn is dropped by design
        found = text.find(wanted, 0 if message.role == "system" else at)
        if found < 0:
            return message
        at = at if message.role == "system" else found + len(wanted)
    return None


def _leaves_out(message: Message) -> ModelError:
    return ModelError(
        f"model.chat_template: leaves out or changes what the {message.role} says ({message.content[:40]!r}); give a template that keeps it, as a file"
    )


def no_template(where: str) -> ModelError:
    """The error of a tokenizer without a chat template."""
    return ModelError(
        f"model.name: the tokenizer of {where!r} has no chat template; name a chat model, or give a Jinja file as model.chat_template"
    )


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
