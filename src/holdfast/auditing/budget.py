"""Optimization budget: an adapter that never leaves its warm-up or trains for a different number of steps than the adapters it is compared with."""

from __future__ import annotations

from holdfast.auditing.context import AuditContext, AuditEntry, entry

WARMUP_SHARE, STEP_RATIO = 2 / 3, 1.25
NEXT = "Give warm-up as a share (train.warmup_ratio=0.03) and equal steps (match_steps_of) to domains that are compared."


def check(context: AuditContext) -> list[AuditEntry]:
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
            where = f"end inside the {rows.warmup}-step warm-up" if inside else f"are warm-up but for the last {rows.steps - rows.warmup}"
            claim = f"the {rows.steps} steps of {name} {where}: it {'never' if inside else 'barely'} trained at its learning rate"
            out.append(entry("budget", "warn", claim, {"steps": rows.steps, "warmup_steps": rows.warmup, "domain": name}))
    single = {n: r.steps for n, r in trained.items() if not r.combined and n in context.adapters("domain")}
    if len(single) > 1 and max(single.values()) > STEP_RATIO * min(single.values()):
        low, high = min(single, key=single.__getitem__), max(single, key=single.__getitem__)
        claim = (
            f"single domains are compared at unequal budgets: {high} trains for {single[high]} steps, {low} for {single[low]}; "
            "their difference is not due to the domain alone"
        )
        out.append(entry("budget", "warn", claim, {"steps": single}))
    if out:
        return out
    evidence = {"steps": {n: r.steps for n, r in trained.items()}}
    claim = "every adapter is trained past its warm-up, single domains equally long"
    if long := _unmatched(context, single):
        evidence["without_matched_control"] = long
        claim += f"; longer, without a control of equal steps: {', '.join(long)}"
    return [entry("budget", "ok", claim, evidence)]


def _unmatched(context: AuditContext, single: dict[str, int]) -> dict[str, int]:
    """Steps of combined sets trained longer than their parts, where there is no combined control of a part's length."""
    rows = context.training
    steps = lambda role: {n: rows[n].steps for n in context.adapters(role) if n in rows and rows[n].combined}  # noqa: E731
    most = max(single.values(), default=0)
    long = {n: s for n, s in steps("domain").items() if most and s > STEP_RATIO * most}
    matched = any(s <= STEP_RATIO * most for s in steps("control").values())
    return {} if matched else long
