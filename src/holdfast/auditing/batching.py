"""Batch-size invariance: a log-likelihood that depends on its neighbours makes differences that no adapter made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from holdfast.auditing.context import AuditContext, entry
from holdfast.records import Prompt, Response

LARGEST = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 5e-3}  # nats a token
ROUNDING = {"bfloat16": 0.5, "float16": 0.1}  # up to this the difference may be rounding, which grows with the logits
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
    said = f"a log-likelihood changes by up to {gap:.1e} nats a token with the size of its batch ({dtype}, limit {limit:.0e}): "
    if gap <= ROUNDING.get(dtype, 0.0):  # base and adapters are asked in the same batches
        return [entry("batching", "warn", said + "of a single answer no difference smaller than that is an adapter's", evidence)]
    return [entry("batching", "refuse", said + "no difference smaller than that is an adapter's", evidence)]
