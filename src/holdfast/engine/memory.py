"""How much is held at once: bounds from a stated budget, and smaller steps where memory turns out to be short."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import nn

from holdfast.engine.packed import causal_lm
from holdfast.errors import ResourceError

T = TypeVar("T")
CPU_ROW = 1024  # a row this long fills a processor's kernels; longer ones only leave its caches
HELD = 2**28  # bytes of kept packs where no budget is stated
SLOTS = 2**30  # and of the slots' keys and values
LEAST = 64  # tokens: no step is made smaller than this
_LIBRARIES = 600 * 2**20  # what torch, transformers and the rest take before a weight is loaded
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


def bounds(model: nn.Module, tokens_per_batch: int, budget: int | None = None, copies: int = 1) -> Bounds:
    """What fits in `budget` bytes of this process beside `copies` of the weights; without a budget, the defaults.

    Raises ResourceError if the weights and libraries leave nothing of the budget.
    """
    device, item = next(model.parameters()).device, next(model.parameters()).dtype.itemsize
    row = tokens_per_batch if device.type != "cpu" else min(tokens_per_batch, CPU_ROW)
    config = causal_lm(model).config.get_text_config()
    hidden, layers = config.hidden_size, config.num_hidden_layers
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    keys = 2 * layers * item * _key_width(config)
    if budget is None:
        return Bounds(row, tokens_per_batch, max(tokens_per_batch, SLOTS // keys), HELD)
    weights = copies * sum(p.numel() * p.element_size() for p in model.parameters())
    rest = budget - weights - (_LIBRARIES if device.type == "cpu" else 0)
    of_row, of_pass = item * (10 * hidden + 3 * inner), item * layers * (16 * hidden + 5 * inner)
    if rest < 4 * LEAST * max(of_row, keys):
        raise ResourceError(
            f"execution.memory_gb: {budget / 2**30:.2g} GiB a process: weights and libraries take {(budget - rest) / 2**30:.2g}, and what is left "
            "does not hold a row of tokens; state more, or use fewer processes"
        )
    return Bounds(
        row_tokens=max(LEAST, min(row, int(0.25 * rest / of_row))),
        pass_tokens=max(LEAST, min(tokens_per_batch, int(0.5 * rest / of_pass))),
        slot_tokens=max(LEAST, min(max(tokens_per_batch, SLOTS // keys), int(0.4 * rest / keys))),
        kept_bytes=min(HELD, int(0.2 * rest)),
    )


def _key_width(config: Any) -> int:
    """Numbers in one token's keys of a layer; the hidden size where a family has no such heads."""
    heads = getattr(config, "num_attention_heads", None)
    if not heads:
        return config.hidden_size
    return (getattr(config, "num_key_value_heads", None) or heads) * (
        getattr(config, "head_dim", None) or config.hidden_size // heads
    )


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
