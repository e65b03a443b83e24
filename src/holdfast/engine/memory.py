"""How much is held at once: bounds from a memory budget, and smaller steps where memory runs short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import nn

from holdfast.engine.packed import causal_lm
from holdfast.errors import ResourceError
from holdfast.models import placement

T = TypeVar("T")
CPU_ROW = 1024  # a row this long fills a processor's kernels; longer ones only leave its caches
HELD = 2**28  # bytes of kept packs where no budget is given
SLOTS = 2**30  # and of the slots' keys and values
LEAST = 64  # tokens: no step is made smaller than this
_LIBRARIES = 600 * 2**20  # what torch, transformers and the rest take before a weight is loaded
CONTEXT = 2**30  # and what a CUDA context and the allocator's gaps take
_MESSAGES = ("can't allocate memory", "not enough memory", "out of memory")


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of what is held in memory at once."""

    row_tokens: int  # tokens of one packed row without autograd
    pass_tokens: int  # tokens of one with autograd
    slot_tokens: int  # tokens of all slots of generation
    kept_bytes: int  # bytes of packs kept for the next model

    def half(self) -> Bounds | None:
        """Bounds for another attempt after memory ran out.

        Returns:
            half of every number of tokens and no kept packs; None if rows are as small as they get.
        """
        if self.row_tokens <= LEAST:
            return None
        half = {name: max(LEAST, getattr(self, name) // 2) for name in ("row_tokens", "pass_tokens", "slot_tokens")}
        return replace(self, **half, kept_bytes=0)


def bounds(
    model: nn.Module,
    tokens_per_batch: int,
    budget: int | None = None,
    copies: int = 1,
    checkpointing: bool = False,
    device: str | None = None,
) -> Bounds:
    """What fits next to the weights.

    Args:
        model: a transformers model or a PeftModel.
        tokens_per_batch: most tokens of a row, a pass or (at least) all slots.
        budget: bytes of this process; None: what a CUDA device has free, elsewhere the defaults.
        copies: of the weights, in memory at once.
        checkpointing: passes with autograd keep only each layer's input.
        device: device type to plan for; None: the model's own.
    Returns:
        The bounds.
    Raises:
        ResourceError: weights and libraries leave no room for a row.
    """
    needs = Needs.of(model, checkpointing)
    kind = device or placement.entry_device(model).type
    row = tokens_per_batch if kind != "cpu" else min(tokens_per_batch, CPU_ROW)
    if budget is None and kind == "cuda" and device is None:
        budget = torch.cuda.mem_get_info()[0] + torch.cuda.memory_allocated()
    if budget is None:
        return Bounds(row, tokens_per_batch, max(tokens_per_batch, SLOTS // needs.keys), HELD)
    fixed = needs.weights * copies + (_LIBRARIES if kind == "cpu" else CONTEXT)
    rest = budget - fixed
    if rest < 4 * LEAST * max(needs.row, needs.keys):
        raise ResourceError(
            f"execution.memory_gb: {budget / 2**30:.2g} GiB per process: weights and libraries take {fixed / 2**30:.2g}, and the rest "
            "does not hold a row of tokens; set a larger value, or use fewer processes"
        )
    return Bounds(
        row_tokens=max(LEAST, min(row, int(0.25 * rest / needs.row))),
        pass_tokens=max(LEAST, min(tokens_per_batch, int(0.5 * rest / needs.a_pass))),
        slot_tokens=max(LEAST, min(max(tokens_per_batch, SLOTS // needs.keys), int(0.4 * rest / needs.keys))),
        kept_bytes=min(HELD, int(0.2 * rest)),
    )


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes that a model needs."""

    weights: int  # all weights, or those on the device where a call begins
    row: int  # per token of a pass without autograd
    a_pass: int  # per token of a pass with autograd
    keys: int  # keys and values of one token in all layers

    @classmethod
    def of(cls, model: nn.Module, checkpointing: bool = False) -> Needs:
        """Estimate them from a model's configuration.

        Args:
            model: a transformers model or PeftModel.
            checkpointing: whether activations are computed again in the backward pass.
        Returns:
            bytes, in all and per token.
        """
        config, item = causal_lm(model).config.get_text_config(), next(model.parameters()).dtype.itemsize
        hidden, layers = config.hidden_size, config.num_hidden_layers
        inner = getattr(config, "intermediate_size", None) or 4 * hidden
        one = 16 * hidden + 5 * inner
        spread, entry = placement.is_spread(model), placement.entry_device(model)
        return cls(
            weights=sum(p.numel() * p.element_size() for p in model.parameters() if not spread or p.device == entry),
            row=item * (10 * hidden + 3 * inner),
            a_pass=item * (layers * hidden + one if checkpointing else layers * one),
            keys=2 * layers * item * _key_width(config),
        )


def _key_width(config: Any) -> int:
    """Numbers in one token's keys of a layer; the hidden size where a family has no such heads."""
    heads = getattr(config, "num_attention_heads", None)
    if not heads:
        return config.hidden_size
    return (getattr(config, "num_key_value_heads", None) or heads) * (getattr(config, "head_dim", None) or config.hidden_size // heads)


def _is_short(error: BaseException) -> bool:
    """Did memory run out? On a CPU torch raises a RuntimeError with a message about it."""
    named = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return named or (isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MESSAGES))


def retry_smaller(first: Bounds, run: Callable[[Bounds], T], setting: str) -> tuple[T, Bounds]:
    """Run something, with half of everything each time that memory runs short.

    Args:
        first: bounds of the first attempt.
        run: what to run within bounds.
        setting: the setting that an error names.
    Returns:
        (result of `run`, the bounds with which it succeeded).
    Raises:
        ResourceError: not even the smallest step fits.
    """
    now = first
    while True:
        try:
            return run(now), now
        except Exception as error:
            if not _is_short(error):
                raise
        if (smaller := now.half()) is None:
            raise ResourceError(f"{setting}: not even {LEAST} tokens at once fit in memory; free some, or use fewer processes")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        now = smaller
