"""Packed rows through a model's own transformers modules.

Many sequences are one row of N tokens, end to end or as a trie, so every linear layer works without padding; only the
attention gathers rows into padded tiles [n, H, q, D] and scatters the result back. The model is called with `plan=...`, which
transformers hands down to the attention function registered here; no mask function is registered for it, so that no
mask is built and no guess at packed sequences is made.

Shapes: N tokens of the row, n tiles of q queries and k keys, H heads, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AttentionInterface

from holdfast.engine import trie

ATTENTION = "holdfast_packed"
_UNSUPPORTED = ("s_aux", "position_bias", "cache")
_LAYER_TYPES = {"full_attention", "sliding_attention"}


def attend_dense(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float | None, softcap: float | None, dropout: float
) -> Tensor:
    """[n, H, q, D] against two of [n, Hkv, k, D] under an additive mask (None: causal) -> [n, H, q, D]"""
    if softcap is None:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=mask, is_causal=mask is None, scale=scaling, dropout_p=dropout,
            enable_gqa=query.shape[1] != key.shape[1],
        )  # fmt: skip
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    scores = torch.tanh(query @ key.transpose(2, 3) * (scale / softcap)) * softcap
    if mask is None:
        mask = additive(torch.ones(query.shape[2], key.shape[2], dtype=torch.bool, device=query.device).tril_(), query.dtype)
    return F.dropout((scores + mask).float().softmax(-1).to(query.dtype), dropout) @ value


def additive(keep: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where a key is seen, -inf where not."""
    return torch.zeros(keep.shape, dtype=dtype, device=keep.device).masked_fill_(~keep, float("-inf"))


class Plan:
    """Sequences laid end to end, each causal in itself (training): where each token of the row sits in the attention tile.

    `lengths` [n]: tokens of each sequence; padding comes last, where no earlier query can see it.
    """

    def __init__(self, lengths: Sequence[int]):
        count, longest, total = len(lengths), max(lengths), sum(lengths)
        lengths_n = torch.tensor(lengths)
        inside = torch.arange(longest)[None] < lengths_n[:, None]
        self.tile_of_row = torch.nonzero(inside.view(-1)).view(-1)
        rows = torch.zeros(count * longest, dtype=torch.long)
        rows[self.tile_of_row] = torch.arange(total)
        self.row_of_tile, self.shape = rows, (count, longest)
        self.positions_N = torch.cat([torch.arange(k) for k in lengths])
        self._masks: dict[Any, Tensor] = {}

    def to(self, device: torch.device) -> Plan:
        for name in ("tile_of_row", "row_of_tile", "positions_N"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def _mask(self, window: int | None, query: Tensor) -> Tensor | None:
        if window is None or window >= self.shape[1]:
            return None
        if (window, query.dtype) not in self._masks:
            places = torch.arange(self.shape[1], device=query.device)
            gap = places[:, None] - places
            self._masks[window, query.dtype] = additive((gap >= 0) & (gap < window), query.dtype)[None, None]
        return self._masks[window, query.dtype]

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None,
        softcap: float | None, dropout: float,
    ) -> Tensor:  # fmt: skip
        """[N, H, D] and two of [N, Hkv, D] -> [N, H, D]"""

        def tile(x: Tensor) -> Tensor:
            return x[self.row_of_tile].unflatten(0, self.shape).transpose(1, 2)

        out = attend_dense(tile(query), tile(key), tile(value), self._mask(window, query), scaling, softcap, dropout)
        return out.transpose(1, 2).flatten(0, 1)[self.tile_of_row]


class TriePlan:
    """Attention along every path of a trie row, in tiles of similar size. Without autograd."""

    def __init__(self, row: trie.Row):
        self.positions_N, self.total = torch.from_numpy(row.positions), len(row.tokens)
        self.longest = int(row.positions.max()) + 1
        self._tiles = [_bucket(group, row) for group in trie.buckets(trie.tiles(row.leave))]
        self._masks: dict[Any, list[Tensor]] = {}
        self.keep: Callable[[int, Tensor, Tensor], None] | None = None  # shown every layer's keys and values

    def to(self, device: torch.device) -> TriePlan:
        self.positions_N = self.positions_N.to(device)
        self._tiles = [tuple(x.to(device) for x in bucket) for bucket in self._tiles]
        return self

    @property
    def num_bytes(self) -> int:
        """What it holds, masks of one kind included."""
        return sum(8 * (q.numel() * 2 + k.numel()) + 5 * keep.numel() for q, k, keep, _ in self._tiles)

    def _mask(self, window: int | None, dtype: torch.dtype) -> list[Tensor]:
        window = window if window is not None and window < self.longest else None
        if (window, dtype) not in self._masks:
            made = []
            for queries, keys, keep, _ in self._tiles:
                if window is not None:  # a distance along the path, not in the row
                    near = self.positions_N[queries][:, :, None] - self.positions_N[keys][:, None] < window
                    keep = keep & (near | (keep.sum(-1, keepdim=True) == 1))  # padded queries keep their one key
                made.append(additive(keep, dtype)[:, None])
            self._masks[window, dtype] = made
        return self._masks[window, dtype]

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None,
        softcap: float | None, dropout: float,
    ) -> Tensor:  # fmt: skip
        """[N, H, D] and two of [N, Hkv, D] -> [N, H, D]"""
        if self.keep is not None:
            self.keep(layer, key, value)
        out = query.new_empty(self.total + 1, query.shape[1], value.shape[2])  # the last row takes what padding writes

        def pick(x: Tensor, rows: Tensor) -> Tensor:
            return x.index_select(0, rows.view(-1)).view(*rows.shape, *x.shape[1:]).transpose(1, 2)

        for (queries, keys, _, into), mask in zip(self._tiles, self._mask(window, query.dtype), strict=True):
            found = attend_dense(pick(query, queries), pick(key, keys), pick(value, keys), mask, scaling, softcap, dropout)
            out.index_copy_(0, into, found.transpose(1, 2).reshape(-1, *out.shape[1:]))
        return out[: self.total]


