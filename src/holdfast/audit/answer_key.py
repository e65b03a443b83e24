"""Answer-key skew: with one position nearly always right, "always A" scores high and a gain says nothing about knowledge."""

from __future__ import annotations

from collections import Counter
from typing import Any

from holdfast.audit.context import AuditContext, entry

REFUSE, WARN = 0.9, 0.5


def check(context: AuditContext) -> list[dict[str, Any]]:
    out = []
    rotations = zip(context.trials["instrument"].to_pylist(), context.trials["rotation"].to_pylist(), strict=True)
    reordered = {name for name, rotation in rotations if rotation > 0}
    for name, items in context.items.items():
        options = [i for i in items if "gold" in i.fields and ("endings" in i.fields or "question" in i.fields)]
        if not options:
            continue
        counts = Counter(int(i.fields["gold"]) for i in options)
        position, count = counts.most_common(1)[0]
        share = count / len(options)
        averaged = name in reordered
        evidence = {"position": position, "count": count, "of": len(options), "orders_averaged": averaged}
        skewed = share >= REFUSE and len(options) >= 20
        level = "ok" if share < WARN else "warn" if averaged or not skewed else "refuse"
        claim = f"the key of {name} is position {position} in {count} of {len(options)} items"
        if level == "refuse":
            out += [
                entry("answer_key", level, f"{claim}: a gain on it is refused", evidence, [d["name"], name])
                for d in context.study["domains"]
            ]
        else:
            out.append(
                entry(
                    "answer_key",
                    level,
                    claim + ("; options are reordered before they are lettered" if averaged else ""),
                    evidence,
                )
            )
    return out
