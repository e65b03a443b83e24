"""What a tokenizer, its template and its model make of a study's prompts and rows, before anything is asked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from holdfast.errors import ModelError
from holdfast.models.chat import ChatFormat
from holdfast.models.template import DATE
from holdfast.records import Example, Prompt

REFUSED, SAID = 0.5, 0.05  # share of a text that the tokenizer does not know
_SAMPLE = 100


def survey(chat: ChatFormat, prompts: Sequence[Prompt], examples: Sequence[Example] = (), max_length: int | None = None) -> list[str]:
    """Remarks. Every prompt is rendered; those that may be too long are tokenized. `max_length`: where training rows are cut.

    Raises ModelError for a prompt whose text the template leaves out, one beyond the model's positions, and rows that the tokenizer does
    not know.
    """
    remarks = _about(chat)
    longest, limits = 0, chat.limits
    positions = limits.positions if limits and limits.positions else None
    for prompt, text in zip(prompts, map(chat.prompt_text, prompts), strict=True):
        choice = max(prompt.choices, key=len, default="")
        new = 0 if prompt.choices else prompt.max_new_tokens
        if positions and len(text.encode()) + len(choice.encode()) + new * (1 + bool(prompt.branches)) >= positions:
            count = len(chat.encode([text])[0])
            whole = len(chat.encode([text + choice])[0]) + new if choice or new else count
            chat.require_positions(whole, "a prompt with its answer")
            longest = max(longest, whole)
    for prompt in {tuple(m.role for m in p.messages): p for p in prompts if p.branches}.values():
        for say in prompt.branches:
            chat.next_turn(prompt, say)
    for example in {(e.plain, tuple(m.role for m in e.messages)): e for e in examples}.values():
        chat.encode_example(example)
    if limits and positions and limits.table and (max_length or positions) > positions:
        for example in examples:
            if sum(len(m.content.encode()) for m in example.messages) + len(example.completion.encode()) >= positions // 2:
                chat.require_positions(min(len(chat.encode_example(example)[0]), max_length or 2**31), "a training row")
    if positions and longest > positions:
        remarks.append(
            f"a prompt with its answer has up to {longest} tokens; the model was trained on {positions} positions (max_position_embeddings)"
        )
    texts = [m.content for rows in (prompts, examples) for row in rows[:: max(1, len(rows) // _SAMPLE)] for m in row.messages]
    if texts and (share := unread(chat.tokenizer, texts)) > SAID:
        said = f"{share:.0%} of the study's text is unknown to the tokenizer"
        if share > REFUSED:
            raise ModelError(f"model.name: {said}; name the tokenizer that the model was trained with, or rows in its language")
        remarks.append(said)
    return remarks


def unread(tokenizer: Any, texts: Sequence[str]) -> float:
    """Share of letters that become the unknown token, a special one, or none at all; of tokens, where a tokenizer does not say which letters a token covers."""
    fast = bool(getattr(tokenizer, "is_fast", False))
    unknown = {tokenizer.unk_token_id, *tokenizer.all_special_ids}
    if fast:  # what tokenizer.json says, which the configuration beside it may not repeat
        model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
        unknown |= {model.get("unk_id"), tokenizer.backend_tokenizer.token_to_id(model.get("unk_token") or "")}
    made = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=fast)
    lost = total = 0
    for k, (text, ids) in enumerate(zip(texts, made["input_ids"], strict=True)):
        if not fast:
            lost, total = lost + sum(token in unknown for token in ids), total + len(ids)
            continue
        known = {
            at
            for (first, last), token in zip(made["offset_mapping"][k], ids, strict=True)
            if token not in unknown
            for at in range(first, last)
        }
        letters = {at for at, letter in enumerate(text) if not letter.isspace()}
        lost, total = lost + len(letters - known), total + len(letters)
    return lost / total if total else 0.0


def _about(chat: ChatFormat) -> list[str]:
    remarks, tokenizer, limits = [], chat.tokenizer, chat.limits
    if "strftime_now" in chat.source:
        remarks.append(f"the chat template prints the date; it always gets {DATE}")
    if tokenizer.eos_token_id is None:
        remarks.append(
            "the tokenizer has no end token: replies end where the model's configuration says or at their limit, and none is trained"
        )
    beyond = sorted(t for t, at in tokenizer.get_vocab().items() if at >= limits.rows) if limits else []
    if beyond:
        remarks.append(
            f"{len(beyond)} of the tokenizer's tokens are beyond the model's {limits.rows if limits else 0} rows ({', '.join(beyond[:3])}); "
            "a text with one of them is refused"
        )
    return remarks
