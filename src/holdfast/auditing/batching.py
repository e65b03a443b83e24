"""Batch-size invariance: a log-likelihood that depends on its neighbours makes differences that no adapter made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from holdfast.auditing.context import AuditContext, entry
from holdfast.records import Prompt, Response

LARGEST = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 5e-3}  # nats a token
NEXT = "Measure in float32 (--dtype float32), or with execution.tokens_per_batch small enough for one prompt a pass."


class Engine(Protocol):
    def answer(self, prompts: Sequence[Prompt]) -> list[Response]: ...


def largest_difference(engine: Engine, prompts: Sequence[Prompt]) -> float:
    """Largest difference, in nats a token, between the prompts scored together and each scored alone; nan if none has choices."""
    scored = [p for p in prompts if p.choices]
    together = engine.answer(scored) if scored else []
    gaps = [
        abs(a - b) / max(1, n)
        for p, whole in zip(scored, together, strict=True)
        for alone in engine.answer([p])
        for a, b, n in zip(whole.logliks, alone.logliks, whole.num_tokens, strict=True)
    ]
    return max(gaps, default=float("nan"))


def check(context: AuditContext) -> list[dict[str, Any]]:
    found = context.recorded.get("batch_invariance")
    if not found or found.get("largest_difference") is None:
        return []
    gap, dtype = float(found["largest_difference"]), found.get("dtype", "float32")
    limit = LARGEST.get(dtype, LARGEST["float32"])
    evidence = {**found, "largest_difference": gap if gap == gap else None, "limit": limit}
    if gap <= limit:
        claim = f"log-likelihoods do not depend on the batch ({gap:.1e} nats a token, {dtype})"
        return [entry("batching", "ok", claim, evidence)]
    claim = (
        f"a log-likelihood changes by up to {gap:.1e} nats a token with the size of its batch ({dtype}, limit {limit:.0e}): "
        "no difference smaller than that is an adapter's"
    )
    return [entry("batching", "refuse", claim, evidence)]
