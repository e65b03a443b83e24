"""Too few seeds: one training run says nothing about the next."""

from __future__ import annotations

from holdfast.auditing.context import AuditContext, AuditEntry, entry

LEAST = 3
NEXT = "Train at least 3 seeds per domain (seeds=3; 5 for the embedded study)."


def check(context: AuditContext) -> list[AuditEntry]:
    count = context.study.seeds
    if not count:
        return []
    claim = f"{count} training seed{'s' * (count != 1)} per domain"
    if count >= LEAST:
        return [entry("seeds", "ok", claim, {"seeds": count})]
    return [entry("seeds", "warn", f"{claim}: at least 3 are needed for any verdict", {"seeds": count})]
