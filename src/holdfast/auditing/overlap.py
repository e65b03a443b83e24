"""Training rows that are also evaluation items: what was learned by heart is not a gain. By normalised text, and by 8-grams."""

from __future__ import annotations

from typing import Any

from holdfast.auditing.context import AuditContext, TrainingSet, entry
from holdfast.auditing.ngrams import containment
from holdfast.records import Item

NEAR, NEAR_SHARE, NEAR_COUNT = 0.7, 0.02, 3
NEXT = "Train on other rows, or set overlap=drop so that rows which are evaluation items are not trained on."


def check(context: AuditContext) -> list[dict[str, Any]]:
    out, per_axis = [], {}
    axes = {*context.axes()} or {"imitation", "doubt", "feedback"}
    for domain, keys in sorted(context.examples_keys.items()):
        for name, items in context.items.items():
            shared = [i.item_id for i in items if keys & set(i.source_keys)]
            if name in axes:
                per_axis.setdefault(domain, {})[name] = (len(shared), len(items))
            if shared:
                out.append(
                    entry(
                        "overlap",
                        "refuse",
                        f"{len(shared)} of {len(items)} items of {name} were trained on in {domain}: its number is refused",
                        {"items": shared[:20], "count": len(shared), "of": len(items)},
                        [domain, name],
                    )
                )
    out += _axes(per_axis)
    evidence = {
        "domains": sorted(context.examples_keys),
        "rows_left_out": dict(sorted(context.num_left_out.items())),
        "between_instruments": between_instruments(context.items),
    }
    near, seen = _near(context)
    if not out and context.items and context.examples_keys:
        out = [entry("overlap", "ok", "no evaluation item is a training row", {**evidence, "near_copies": seen})]
    return out + near


def _axes(per_axis: dict[str, dict[str, tuple[int, int]]]) -> list[dict[str, Any]]:
    """One sentence a domain for axes that ask what it trains on, beside the refused cells: their items come from a benchmark."""
    out = []
    for domain, counts in per_axis.items():
        hit = {name: count for name, (count, _) in counts.items() if count}
        if len(hit) > 1:
            count, total = sum(hit.values()), sum(counts[name][1] for name in hit)
            told = ", ".join(f"{name} {n}" for name, n in hit.items())
            claim = f"{count} of {total} axis items ask questions that {domain} trains on ({told})"
            out.append(entry("overlap", "warn", claim, {"count": count, "of": total, "by_axis": hit}))
    return out


def between_instruments(items: dict[str, list[Item]]) -> dict[str, int]:
    """Items of the second instrument that the first asks too, for every pair that shares one: no leak, but not independent either."""
    keys = {name: {k for i in mine for k in i.source_keys} for name, mine in items.items()}
    names = list(items)
    return {
        f"{a}, {b}": count
        for n, a in enumerate(names)
        for b in names[n + 1 :]
        if (count := sum(bool(keys[a] & set(i.source_keys)) for i in items[b]))
    }


def item_text(item: Item) -> str:
    """Question or text of an item with its options, without what a style or a condition adds."""
    fields = item.fields
    stem = fields.get("question") or fields.get("context") or fields.get("ask") or ""
    if not stem:
        asks = fields.get("asks") or {}
        stem = asks.get("neutral") or asks.get("none") or ""
    own = fields.get("choices") if "question" in fields else fields.get("endings")
    return " ".join([stem, *(own or [])])


def training_texts(rows: TrainingSet) -> list[str]:
    return [" ".join([*(m.content for m in e.messages), e.completion]) for e in rows.examples]


def _near(context: AuditContext) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """(warnings, number of near copies that are no exact ones by "domain, instrument")"""
    out, seen = [], {}
    every = [(name, i) for name, items in context.items.items() for i in items]
    wanted = [item_text(i) for _, i in every]
    for domain, rows in sorted(context.training.items()):
        if rows.combined:
            continue
        exact = context.examples_keys.get(domain, set())
        hit: dict[str, list[str]] = {}
        for n, share in containment(training_texts(rows), wanted).items():
            name, item = every[n]
            if share >= NEAR and not exact & set(item.source_keys):
                hit.setdefault(name, []).append(item.item_id)
        for name, ids in sorted(hit.items()):
            total = len(context.items[name])
            seen[f"{domain}, {name}"] = len(ids)
            if len(ids) >= NEAR_COUNT and len(ids) / total >= NEAR_SHARE:
                claim = (
                    f"{len(ids)} of {total} items of {name} stand nearly whole in a training row of {domain} "
                    f"(at least {NEAR:.0%} of their 8-grams): a gain there may be recall"
                )
                evidence = {"count": len(ids), "of": total, "items": sorted(ids)[:20], "instrument": name, "domain": domain}
                out.append(entry("overlap", "warn", claim, evidence))
    return out, seen
