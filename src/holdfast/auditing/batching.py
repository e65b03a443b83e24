"""Batch-size invariance: a log-likelihood that depends on its neighbours makes differences that no adapter made.

In float32 the order of additions explains about 1e-5 nats per token, on some processors a little more. In half precision rounding alone moves a
log-likelihood by the spacing of its logits (1/16 to 1/8 in bfloat16 where they are 16 to 32), and a server does not report in what it computes. So
beyond a limit the test is how much of the probability of an answer moves with the batch, against the equivalence band that verdicts are read by.
"""

from __future__ import annotations

from holdfast.auditing.context import AuditContext, entry
from holdfast.frozen import number
from holdfast.results import AuditEntry

LARGEST = {"float32": 1e-5, "bfloat16": 2e-2, "float16": 5e-3, "served": 1e-5}  # nats per token
MOST_MOVED = 0.003  # a tenth of the default equivalence band of 3 points
NEXT = "Measure in float32 (--dtype float32), or with execution.tokens_per_batch small enough for one prompt per pass."


def check(context: AuditContext) -> list[AuditEntry]:
    difference = context.recorded.get("batch_invariance") or {}
    if difference.get("largest_difference") is None and not difference.get("num_prompts"):
        return []
    gap, dtype = number(difference.get("largest_difference")), difference.get("dtype", "float32")
    limit = LARGEST.get(dtype, LARGEST["float32"])
    evidence = {**difference, "largest_difference": gap if gap == gap else None, "limit": limit}
    if gap <= limit:
        claim = f"log-likelihoods do not depend on the batch ({gap:.1e} nats per token, {dtype})"
        return [entry("batching", "ok", claim, evidence)]
    changes = f"a log-likelihood changes by up to {gap:.1e} nats per token with the size of its batch ({dtype}, limit {limit:.0e})"
    upper = number(difference.get("mass_moved_upper"))
    if upper != upper:
        return [entry("batching", "refuse", f"{changes}: smaller differences cannot be attributed to an adapter", evidence)]
    points = f"{100 * upper:.2g} points of an answer's probability move with it, at most, on average"
    if upper <= MOST_MOVED:
        return [entry("batching", "warn", f"{changes}; {points}: less than a tenth of the equivalence band", evidence)]
    return [entry("batching", "refuse", f"{changes}; {points}: smaller shifts cannot be attributed to an adapter", evidence)]
