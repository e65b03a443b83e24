"""Too few seeds: one training run says nothing about the next."""

from __future__ import annotations

from typing import Any

from holdfast.audit.context import AuditContext, entry


def check(context: AuditContext) -> list[dict[str, Any]]:
    count = context.study["seeds"]
    level = "ok" if count >= 3 else "warn"
    return [
        entry(
            "seeds",
            level,
            f"{count} training seeds per domain" + ("" if level == "ok" else ": at least 3 are needed for any verdict"),
            {"seeds": count},
        )
    ]
