"""Optimisation budget: an adapter that never leaves its warm-up, or trains for other lengths than those it is compared with."""

from __future__ import annotations

from typing import Any

from holdfast.audit.context import AuditContext, entry

WARMUP_SHARE, STEP_RATIO = 2 / 3, 1.25
NEXT = "Give warm-up as a share (train.warmup_ratio=0.03) and equal steps (match_steps_of), with a control of matched steps for a combined set."


def check(context: AuditContext) -> list[dict[str, Any]]:
    trained = {
        name: context.training[name]
        for name in context.adapters("domain", "control")
        if name in context.training and context.training[name].steps
    }
    if not trained:
        return []
    out = []
    for name, rows in trained.items():
        if rows.warmup >= WARMUP_SHARE * rows.steps and rows.steps > 1:
            inside = rows.steps <= rows.warmup
            where = (
                f"end inside the {rows.warmup}-step warm-up"
                if inside
                else f"are warm-up but for the last {rows.steps - rows.warmup}"
            )
            claim = f"the {rows.steps} steps of {name} {where}: it {'never' if inside else 'hardly'} trained at its learning rate"
            out.append(entry("budget", "warn", claim, {"steps": rows.steps, "warmup_steps": rows.warmup, "domain": name}))
    single = {n: r.steps for n, r in trained.items() if not r.combined and n in context.adapters("domain")}
    if len(single) > 1 and max(single.values()) > STEP_RATIO * min(single.values()):
        low, high = min(single, key=single.__getitem__), max(single, key=single.__getitem__)
        claim = (
            f"single domains are compared at unequal budgets: {high} trains for {single[high]} steps, {low} for {single[low]}; "
            "their difference is not the domain's alone"
        )
        out.append(entry("budget", "warn", claim, {"steps": single}))
    out += _unmatched(context, single)
    steps = {n: r.steps for n, r in trained.items()}
    return out or [
        entry("budget", "ok", "every adapter is trained past its warm-up, single domains equally long", {"steps": steps})
    ]


def _unmatched(context: AuditContext, single: dict[str, int]) -> list[dict[str, Any]]:
    """Combined sets trained longer than their parts, with no combined control of a part's length beside them."""
    combined = {
        n: context.training[n].steps for n in context.adapters("domain") if n in context.training and context.training[n].combined
    }
    controls = [
        context.training[n].steps for n in context.adapters("control") if n in context.training and context.training[n].combined
    ]
    most = max(single.values(), default=0)
    long = {n: s for n, s in combined.items() if most and s > STEP_RATIO * most}
    if not long or any(s <= STEP_RATIO * most for s in controls):
        return []
    told = ", ".join(f"{n} {s}" for n, s in long.items())
    claim = f"combined sets train for more steps than any part ({told}; parts at most {most}) and no control has matched steps"
    return [entry("budget", "warn", claim, {"combined": long, "most_of_a_part": most})]
