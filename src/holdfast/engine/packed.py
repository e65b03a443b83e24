"""Packed rows through a model's own transformers modules.

Many sequences are laid end to end as one row of N tokens, so every linear layer works without padding; only the attention
gathers them into a padded tile [n, H, L, D] and scatters the result back. The model is called with `plan=...`, which
transformers hands down to the attention function registered here; no mask function is registered for it, so that no
mask is built and no guess at packed sequences is made.

Shapes: N tokens of the row, n sequences, L the longest of them, H heads, D head width.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface

ATTENTION = "holdfast_packed"
_UNSUPPORTED = ("s_aux", "position_bias", "cache", "softcap")


class Plan:
    """Where each token of the row sits in the attention tile, and which keys it may see.

    `lengths` [n]: tokens of each sequence. `mask_nLL`: boolean, True where a key is seen; None: causal inside each
    sequence (padding comes last, where no earlier query can see it). `positions_N`: rotary positions.
    """

    def __init__(self, lengths: Sequence[int], positions_N: Tensor | None = None, mask_nLL: Tensor | None = None):
        count, longest, total = len(lengths), max(lengths), sum(lengths)
        lengths_n = torch.tensor(lengths)
        inside = torch.arange(longest)[None] < lengths_n[:, None]
        self.tile_of_row = torch.nonzero(inside.view(-1)).view(-1)
        rows = torch.zeros(count * longest, dtype=torch.long)
        rows[self.tile_of_row] = torch.arange(total)
        self.row_of_tile, self.shape = rows, (count, longest)
        self.positions_N = positions_N if positions_N is not None else torch.cat([torch.arange(k) for k in lengths])
        self.mask = mask_nLL[:, None] if mask_nLL is not None else None

    def to(self, device: torch.device) -> Plan:
        for name in ("tile_of_row", "row_of_tile", "positions_N", "mask"):
            value = getattr(self, name)
            setattr(self, name, value.to(device) if value is not None else None)
        return self

    def attend(self, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, dropout: float) -> Tensor:
        """[1, H, N, D] and two of [1, Hkv, N, D] -> [1, N, H, D]"""

        def tile(x: Tensor) -> Tensor:
            return x[0].transpose(0, 1)[self.row_of_tile].unflatten(0, self.shape).transpose(1, 2)

        out = F.scaled_dot_product_attention(
            tile(query),
            tile(key),
            tile(value),
            attn_mask=self.mask,
            is_causal=self.mask is None,
            scale=scaling,
            dropout_p=dropout,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        return out.transpose(1, 2).flatten(0, 1)[self.tile_of_row][None]


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    plan: Plan | None = None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    **kwargs: Any,
):
    if plan is None:
        raise ValueError("packed attention was called without plan=...: call the model inside engine.packed.using()")
    windowed = sliding_window is not None and sliding_window < plan.shape[1]
    if attention_mask is not None or windowed or any(kwargs.get(name) is not None for name in _UNSUPPORTED):
        raise NotImplementedError("a mask, window, sink, bias or soft-cap that packed rows do not carry")
    return plan.attend(query, key, value, scaling, dropout), None


AttentionInterface.register(ATTENTION, _attention)


def causal_lm(model: nn.Module) -> nn.Module:
    """The transformers model inside a PeftModel; its LoRA layers stay in place."""
    return model.get_base_model() if hasattr(model, "peft_config") and hasattr(model, "get_base_model") else model


@contextmanager
def using(model: nn.Module) -> Iterator[nn.Module]:
    """Switch to packed attention and back: a model left switched would ignore the masks of ordinary calls."""
    lm = causal_lm(model)
    before = lm.config._attn_implementation
    lm.set_attn_implementation(ATTENTION)
    if lm.config._attn_implementation != ATTENTION:
        raise NotImplementedError(f"{type(lm).__name__} does not use transformers' attention interface")
    try:
        yield lm
    finally:
        lm.set_attn_implementation(before)


def hidden_rows(lm: nn.Module, tokens_N: Tensor, plan: Plan, rows: Tensor) -> Tensor:
    """Last hidden states of `rows`: [len(rows), hidden]. To be called inside `using`."""
    out = lm.base_model(input_ids=tokens_N[None], position_ids=plan.positions_N[None], plan=plan, use_cache=False)
    return out.last_hidden_state[0].index_select(0, rows)


def has_plain_head(lm: nn.Module) -> bool:
    """Whether logits are just the output embedding of the last hidden state (no soft-capping, no scale)."""
    names = ("final_logit_softcapping", "logit_scale", "logits_scaling")
    return lm.get_output_embeddings() is not None and not any(getattr(lm.config, name, None) for name in names)


def unfit(model: nn.Module) -> str | None:
    """Why packed rows may not be used with this model, or None: rules first, then a comparison with ordinary calls."""
    lm = causal_lm(model)
    config = lm.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = {r.get("rope_type") for r in (rope, *rope.values()) if isinstance(r, dict)}
    if kinds & {"dynamic", "longrope"}:
        return "its rotary frequencies depend on the longest position in the call"
    if not has_plain_head(lm):
        return "its logits are capped or scaled after the output embedding"
    generator = torch.Generator().manual_seed(0)
    device = next(lm.parameters()).device
    sequences = [torch.randint(3, min(256, config.vocab_size), (k,), generator=generator) for k in (11, 7, 16)]
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            plain = [lm(input_ids=s[None].to(device), use_cache=False).logits[0].float() for s in sequences]
            with using(model):
                plan = Plan([len(s) for s in sequences]).to(device)
                tokens = torch.cat(sequences).to(device)
                packed = lm.get_output_embeddings()(
                    hidden_rows(lm, tokens, plan, torch.arange(len(tokens), device=device))
                ).float()
        gap = float((torch.cat(plain).log_softmax(-1) - packed.log_softmax(-1)).abs().max())
    except Exception as error:  # whatever a foreign architecture raises means the same: not by packed rows
        return f"{type(error).__name__}: {error}"
    finally:
        model.train(was_training)
    tolerance = 1e-4 if next(lm.parameters()).dtype == torch.float32 else 0.25
    return None if gap < tolerance else f"start-up check: a log-probability differs by {gap:.1e}"
