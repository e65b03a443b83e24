"""Conversation -> token ids, tokenized once, with exactly one beginning-of-sequence token."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import dropwhile, takewhile
from typing import Any

from holdfast.errors import ModelError
from holdfast.records import Example, Message, Prompt

_REPLY = "\u241fthe reply\u241f"  # placeholder of a reply, to find what the template puts after it


class ChatFormat:
    """A tokenizer and its chat template. Formatting a conversation without a template raises ModelError."""

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer

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
        _, separator, rest = self._template(messages, True).partition(_REPLY)
        if not separator:
            raise ModelError("model.chat_template: leaves out the assistant's reply; a second turn is not possible")
        return tuple(self.tokenizer(rest, add_special_tokens=False)["input_ids"])

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of finished texts, each with one BOS in front if this tokenizer uses one."""
        if not texts:
            return []
        out = self.tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False)["input_ids"]
        if not self._adds_bos:
            return [list(ids) for ids in out]
        bos = self.tokenizer.bos_token_id
        return [[bos, *dropwhile(lambda token: token == bos, ids)] for ids in out]

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
            prefix, whole = self.encode([context, context + space + completion])
        else:
            prefix, whole = self.encode([self._template(example.messages[:-1], True), self._template(example.messages, False)])
            if eos is not None and eos in whole[len(prefix) :]:
                whole = whole[: len(whole) - whole[::-1].index(eos)]
            if train_eos and eos is not None and whole[-1] != eos:
                whole = [*whole, eos]
            if not train_eos and whole[-1] == eos:
                whole = whole[:-1]
        return whole, max(1, _shared(prefix, whole)) if completion_only else 1

    def _template(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        if not getattr(self.tokenizer, "chat_template", None):
            raise no_template(self.tokenizer.name_or_path)
        turns = [{"role": m.role, "content": m.content} for m in messages]
        try:
            return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=generation_prompt)
        except Exception as error:
            raise ModelError(f"model.chat_template: refused a conversation of roles {[m.role for m in messages]}: {error}") from None

    @cached_property
    def _adds_bos(self) -> bool:
        bos, template = self.tokenizer.bos_token_id, getattr(self.tokenizer, "chat_template", None) or ""
        return bos is not None and (self.tokenizer("a")["input_ids"][:1] == [bos] or "bos_token" in str(template))


def no_template(where: str) -> ModelError:
    """The error of a tokenizer without a chat template."""
    return ModelError(
        f"model.name: the tokenizer of {where!r} has no chat template; name a chat model, or give a Jinja file as model.chat_template"
    )


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