def _bucket(group: Sequence[trie.Tile], row: trie.Row) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(rows of the queries [n, q], rows of the keys [n, k], which keys each sees [n, q, k], where results go [n * q])"""
    count, total = len(group), len(row.tokens)
    q, k = max(len(t.queries) for t in group), max(len(t.keys) for t in group)
    queries, keys = np.full((count, q), -1), np.full((count, k), total)
    for i, tile in enumerate(group):
        queries[i, : len(tile.queries)] = tile.queries
        keys[i, : len(tile.keys)] = tile.keys
    leave = np.append(row.leave, 0)
    at = queries[:, :, None]
    keep = (keys[:, None] <= at) & (at < leave[keys][:, None])
    keep[:, :, 0] |= queries < 0  # a padded query needs one key, or its softmax is nan
    into = np.where(queries < 0, total, queries).reshape(-1)
    return tuple(map(torch.from_numpy, (queries.clip(0), keys.clip(0, total - 1), keep, into)))  # type: ignore[return-value]


def _attention(
    module: nn.Module,
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
    if sliding_window is not None:
        plan.windowed = getattr(plan, "windowed", 0) + 1
    q, k, v = (x[0].transpose(0, 1) for x in (query, key, value))
    return plan.attend(module.layer_idx, q, k, v, scaling, sliding_window, softcap, dropout)[None], None


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


def hidden_rows(lm: nn.Module, tokens_N: Tensor, plan: Any, rows: Tensor) -> Tensor:
    """Last hidden states of `rows`: [len(rows), hidden]. To be called inside `using`."""
    out = lm.base_model(input_ids=tokens_N[None], position_ids=plan.positions_N[None], plan=plan, use_cache=False)
    return out.last_hidden_state[0].index_select(0, rows)


def logits(lm: nn.Module, tokens_N: Tensor, plan: Any, rows: Tensor, block: int | None = None) -> Iterator[tuple[int, Tensor]]:
    """(index of the first row, float32 logits [<= block, vocabulary]) of `rows`, the model's capping and scale included."""
    if has_plain_head(lm):
        hidden, head = hidden_rows(lm, tokens_N, plan, rows), lm.get_output_embeddings()
        for start in range(0, len(rows), block or max(1, len(rows))):
            yield start, head(hidden[start : start + (block or len(rows))]).float()
        return
    positions = plan.positions_N[None]
    yield (
        0,
        lm(input_ids=tokens_N[None], position_ids=positions, plan=plan, use_cache=False, logits_to_keep=rows).logits[0].float(),
    )


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
    layers = getattr(config, "layer_types", None)
    if not set(layers or ()) <= _LAYER_TYPES:
        return f"its layers are of kinds that packed rows do not carry: {', '.join(sorted(set(layers) - _LAYER_TYPES))}"
    was_training = model.training
    model.eval()
    try:
        gap = _check(model, lm, config, layers)
    except Exception as error:  # whatever a foreign architecture raises means the same: not by packed rows
        return f"{type(error).__name__}: {error}"
    finally:
        model.train(was_training)
    tolerance = 1e-4 if next(lm.parameters()).dtype == torch.float32 else 0.25
    return None if gap < tolerance else f"start-up check: a log-probability differs by {gap:.1e}"


@torch.inference_mode()
def _check(model: nn.Module, lm: nn.Module, config: Any, layers: Sequence[str] | None) -> float:
    """Largest difference of a log-probability between packed rows of both kinds and ordinary calls.

    Raises NotImplementedError if the model has sliding windows that its attention function is not told of.
    """
    generator = torch.Generator().manual_seed(0)
    device = next(lm.parameters()).device
    draw = lambda k: torch.randint(3, min(256, config.vocab_size), (k,), generator=generator).tolist()  # noqa: E731
    stem = draw(14)
    sequences = [tuple(s) for s in (stem + draw(9), stem + draw(4), stem[:10] + draw(8), draw(7), draw(21))]
    plain = [lm(input_ids=torch.tensor([s], device=device), use_cache=False).logits[0].float().log_softmax(-1) for s in sequences]
    gap = 0.0
    with using(model):
        (row,) = trie.rows(sequences, [len(s) for s in sequences], 10_000)
        forest, plan = TriePlan(row).to(device), Plan([len(s) for s in sequences]).to(device)
        branches = torch.from_numpy(np.concatenate(row.tails)).to(device)
        tokens, flat = torch.from_numpy(row.tokens).to(device), torch.tensor([t for s in sequences for t in s], device=device)
        for ids, p, rows, want in (
            (tokens, forest, branches, [plain[i] for i in row.sequences]),
            (flat, plan, torch.arange(len(flat), device=device), plain),
        ):
            found = torch.cat([part for _, part in logits(lm, ids, p, rows)]).log_softmax(-1)
            gap = max(gap, float((torch.cat(want) - found).abs().nan_to_num(float("inf")).max()))
    windows = config.num_hidden_layers if getattr(config, "sliding_window", None) is not None else 0
    if layers is not None:
        windows = list(layers).count("sliding_attention")
    elif getattr(config, "use_sliding_window", True) is False:
        windows = 0
    if getattr(plan, "windowed", 0) != windows:
        raise NotImplementedError(f"{windows} layers have a sliding window, {getattr(plan, 'windowed', 0)} say so")
    return gap
