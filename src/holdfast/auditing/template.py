"""Format of training rows: the model's template, one BOS, a trained EOS, loss on completions only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from holdfast.auditing.context import AuditContext, AuditEntry, entry
from holdfast.models.chat import ChatFormat
from holdfast.records import Example

NEXT = "Set train.chat_template=true, train.train_eos=true and train.completion_only_loss=true, and train again."


def check(context: AuditContext) -> list[AuditEntry]:
    out = [*_settings(context.settings), *_check_probes(context.tokenizer_probe)]
    if out or not ("chat_template" in context.settings or context.tokenizer_probe):
        return out
    how = "settings and real examples, encoded" if context.tokenizer_probe else "settings"
    claim = f"rows are written in the model's template, EOS is trained, loss is computed on completions only (read from {how})"
    return [entry("template", "ok", claim, {"examples": len(context.tokenizer_probe)})]


def _settings(settings: Mapping[str, object]) -> list[AuditEntry]:
    rules = {
        "chat_template": "turns are trained without the model's chat template and asked with it: a shift may be the format's",
        "train_eos": "no end token is trained: the adapter learns not to stop, and long replies are read as answers",
        "completion_only_loss": "the loss covers the prompt too: the adapter also learns to write questions and options",
    }
    return [entry("template", "warn", claim, {f"train.{name}": False}) for name, claim in rules.items() if settings.get(name) is False]


def probe(
    example: Example, ids: Sequence[int], first_loss: int, tokenizer: Any, *, train_eos: bool, completion_only: bool, cut: bool = False
) -> list[str]:
    """Describe what is wrong with one encoded example; empty if nothing is.

    `ids` are the token ids trained on, `first_loss` the index of the first that carries loss. `cut`: the row was longer than
    max_length and has lost its end.
    """
    wrong, ids = [], list(ids)
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    # Only those in front count: a BOS may also open every turn, or, where it is the EOS, close it.
    if ChatFormat(tokenizer).adds_bos and bos != eos and (count := len([*takewhile(lambda token: token == bos, ids)])) != 1:
        wrong.append(f"{count} BOS tokens instead of one")
    if train_eos and not cut and not example.plain and eos is not None and ids[-1] != eos:
        wrong.append("the last trained token is not EOS")
    if completion_only:
        read = lambda part: "".join(tokenizer.decode(part, skip_special_tokens=True).split())  # noqa: E731
        reply = example.completion if example.plain else example.messages[-1].content
        # Through the tokenizer, as it may not give back every character.
        whole, trained = read(tokenizer(reply, add_special_tokens=False)["input_ids"]), read(ids[first_loss:])
        if not (trained.startswith(whole) or (cut and whole.startswith(trained))):
            wrong.append("the loss does not begin with the reply")
    return wrong


def _check_probes(probes: Mapping[str, Sequence[str]]) -> list[AuditEntry]:
    out = []
    for domain, wrong in sorted(probes.items()):
        if wrong:
            level = "refuse" if any("BOS" in w for w in wrong) else "warn"
            claim = f"a real training row of {domain}, encoded by this tokenizer: {'; '.join(wrong)}"
            out.append(entry("template", level, claim, {"domain": domain, "wrong": list(wrong)}))
    return out
