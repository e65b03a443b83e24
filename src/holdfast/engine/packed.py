"""Packed rows through a model's own transformers modules.

Many sequences are one row of N tokens, end to end or as a trie, so every linear layer works without padding; only the
attention gathers rows into padded tiles [n, H, q, D] and scatters the result back. The model is called with `plan=...`, which
transformers hands down to the attention function registered here; no mask function is registered for it, so that no
mask is built and no guess at packed sequences is made.

Shapes: N tokens of the row, n tiles of q queries and k keys, H heads, D head width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
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

    def narrow(self, rows: Tensor) -> NarrowPlan:
        return NarrowPlan(self, rows)


class NarrowPlan:
    """As `Plan`, for the queries of some `rows` (ascending) alone."""

    def __init__(self, plan: Plan, rows: Tensor):
        count, longest = plan.shape
        place = plan.tile_of_row[rows]  # sequence * longest + position
        sequence, position = place // longest, place % longest
        each = torch.bincount(sequence, minlength=count)
        wide = int(each.max())
        rank = torch.arange(len(rows), device=rows.device) - (each.cumsum(0) - each)[sequence]
        self.place = sequence * wide + rank  # where in the tile a row's query sits
        self.index = torch.zeros(count * wide, dtype=torch.long, device=rows.device)
        self.index[self.place] = torch.arange(len(rows), device=rows.device)
        at = torch.zeros(count * wide, dtype=torch.long, device=rows.device)
        at[self.place] = position
        self.gap = at.view(count, wide, 1) - torch.arange(longest, device=rows.device)
        self.shape, self.whole = (count, wide), plan

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None,
        softcap: float | None, dropout: float,
    ) -> Tensor:  # fmt: skip
        """[W, H, D] and two of [N, Hkv, D] -> [W, H, D]"""

        def tile(x: Tensor) -> Tensor:
            return x[self.whole.row_of_tile].unflatten(0, self.whole.shape).transpose(1, 2)

        keep = self.gap >= 0 if window is None else (self.gap >= 0) & (self.gap < window)
        queries = query[self.index].unflatten(0, self.shape).transpose(1, 2)
        out = attend_dense(queries, tile(key), tile(value), additive(keep, query.dtype)[:, None], scaling, softcap, dropout)
        return out.transpose(1, 2).flatten(0, 1)[self.place]


class TriePlan:
    """Attention along every path of a trie row, in tiles of similar size. Without autograd.

    `rows`: the queries of these rows (ascending) alone.
    """

    def __init__(self, row: trie.Row, rows: np.ndarray | None = None):
        self.positions_N, self.row = torch.from_numpy(row.positions), row
        self.total = len(row.tokens if rows is None else rows)
        self.longest = int(row.positions.max()) + 1
        found = trie.tiles(row.leave)
        if rows is not None:
            found = trie.narrowed(found, rows)
        self._tiles = [_bucket(group, row, rows) for group in trie.buckets(found)]
        self._masks: dict[Any, list[Tensor]] = {}
        self.keep: Callable[[int, Tensor, Tensor], None] | None = None  # shown every layer's keys and values

    def to(self, device: torch.device) -> TriePlan:
        self.positions_N = self.positions_N.to(device)
        self._tiles = [tuple(x.to(device) for x in bucket) for bucket in self._tiles]
        return self

    def narrow(self, rows: Tensor) -> TriePlan:
        return TriePlan(self.row, rows.cpu().numpy()).to(rows.device)

    @property
    def num_bytes(self) -> int:
        """What it holds, masks of one kind included."""
        return sum(8 * (q.numel() * 3 + k.numel()) + 5 * keep.numel() for q, k, keep, _, _ in self._tiles)

    def _mask(self, window: int | None, dtype: torch.dtype) -> list[Tensor]:
        window = window if window is not None and window < self.longest else None
        if (window, dtype) not in self._masks:
            made = []
            for _, keys, keep, _, at in self._tiles:
                if window is not None:  # a distance along the path, not in the row
                    near = at[:, :, None] - self.positions_N[keys][:, None] < window
                    keep = keep & (near | (keep.sum(-1, keepdim=True) == 1))  # padded queries keep their one key
                made.append(additive(keep, dtype)[:, None])
            self._masks[window, dtype] = made
        return self._masks[window, dtype]

    def attend(
        self, layer: int, query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None,
        softcap: float | None, dropout: float,
    ) -> Tensor:  # fmt: skip
        """[N, H, D] (of the rows asked for) and two of [N, Hkv, D] -> [N, H, D]"""
        if self.keep is not None:
            self.keep(layer, key, value)
        out = query.new_empty(self.total + 1, query.shape[1], value.shape[2])  # the last row takes what padding writes

        def pick(x: Tensor, rows: Tensor) -> Tensor:
            return x.index_select(0, rows.view(-1)).view(*rows.shape, *x.shape[1:]).transpose(1, 2)

        for (queries, keys, _, into, _), mask in zip(self._tiles, self._mask(window, query.dtype), strict=True):
            found = attend_dense(pick(query, queries), pick(key, keys), pick(value, keys), mask, scaling, softcap, dropout)
            out.index_copy_(0, into, found.transpose(1, 2).reshape(-1, *out.shape[1:]))
        return out[: self.total]


def _bucket(group: Sequence[trie.Tile], row: trie.Row, rows: np.ndarray | None) -> tuple[Tensor, ...]:
    """(places of the queries [n, q], rows of the keys [n, k], which keys each sees [n, q, k], where results go [n * q], the
    queries' positions [n, q]); a place is the row itself, or its rank among `rows`.
    """
    count, length = len(group), len(row.tokens)
    q, k = max(len(t.queries) for t in group), max(len(t.keys) for t in group)
    queries, keys = np.full((count, q), -1), np.full((count, k), length)
    for i, tile in enumerate(group):
        queries[i, : len(tile.queries)] = tile.queries
        keys[i, : len(tile.keys)] = tile.keys
    leave = np.append(row.leave, 0)
    at = queries[:, :, None]
    keep = (keys[:, None] <= at) & (at < leave[keys][:, None])
    keep[:, :, 0] |= queries < 0  # a padded query needs one key, or its softmax is nan
    places = queries if rows is None else np.where(queries < 0, -1, np.searchsorted(rows, queries))
    into = np.where(queries < 0, length if rows is None else len(rows), places).reshape(-1)
    positions = row.positions[queries.clip(0)]
    return tuple(map(torch.from_numpy, (places.clip(0), keys.clip(0, length - 1), keep, into, positions)))


class _Captured(Exception):
    """Leaves a layer once its keys and values are known."""


class _LastRows:
    """A plan whose last layer works on `rows` alone: entered once for the keys and values of all, once with the rows."""

    def __init__(self, plan: Any, narrow: Any):
        self.plan, self.positions_N, self.narrow = plan, plan.positions_N, narrow
        self.stage, self.kept = "", None

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor, *rest: Any) -> Tensor:
        if self.stage == "keys":
            if getattr(self.plan, "keep", None) is not None:
                self.plan.keep(layer, key, value)
            self.kept = key, value
            raise _Captured
        if self.stage == "rows":
            return self.narrow.attend(layer, query, *self.kept, *rest)
        return self.plan.attend(layer, query, key, value, *rest)


def _layers(lm: nn.Module) -> nn.ModuleList:
    count = lm.config.get_text_config().num_hidden_layers
    return next(m for m in lm.modules() if isinstance(m, nn.ModuleList) and len(m) == count)


@contextmanager
def _last_layer_on(lm: nn.Module, plan: Any, rows: Tensor, narrow: Any) -> Iterator[_LastRows]:
    layer, pruned = _layers(lm)[-1], _LastRows(plan, narrow if narrow is not None else plan.narrow(rows))
    whole = layer.forward

    def forward(hidden: Tensor, *args: Any, **kwargs: Any) -> Any:
        def cut(x: Any) -> Any:
            if isinstance(x, (tuple, list)):
                return type(x)(map(cut, x))
            if isinstance(x, dict):
                return {name: cut(part) for name, part in x.items()}
            return x[:, rows] if torch.is_tensor(x) and x.dim() > 1 and x.shape[:2] == hidden.shape[:2] else x

        pruned.stage = "keys"
        try:
            whole(hidden, *args, **kwargs)
        except _Captured:
            pass
        pruned.stage = "rows"
        return whole(cut(hidden), *map(cut, args), **{name: cut(x) for name, x in kwargs.items()})

    layer.forward = forward
    try:
        yield pruned
    finally:
        del layer.forward


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
    if sliding_window is not None and getattr(plan, "stage", "") != "keys":
        counted = getattr(plan, "plan", plan)
        counted.windowed = getattr(counted, "windowed", 0) + 1
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


_MOSTLY = 0.6  # where more of the rows than this are wanted, leaving out the others in the last layer gains nothing


def _run(
    part: nn.Module, tokens_N: Tensor, plan: Any, rows: Tensor, narrow: Any, prune: bool, capped: bool = False
) -> tuple[Any, bool]:
    """(output of the body, or with its head where that caps or scales; whether the body's holds `rows` alone)"""
    pruned = prune and hasattr(plan, "narrow") and len(rows) < _MOSTLY * len(tokens_N)
    call = {"input_ids": tokens_N[None], "position_ids": plan.positions_N[None], "use_cache": False}
    if capped:
        call["logits_to_keep"] = 0 if pruned else rows
    with _last_layer_on(part, plan, rows, narrow) if pruned else nullcontext(plan) as used:
        return part(**call, plan=used), pruned


def hidden(lm: nn.Module, tokens_N: Tensor, plan: Any, rows: Tensor, narrow: Any = None, prune: bool = True) -> Tensor:
    """Last hidden states of `rows` (ascending): [len(rows), hidden]. Under `using`; the other arguments as in `logits`."""
    out, pruned = _run(lm.base_model, tokens_N, plan, rows, narrow, prune)
    return out.last_hidden_state[0] if pruned else out.last_hidden_state[0].index_select(0, rows)


def logits(
    lm: nn.Module, tokens_N: Tensor, plan: Any, rows: Tensor, block: int | None = None, narrow: Any = None, prune: bool = True
) -> Iterator[tuple[int, Tensor]]:
    """(index of the first row, float32 logits [<= block, vocabulary]) of `rows` (ascending), the model's capping and scale included.

    Under `using`. `prune`: the last layer works on these rows alone; `narrow`: the plan's own `narrow(rows)`, if it was made before.
    """
    if not has_plain_head(lm):
        out, _ = _run(lm, tokens_N, plan, rows, narrow, prune, capped=True)
        yield 0, out.logits[0].float()
        return
    states, head = hidden(lm, tokens_N, plan, rows, narrow, prune), lm.get_output_embeddings()
    for start in range(0, len(rows), block or max(1, len(rows))):
        yield start, head(states[start : start + (block or len(rows))]).float()


def sizes(model: nn.Module) -> tuple[int, int]:
    """(weights of the body's linear layers, weights of the output embedding): 2 operations each for a token that passes it."""
    lm = causal_lm(model)
    head = lm.get_output_embeddings()
    linear = sum(m.weight.numel() for m in lm.modules() if m is not head and isinstance(m, nn.Linear))
    return linear, head.weight.numel() if head is not None else 0


def has_plain_head(lm: nn.Module) -> bool:
    """Whether logits are just the output embedding of the last hidden state (no soft-capping, no scale)."""
    names = ("final_logit_softcapping", "logit_scale", "logits_scaling")
    return lm.get_output_embeddings() is not None and not any(getattr(lm.config, name, None) for name in names)


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether packed rows may be used with a model: `why_not` in words, or None; `prune`: whether the last layer takes some rows alone."""

    why_not: str | None
    prune: bool = False


def fit(model: nn.Module) -> Fit:
    """Rules first, then a comparison with ordinary calls, with the last layer on some rows and without."""
    lm = causal_lm(model)
    config = lm.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or {}
    kinds = {r.get("rope_type") for r in (rope, *rope.values()) if isinstance(r, dict)}
    if kinds & {"dynamic", "longrope"}:
        return Fit("its rotary frequencies depend on the longest position in the call")
    layers = getattr(config, "layer_types", None)
    if not set(layers or ()) <= _LAYER_TYPES:
        return Fit(f"its layers are of kinds that packed rows do not carry: {', '.join(sorted(set(layers) - _LAYER_TYPES))}")
    was_training = model.training
    model.eval()
    tolerance = 1e-4 if next(lm.parameters()).dtype == torch.float32 else 0.25
    why_not = ""
    try:
        for prune in (True, False):
            try:
                gap = _check(model, lm, config, layers, prune)
                if gap < tolerance:
                    return Fit(None, prune)
                why_not = f"start-up check: a log-probability differs by {gap:.1e}"
            except Exception as error:  # whatever a foreign architecture raises means the same: not by packed rows
                why_not = f"{type(error).__name__}: {error}"
        return Fit(why_not)
    finally:
        model.train(was_training)


@torch.inference_mode()
def _check(model: nn.Module, lm: nn.Module, config: Any, layers: Sequence[str] | None, prune: bool) -> float:
    """Largest difference of a log-probability between packed rows of both kinds and ordinary calls.

    Raises NotImplementedError if the model has sliding windows that its attention function is not told of.
    """
    generator = torch.Generator().manual_seed(0)
    device = next(lm.parameters()).device
    draw = lambda k: torch.randint(3, min(256, config.vocab_size), (k,), generator=generator).tolist()  # noqa: E731
    stem = draw(9)
    sequences = [tuple(s) for s in (stem + draw(3), stem + draw(3), stem[:8] + draw(4), draw(12), draw(5))]
    plain = []
    for part in (sequences[:4], sequences[4:]):  # of one length: nothing is padded
        plain += [*lm(input_ids=torch.tensor(part, device=device), use_cache=False).logits.float().log_softmax(-1)]
    gap = 0.0
    with using(model):
        (row,) = trie.rows(sequences, [2] * len(sequences), 10_000)
        forest, plan = TriePlan(row).to(device), Plan([len(s) for s in sequences]).to(device)
        tokens, flat = torch.from_numpy(row.tokens).to(device), torch.tensor([t for s in sequences for t in s], device=device)
        at = {int(r): plain[i][k - 2] for i, tail in zip(row.sequences, row.tails, strict=True) for k, r in enumerate(tail)}
        branches = np.array(sorted(at))
        ends = np.concatenate([np.arange(b - 2, b) for b in np.cumsum([len(s) for s in sequences])])
        for ids, p, rows, want in (
            (tokens, forest, branches, [at[r] for r in branches.tolist()]),
            (flat, plan, ends, [p[k] for p in plain for k in (-2, -1)]),
        ):
            wanted = torch.from_numpy(rows).to(device)
            found = torch.cat([part for _, part in logits(lm, ids, p, wanted, prune=prune)]).log_softmax(-1)
            gap = max(gap, float((torch.stack(want) - found).abs().nan_to_num(float("inf")).max()))
    windows = config.num_hidden_layers if getattr(config, "sliding_window", None) is not None else 0
    if layers is not None:
        windows = list(layers).count("sliding_attention")
    elif getattr(config, "use_sliding_window", True) is False:
        windows = 0
    if getattr(plan, "windowed", 0) != windows:
        raise NotImplementedError(f"{windows} layers have a sliding window, {getattr(plan, 'windowed', 0)} say so")
    return gap
