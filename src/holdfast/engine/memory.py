"""How much is held at once: bounds from a stated budget, and smaller steps where memory turns out to be short."""

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
HELD = 2**28  # bytes of kept packs where no budget is stated
SLOTS = 2**30  # and of the slots' keys and values
LEAST = 64  # tokens: no step is made smaller than this
_LIBRARIES = 600 * 2**20  # what torch, transformers and the rest take before a weight is loaded
CONTEXT = 2**30  # and what a CUDA context and the allocator's gaps take
_SAID = ("can't allocate memory", "not enough memory", "out of memory")


@dataclass(frozen=True, slots=True)
class Bounds:
    """`row_tokens`: of one packed row without autograd; `pass_tokens`: of one with; `slot_tokens`: of all slots of generation;
    `kept_bytes`: of packs kept for the next model.
    """

    row_tokens: int
    pass_tokens: int
    slot_tokens: int
    kept_bytes: int

    def halved(self) -> Bounds | None:
        """Half of everything; None if rows are as small as they get."""
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
    """What fits in `budget` bytes of this process beside `copies` of the weights; without a budget, what a CUDA device has free, or the defaults.

    `checkpointing`: passes with autograd keep each layer's input alone. `device`: its type, where that is not where the model is.
    Raises ResourceError if the weights and libraries leave nothing of the budget.
    """
    needs = Needs.of(model, checkpointing)
    kind = device or placement.entry(model).type
    row = tokens_per_batch if kind != "cpu" else min(tokens_per_batch, CPU_ROW)
    if budget is None and kind == "cuda" and device is None:
        budget = torch.cuda.mem_get_info()[0] + torch.cuda.memory_allocated()
    if budget is None:
        return Bounds(row, tokens_per_batch, max(tokens_per_batch, SLOTS // needs.keys), HELD)
    fixed = needs.weights * copies + (_LIBRARIES if kind == "cpu" else CONTEXT)
    rest = budget - fixed
    if rest < 4 * LEAST * max(needs.row, needs.keys):
        raise ResourceError(
            f"execution.memory_gb: {budget / 2**30:.2g} GiB a process: weights and libraries take {fixed / 2**30:.2g}, and what is left "
            "does not hold a row of tokens; state more, or use fewer processes"
        )
    return Bounds(
        row_tokens=max(LEAST, min(row, int(0.25 * rest / needs.row))),
        pass_tokens=max(LEAST, min(tokens_per_batch, int(0.5 * rest / needs.a_pass))),
        slot_tokens=max(LEAST, min(max(tokens_per_batch, SLOTS // needs.keys), int(0.4 * rest / needs.keys))),
        kept_bytes=min(HELD, int(0.2 * rest)),
    )


@dataclass(frozen=True, slots=True)
class Needs:
    """Bytes. `weights`: of the model, or of what of it lies where a call begins.

    Of one token: `row`, in a pass without autograd; `a_pass`, with; `keys`, its keys and values in all layers.
    """

    weights: int
    row: int
    a_pass: int
    keys: int

    @classmethod
    def of(cls, model: nn.Module, checkpointing: bool = False) -> Needs:
        config, item = causal_lm(model).config.get_text_config(), next(model.parameters()).dtype.itemsize
        hidden, layers = config.hidden_size, config.num_hidden_layers
        inner = getattr(config, "intermediate_size", None) or 4 * hidden
        one = 16 * hidden + 5 * inner
        spread, entry = placement.spread(model), placement.entry(model)
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


def is_short(error: BaseException) -> bool:
    """Whether an error says that memory ran out: torch says it of a processor in a RuntimeError's words."""
    named = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return named or (isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _SAID))


def shrinking(first: Bounds, run: Callable[[Bounds], T], setting: str) -> tuple[T, Bounds]:
    """(what `run` gives, the bounds with which it did): it is tried with half of everything as often as memory is short.

    Raises ResourceError, naming the `setting` to change, if the smallest step does not fit either.
    """
    now = first
    while True:
        try:
            return run(now), now
        except Exception as error:
            smaller = now.halved() if is_short(error) else None
            if smaller is None and not is_short(error):
                raise
        if smaller is None:
            raise ResourceError(f"{setting}: not even {LEAST} tokens at once fit in memory; free some, or use fewer processes")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        now = smaller
