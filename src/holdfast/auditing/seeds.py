"""Too few seeds: one training run says nothing about the next."""

from __future__ import annotations

from typing import Any

from holdfast.auditing.context import AuditContext, entry

LEAST = 3
NEXT = "Train at least 3 seeds a domain (--seeds 3; 5 for the embedded study)."


def check(context: AuditContext) -> list[dict[str, Any]]:
    count = context.study.get("seeds")
    if count is None:
        return []
    level = "ok" if count >= LEAST else "warn"
    return [
        entry(
            "seeds",
            level,
            f"{count} training seed{'s' * (count != 1)} per domain" + ("" if level == "ok" else ": at least 3 are needed for any verdict"),
            {"seeds": count},
        )
    ]
