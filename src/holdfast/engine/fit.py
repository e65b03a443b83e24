"""Can a model run on packed rows? Rules first, then a comparison with its ordinary calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from holdfast.engine import _trie
from holdfast.engine._plans import TriePlan
from holdfast.engine.packed import causal_lm, logits, using
from holdfast.engine.paths import Paths, lay_paths
from holdfast.models import placement

_LAYER_TYPES = {"full_attention", "sliding_attention"}


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether a model runs on packed rows."""

    why_not: str | None  # the reason against it, in words; None: it does
    prune: bool = False  # whether its last layer may work on some rows only


def check_fit(model: nn.Module) -> Fit:
    """Check a model: rules first, then log-probabilities by packed rows, pruned and not, against ordinary calls.

    Args:
        model: a transformers model or a PeftModel, in any mode.
    Returns:
        The first form that agrees, or why none does.
    """
    if placement.is_spread(model):
        return Fit(placement.SPREAD_REASON)
    lm = causal_lm(model)
    config = lm.config.get_text_config()
    rope = getattr(config, "rope_parameters", None) or {}
    types = {r.get("rope_type") for r in (rope, *rope.values()) if isinstance(r, dict)}
    if types & {"dynamic", "longrope"}:
        return Fit("its rotary frequencies depend on the longest position in the call")
    layers: Sequence[str] | None = getattr(config, "layer_types", None)
    if unknown := set(layers or ()) - _LAYER_TYPES:
        return Fit(f"packed rows do not support its layers of type {', '.join(sorted(unknown))}")
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
            except Exception as error:  # any error of an unknown architecture means the same: not by packed rows
                why_not = f"{type(error).__name__}: {error}"
        return Fit(why_not)
    finally:
        model.train(was_training)


@torch.inference_mode()
def _check(model: nn.Module, lm: Any, config: Any, layers: Sequence[str] | None, prune: bool) -> float:
    """Largest difference of a log-probability between packed rows of both kinds and ordinary calls.

    Raises NotImplementedError if the model has sliding windows that it does not pass to its attention function.
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
        (row,) = _trie.rows(sequences, [2] * len(sequences), 10_000)
        flat, paths = lay_paths(sequences)
        forest, plan = TriePlan(row, device), Paths(paths, device)
        tokens, once = torch.from_numpy(row.tokens).to(device), torch.from_numpy(flat).to(device)
        at = {int(r): plain[i][k - 2] for i, tail in zip(row.sequences, row.tails, strict=True) for k, r in enumerate(tail)}
        ends = {int(r): logprobs[k] for path, logprobs in zip(paths, plain, strict=True) for k, r in enumerate(path) if k >= len(path) - 2}
        for ids, p, want in ((tokens, forest, at), (once, plan, ends)):
            wanted = torch.tensor(sorted(want), device=device)
            packed = torch.cat([part for _, part in logits(lm, ids, p, wanted, prune=prune)]).log_softmax(-1)
            gap = max(gap, float((torch.stack([want[r] for r in sorted(want)]) - packed).abs().nan_to_num(float("inf")).max()))
    windows = config.num_hidden_layers if getattr(config, "sliding_window", None) is not None else 0
    if layers is not None:
        windows = list(layers).count("sliding_attention")
    elif getattr(config, "use_sliding_window", True) is False:
        windows = 0
    if getattr(plan, "windowed", 0) != windows:
        raise NotImplementedError(f"{windows} layers have a sliding window, {getattr(plan, 'windowed', 0)} pass it on")
    return gap
