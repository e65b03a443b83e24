"""Training rows that are also evaluation items: what was learned by heart is not a gain."""

from __future__ import annotations

from typing import Any

from holdfast.audit.context import AuditContext, entry


def check(context: AuditContext) -> list[dict[str, Any]]:
    out = []
    for domain, keys in sorted(context.examples_keys.items()):
        for name, items in context.items.items():
            shared = [i.item_id for i in items if keys & set(i.source_keys)]
            if shared:
                out.append(
                    entry(
                        "overlap",
                        "refuse",
                        f"{len(shared)} of {len(items)} items of {name} were trained on in {domain}: its number is refused",
                        {"items": shared[:20], "count": len(shared)},
                        [domain, name],
                    )
                )
    evidence = {"domains": sorted(context.examples_keys), "rows_left_out": dict(sorted(context.num_left_out.items()))}
    return out or [entry("overlap", "ok", "no evaluation item is a training row", evidence)]
