"""Conditions of one item must share everything but what was inserted: a changed question or option order is not an effect of pressure."""

from __future__ import annotations

import os
from collections import Counter

from holdfast.auditing.context import AuditContext, AuditEntry, entry, refusals
from holdfast.records import Prompt

REFUSE_SHARE = 0.05
NEXT = "Build every condition from the neutral prompt by inserting one sentence; keep the question's words and the order of its options."


def missing_text(neutral: str, other: str) -> int:
    """Characters of `neutral` that one insertion (or one replaced stretch) cannot explain: 0 if `other` only adds.

    The longest common beginning and the longest common end together cover `neutral` exactly when `other` is `neutral` with text
    inserted at one place; runs of blanks count as one.
    """
    a, b = " ".join(neutral.split()), " ".join(other.split())
    head = len(os.path.commonprefix([a, b]))
    tail = len(os.path.commonprefix([a[head:][::-1], b[head:][::-1]]))
    # A blank eaten at the seam (the inserted sentence ends the text) does not count as a difference.
    return len(a[head:]) - tail if a[head : len(a) - tail].strip() else 0


def differences(prompts: list[Prompt], placebo: set[str]) -> dict[str, str]:
    """{condition: "question" or "options"} for conditions of one item that differ from its first by more than an insertion.

    A placebo condition rewords on purpose: of its first message at most half may be replaced, in one stretch.
    """
    first, out = prompts[0], {}
    neutral = first.messages[0].content
    for p in prompts[1:]:
        if p.condition == first.condition:
            continue
        if p.rotation == first.rotation and (p.choices != first.choices or p.values != first.values or p.gold != first.gold):
            out[p.condition] = "options"
            continue
        gap = missing_text(neutral, p.messages[0].content)
        if gap > (len(neutral) // 2 if p.condition in placebo else 0):
            out[p.condition] = "question"
    return out


def check(context: AuditContext) -> list[AuditEntry]:
    out = []
    for instrument in context.study.instruments:
        name, prompts = instrument.name, context.prompts.get(instrument.name)
        if instrument.kind != "axis" or not prompts:
            continue
        placebo = {c for k in instrument.contrasts if k.placebo for c in (k.plus, k.minus) if c}
        differing = [(i.item_id, d) for i, p in zip(context.items[name], prompts, strict=True) if p and (d := differences(p, placebo))]
        if not differing:
            claim = f"the conditions of {name} differ only in what was inserted"
            out.append(entry("conditions", "ok", claim, {"items": len(prompts)}))
            continue
        count, total = len(differing), len(prompts)
        where = Counter(f"{c}: {what}" for _, d in differing for c, what in d.items())
        evidence = {"count": count, "of": total, "conditions": dict(sorted(where.items())), "items": [i for i, _ in differing[:20]]}
        what = " and ".join(sorted({f"{w} differ" + ("s" if w == "question" else "") for _, d in differing for w in d.values()}))
        claim = f"for {count} of {total} items of {name} the {what} between conditions"
        if count / total >= REFUSE_SHARE:
            out += refusals(context, "conditions", f"{claim}: its shift is refused", evidence, name)
        else:
            out.append(entry("conditions", "warn", claim, evidence))
    return out
