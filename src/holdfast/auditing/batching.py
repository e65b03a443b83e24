"""Batch-size invariance: a log-likelihood that depends on its neighbours makes differences that no adapter made.

In float32 the order of additions explains 1e-5 nats a token and no more: beyond it something is wrong. In half precision rounding alone moves a
log-likelihood by the spacing of its logits (1/16 to 1/8 in bfloat16 where they are 16 to 32), and a server does not say in what it computes; there what
counts is how much of the probability of an answer moves with the batch, against the equivalence band that verdicts are read by.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from holdfast.auditing.context import AuditContext, entry
from holdfast.records import Prompt, Response

LARGEST = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 5e-3, "served": 1e-5}  # nats a token
MOST_MOVED = 0.003  # a tenth of the default equivalence band of 3 points
NEXT = "Measure in float32 (--dtype float32), or with execution.tokens_per_batch small enough for one prompt a pass."


class Engine(Protocol):
    def answer(self, prompts: Sequence[Prompt]) -> list[Response]: ...


def difference(engine: Engine, prompts: Sequence[Prompt]) -> dict[str, Any]:
    """What changes between prompts with choices scored together and each scored alone; nan where there is none, or where a score is nan.

    `largest_difference`: nats a token. `mass_moved`: mean over the prompts of the share of an answer's probability, normalised over the choices,
    that goes elsewhere (total variation, 0 to 1); `mass_moved_upper`: that mean and two standard errors; `num_prompts`.
    """
    scored = [p for p in prompts if p.choices]
    together = engine.answer(scored) if scored else []
    gaps, moved = [], []
    for prompt, whole in zip(scored, together, strict=True):
        (alone,) = engine.answer([prompt])
        if not (whole.logliks and alone.logliks):  # a server that gave none
            continue
        a, b, n = np.array(whole.logliks), np.array(alone.logliks), np.maximum(1, np.array(whole.num_tokens))
        gaps.append(float(np.abs((a - b) / n).max()))
        moved.append(0.5 * float(np.abs(_shares(a) - _shares(b)).sum()))
    mean = float(np.mean(moved)) if moved else float("nan")
    error = float(np.std(moved, ddof=1)) / len(moved) ** 0.5 if len(moved) > 1 else float("nan")
    return {
        "largest_difference": float(np.max(gaps)) if gaps else float("nan"), "mass_moved": mean, "mass_moved_upper": mean + 2 * error, "num_prompts": len(moved),
    }  # fmt: skip


def rounded(found: dict[str, Any]) -> dict[str, Any]:
    """For a file: two digits, and None for nan."""
    return {k: (float(f"{v:.2g}") if v == v else None) if isinstance(v, float) else v for k, v in found.items()}


def _shares(logliks: np.ndarray) -> np.ndarray:
    raised = np.exp(logliks - logliks.max())
    return raised / raised.sum()


def check(context: AuditContext) -> list[dict[str, Any]]:
    found = context.recorded.get("batch_invariance") or {}
    gap, dtype = found.get("largest_difference"), found.get("dtype", "float32")
    if gap is None and not found.get("num_prompts"):
        return []
    gap = float("nan") if gap is None else float(gap)  # scored, and not a number
    limit = LARGEST.get(dtype, LARGEST["float32"])
    evidence = {**found, "largest_difference": gap if gap == gap else None, "limit": limit}
    if gap <= limit:
        claim = f"log-likelihoods do not depend on the batch ({gap:.1e} nats a token, {dtype})"
        return [entry("batching", "ok", claim, evidence)]
    changes = f"a log-likelihood changes by up to {gap:.1e} nats a token with the size of its batch ({dtype}, limit {limit:.0e})"
    upper = found.get("mass_moved_upper")
    if dtype == "float32" or upper is None or not upper == upper:
        return [entry("batching", "refuse", f"{changes}: no difference smaller than that is an adapter's", evidence)]
    points = f"{100 * upper:.2g} points of an answer's probability move with it, at most, on average"
    if upper <= MOST_MOVED:
        return [entry("batching", "warn", f"{changes}; {points}: less than a tenth of the equivalence band", evidence)]
    return [entry("batching", "refuse", f"{changes}; {points}: no shift smaller than that is an adapter's", evidence)]
