"""Batch-size invariance: what changes between prompts scored together and each by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypedDict

import numpy as np

from holdfast.records import Prompt, Response


class Engine(Protocol):
    """What is measured: anything that answers prompts in batches."""

    def answer(self, prompts: Sequence[Prompt]) -> list[Response]:
        """Score prompts in one call.

        Args:
            prompts: prompts with choices.
        Returns:
            One response per prompt, in their order.
        """
        ...


class BatchDifference(TypedDict):
    """Differences between prompts scored together and each by itself; nan (in a file None) is unknown."""

    largest_difference: float | None  # largest change of a log-likelihood, nats per token
    mass_moved: float | None  # mean over the prompts of the total variation (0 to 1) of the probabilities, normalized over the choices
    mass_moved_upper: float | None  # that mean and two standard errors
    num_prompts: int  # prompts scored both ways


def difference(engine: Engine, prompts: Sequence[Prompt]) -> BatchDifference:
    """Score prompts with choices together and each by itself.

    Args:
        engine: answers the prompts.
        prompts: those without choices are left out.
    Returns:
        The differences; nan where there is no prompt, or where a score is nan.
    """
    scored = [p for p in prompts if p.choices]
    together = engine.answer(scored) if scored else []
    gaps, moved = [], []
    for prompt, batched in zip(scored, together, strict=True):
        (single,) = engine.answer([prompt])
        if not (batched.logliks and single.logliks):  # a server that gave none
            continue
        a, b, n = np.array(batched.logliks), np.array(single.logliks), np.maximum(1, np.array(batched.num_tokens))
        gaps.append(float(np.abs((a - b) / n).max()))
        moved.append(0.5 * float(np.abs(_shares(a) - _shares(b)).sum()))
    mean = float(np.mean(moved)) if moved else float("nan")
    error = float(np.std(moved, ddof=1)) / len(moved) ** 0.5 if len(moved) > 1 else float("nan")
    return {
        "largest_difference": float(np.max(gaps)) if gaps else float("nan"),
        "mass_moved": mean,
        "mass_moved_upper": mean + 2 * error,
        "num_prompts": len(moved),
    }


def rounded(measured: BatchDifference) -> BatchDifference:
    """For a file.

    Args:
        measured: as `difference` gives it.
    Returns:
        Numbers rounded to two significant digits, None for nan.
    """
    largest, moved, upper = (
        float(f"{v:.2g}") if v is not None and v == v else None
        for v in (measured["largest_difference"], measured["mass_moved"], measured["mass_moved_upper"])
    )
    return {"largest_difference": largest, "mass_moved": moved, "mass_moved_upper": upper, "num_prompts": measured["num_prompts"]}


def _shares(logliks: np.ndarray) -> np.ndarray:
    raised = np.exp(logliks - logliks.max())
    return raised / raised.sum()
