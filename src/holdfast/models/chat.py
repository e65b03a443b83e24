"""Conversation -> token ids, tokenised once, with exactly one beginning-of-sequence token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.errors import ModelError
from holdfast.records import Example, Message, Prompt

_REPLY = "\u241fthe reply\u241f"  # stands for a reply where the template is asked what comes after it


class ChatFormat:
    """A tokenizer and its chat template.

    Raises ModelError if a conversation is to be formatted and the tokenizer has no chat template.
    """

    def __init__(self, tokenizer: Any):
        self.tokenizer = tokenizer

    def text(self, messages: Sequence[Message], prefill: str = "") -> str:
        """The conversation up to where the assistant speaks, then `prefill`."""
        return self._template(messages, True) + prefill

    def prompt_text(self, prompt: Prompt) -> str:
        return prompt.messages[0].content + prompt.prefill if prompt.plain else self.text(prompt.messages, prompt.prefill)

    def next_turn(self, prompt: Prompt, say: str) -> tuple[int, ...]:
        """Token ids that close a generated reply to `prompt`, put the user's `say`, and open the next reply.

        They follow the ids that the model wrote, whatever text those make: nothing already said is tokenised again.
        """
        messages = (*prompt.messages, Message("assistant", prompt.prefill + _REPLY), Message("user", say))
        _, found, rest = self._template(messages, True).partition(_REPLY)
        if not found:
            raise ModelError("model.chat_template: leaves out what the assistant said; a second turn cannot be put")
        return tuple(self.tokenizer(rest, add_special_tokens=False)["input_ids"])

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of finished texts, each with one BOS in front if this tokenizer uses one."""
        if not texts:
            return []
        bos = self.tokenizer.bos_token_id if self._adds_bos() else None
        ids_alone = {"return_attention_mask": False, "return_token_type_ids": False}
        out = self.tokenizer(list(texts), add_special_tokens=False, **ids_alone)["input_ids"]
        if bos is None:
            return [list(ids) for ids in out]
        return [[bos, *_without_leading(ids, bos)] for ids in out]

    def encode_choices(self, prompt_texts: Sequence[str], choices: Sequence[Sequence[str]]) -> list[tuple[list[int], list[list[int]]]]:
        """(context ids, ids of each continuation) per prompt.

        Prompt and continuation are tokenised together, as the model would have met them; where that changes the
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
            context = example.messages[0].content
            prefix, whole = self.encode([context, _join(context, example.completion)])
        else:
            prefix, whole = self.encode([self._template(example.messages[:-1], True), self._template(example.messages, False)])
            if eos is not None and eos in whole[len(prefix) :]:
                whole = whole[: len(whole) - whole[::-1].index(eos)]
            if train_eos and eos is not None and whole[-1] != eos:
                whole = [*whole, eos]
            if not train_eos and whole[-1] == eos:
                whole = whole[:-1]
        first = max(1, _shared(prefix, whole)) if completion_only else 1
        return whole, first

    def _template(self, messages: Sequence[Message], generation_prompt: bool) -> str:
        if not getattr(self.tokenizer, "chat_template", None):
            raise ModelError(
                f"model.name: the tokenizer of {self.tokenizer.name_or_path!r} has no chat template; "
                "name a chat model, or give a Jinja file as model.chat_template"
            )
        turns = [{"role": m.role, "content": m.content} for m in messages]
        try:
            return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=generation_prompt)
        except Exception as error:
            raise ModelError(f"model.chat_template: refused a conversation of roles {[m.role for m in messages]}: {error}") from None

    def _adds_bos(self) -> bool:
        if not hasattr(self, "_bos"):
            ids = self.tokenizer("a")["input_ids"]
            template = getattr(self.tokenizer, "chat_template", None) or ""
            self._bos = self.tokenizer.bos_token_id is not None and (
                ids[:1] == [self.tokenizer.bos_token_id] or "bos_token" in str(template)
            )
        return self._bos


def _without_leading(ids: Sequence[int], token: int) -> list[int]:
    start = 0
    while start < len(ids) and ids[start] == token:
        start += 1
    return list(ids[start:])


def _shared(a: Sequence[int], b: Sequence[int]) -> int:
    k = 0
    while k < min(len(a), len(b)) and a[k] == b[k]:
        k += 1
    return k


def _join(context: str, completion: str) -> str:
    return context + ("" if not context or context[-1].isspace() or completion[:1].isspace() else " ") + completion
