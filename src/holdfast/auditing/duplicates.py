"""Effective n: the same text counted several times is one observation, not several."""

from __future__ import annotations

import json

from holdfast.auditing.context import AuditContext, AuditEntry, entry
from holdfast.records import Item, Prompt
from holdfast.sources.distinct import RowNotes

LEAST = 0.9
NEXT = "Ask each text once (form: sycophancy_eval merges rows), or cluster every interval by text and report the number of texts as n."


def identity_of(item: Item, prompts: list[Prompt] | None) -> str:
    """Everything an item asks: equal for two items only if a model could not distinguish them under any condition."""
    if prompts:
        return json.dumps([[p.condition, p.rotation, p.prefill, [m.content for m in p.messages], p.choices] for p in prompts])
    return json.dumps([item.source_keys, item.fields], sort_keys=True, default=str)


def check(context: AuditContext) -> list[AuditEntry]:
    out = []
    for name, items in context.items.items():
        if not items:
            continue
        prompts = context.prompts.get(name) or [None] * len(items)
        # Orders of one item's options are drawn from its own name: without them, equal rows are equal.
        texts = len({identity_of(i, p[:1] if p and len({x.condition for x in p}) == 1 else p) for i, p in zip(items, prompts, strict=True)})
        clusters = len({i.cluster_id for i in items})
        rows = context.num_rows.get(name)
        notes = context.row_notes.get(name) or RowNotes()
        left_out = {k: v[:20] for k, v in (("repeats", notes.repeats), ("unclear", notes.unclear), ("unusable", notes.unusable)) if v}
        evidence = {"items": len(items), "texts": texts, "clusters": clusters, **({"rows": rows} if rows else {}), **left_out}
        if notes.unclear:
            claim = f"questions of {name} without one answer, not asked: {len(notes.unclear)} (first: {notes.unclear[0]})"
            out.append(entry("duplicates", "warn", claim, evidence))
        if texts < LEAST * len(items):
            claim = f"{len(items)} items of {name} hold only {texts} texts: the effective n is at most {texts}, not {len(items)}"
            out.append(entry("duplicates", "warn", claim, evidence))
        else:
            made = f"{rows} rows of {name} hold {len(items)} texts, each asked once" if rows and rows > len(items) else ""
            claim = made or f"{len(items)} items of {name} hold {texts} texts in {clusters} clusters"
            out.append(entry("duplicates", "ok", claim, evidence))
    return out
