"""Packed rows through a model's own transformers modules.

Many sequences are one row of N tokens, end to end or as a trie, so every linear layer works without padding; only the
attention gathers rows into tiles and scatters the result back. The model is called with `plan=...`, which transformers passes
down to the attention function registered here; no mask function is registered for it, so that no mask is built and packed
sequences are not guessed at.

Shapes: N tokens of the row, H heads, D head width.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from holdfast.engine._plans import Scores

ATTENTION = "holdfast_packed"
_UNSUPPORTED = ("s_aux", "position_bias", "cache")


class _Captured(Exception):
    """Leaves a layer once its keys and values are known."""


class _LastRows:
    """A plan whose last layer works on some rows only: entered once for the keys and values of all, once with the rows."""

    def __init__(self, plan: Any, narrow: Any):
        self.plan, self.positions_N, self.narrow, self.stage, self.kept = plan, plan.positions_N, narrow, "", ()

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, scores: Scores) -> Tensor:
        if self.stage == "keys":
            if getattr(self.plan, "keep", None) is not None:
                self.plan.keep(layer, key, value)
            self.kept = key, value
            raise _Captured
        if self.stage == "rows":
            return self.narrow.attend(layer, query, *self.kept, scores)
        return self.plan.attend(layer, query, key, value, scores)


def _cut(x: Any, shape: torch.Size, rows: Tensor) -> Any:
    """`x` with every tensor [1, N, ...] in it at some rows only."""
    if isinstance(x, (tuple, list)):
        return type(x)(_cut(part, shape, rows) for part in x)
    if isinstance(x, dict):
        return {name: _cut(part, shape, rows) for name, part in x.items()}
    return x[:, rows] if torch.is_tensor(x) and x.dim() > 1 and x.shape[:2] == shape else x


@contextmanager
def _last_layer_on(lm: Any, plan: Any, rows: Tensor, narrow: Any) -> Iterator[_LastRows]:
    count = lm.config.get_text_config().num_hidden_layers
    layer: Any = next(m for m in lm.modules() if isinstance(m, nn.ModuleList) and len(m) == count)[-1]
    pruned, whole = _LastRows(plan, narrow if narrow is not None else plan.narrow(rows)), layer.forward

    def forward(hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        cut = partial(_cut, shape=hidden.shape[:2], rows=rows)
        pruned.stage = "keys"
        with suppress(_Captured):
            whole(hidden, *args, **kwargs)
        pruned.stage = "rows"
        return whole(cut(hidden), *map(cut, args), **{name: cut(x) for name, x in kwargs.items()})

    layer.forward = forward
    try:
        yield pruned
    finally:
        del layer.forward


def _attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    plan: Any = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **kwargs: Any,
):
    """[1, H, N, D] and two of [1, Hkv, N, D] -> [1, N, H, D]"""
    if plan is None:
        raise ValueError("packed attention was called without plan=...: call the model inside engine.packed.using()")
    if attention_mask is not None or any(kwargs.get(name) is not None for name in _UNSUPPORTED):
        raise NotImplementedError("a mask, sink or bias that packed rows do not carry")
    if sliding_window is not None and getattr(plan, "stage", "") != "keys":
        counted = getattr(plan, "plan", plan)
        counted.windowed = getattr(counted, "windowed", 0) + 1
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    return plan.attend(module.layer_idx, q, k, v, Scores(scaling, sliding_window, softcap, dropout))[None], None


AttentionInterface.register(ATTENTION, _attention)


def causal_lm(model: Any) -> Any:
    """The transformers model inside a PeftModel; its LoRA layers stay in place.

    Args:
        model: a transformers model or a PeftModel.
    Returns:
        The transformers model.
    """
    return model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model


@contextmanager
def using(model: nn.Module) -> Iterator[Any]:
    """Switch to packed attention inside the block, and back: a model left switched would ignore the masks of ordinary calls.

    Args:
        model: a transformers model or a PeftModel.
    Returns:
        Context manager; gives the transformers model.
    Raises:
        NotImplementedError: the model does not use transformers' attention interface.
    """
    lm = causal_lm(model)
    before = lm.config._attn_implementation
    if before == ATTENTION:
        yield lm
        return
    lm.set_attn_implementation(ATTENTION)
    if lm.config._attn_implementation != ATTENTION:
        raise NotImplementedError(f"{type(lm).__name__} does not use transformers' attention interface")
    try:
        yield lm
    finally:
        lm.set_attn_implementation(before)


_MOSTLY = 0.6  # where more of the rows than this are wanted, leaving out the others in the last layer gains nothing


def _run(part: Any, tokens_N: Tensor, plan: Any, rows: Tensor, narrow: Any, prune: bool, capped: bool = False) -> tuple[Any, bool]:
    """(output of the body, or with its head where that caps or scales; whether it holds `rows` only)"""
    pruned = prune and hasattr(plan, "narrow") and len(rows) < _MOSTLY * len(tokens_N)
    call = {"input_ids": tokens_N[None], "position_ids": plan.positions_N[None], "use_cache": False}
    if capped:
        call["logits_to_keep"] = 0 if pruned else rows
    with _last_layer_on(part, plan, rows, narrow) if pruned else nullcontext(plan) as used:
        return part(**call, plan=used), pruned


def hidden(lm: Any, tokens_N: Tensor, plan: Any, rows: Tensor, narrow: Any = None, prune: bool = True) -> Tensor:
    """Last hidden states. Call inside `using`.

    Args:
        lm: the transformers model.
        tokens_N: token ids of the row.
        plan: its attention plan.
        rows: rows to read, ascending.
        narrow: `plan.narrow(rows)`, if it was made before.
        prune: let the last layer work on these rows only.
    Returns:
        [len(rows), hidden].
    """
    out, pruned = _run(lm.base_model, tokens_N, plan, rows, narrow, prune)
    return out.last_hidden_state[0] if pruned else out.last_hidden_state[0].index_select(0, rows)


def logits(
    lm: Any, tokens_N: Tensor, plan: Any, rows: Tensor, block: int | None = None, narrow: Any = None, prune: bool = True
) -> Iterator[tuple[int, Tensor]]:
    """Logits, the model's capping and scale included. Call inside `using`.

    Args:
        lm: the transformers model.
        tokens_N: token ids of the row.
        plan: its attention plan.
        rows: rows to read, ascending.
        block: most rows at once; None: all.
        narrow: `plan.narrow(rows)`, if it was made before.
        prune: let the last layer work on these rows only.
    Returns:
        (index of the first of `rows`, float32 logits [<= block, vocabulary]) of each block.
    """
    if not has_plain_head(lm):
        out, _ = _run(lm, tokens_N, plan, rows, narrow, prune, capped=True)
        yield 0, out.logits[0].float()
        return
    states, head = hidden(lm, tokens_N, plan, rows, narrow, prune), lm.get_output_embeddings()
    for start in range(0, len(rows), block or max(1, len(rows))):
        yield start, head(states[start : start + (block or len(rows))]).float()


def sizes(model: nn.Module) -> tuple[int, int]:
    """Number of weights that a token is multiplied with: 2 operations each.

    Args:
        model: a transformers model or a PeftModel.
    Returns:
        (weights of the body's linear layers, weights of the output embedding).
    """
    lm = causal_lm(model)
    head = lm.get_output_embeddings()
    linear = sum(m.in_features * m.out_features for m in lm.modules() if m is not head and isinstance(m, nn.Linear))
    return linear, head.weight.numel() if head is not None else 0


def has_plain_head(lm: Any) -> bool:
    """Are logits just the output embedding of the last hidden state?

    Args:
        lm: the transformers model.
    Returns:
        False with soft-capping, a scale, or no output embedding.
    """
    names = ("final_logit_softcapping", "logit_scale", "logits_scaling")
    return lm.get_output_embeddings() is not None and not any(getattr(lm.config, name, None) for name in names)
