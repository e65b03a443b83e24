"""Training rows that are also evaluation items: what was learned by heart is not a gain. Found by normalized text and by 8-grams."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from holdfast.auditing.context import AuditContext, AuditEntry, entry
from holdfast.instruments import available, instrument_class
from holdfast.records import Item

NEAR, NEAR_SHARE, NEAR_COUNT = 0.7, 0.02, 3
NEXT = "Train on other rows, or set overlap=drop so that rows which are evaluation items are not trained on."

_WORD = re.compile(r"\w+")


def check(context: AuditContext) -> list[AuditEntry]:
    out, per_axis = [], {}
    axes = {*context.axes()} or {*available("axis")}
    for domain, keys in sorted(context.examples_keys.items()):
        for name, items in context.items.items():
            shared = [i.item_id for i in items if keys & set(i.source_keys)]
            if name in axes:
                per_axis.setdefault(domain, {})[name] = (len(shared), len(items))
            if shared:
                claim = f"{len(shared)} of {len(items)} items of {name} were trained on in {domain}: its number is refused"
                out.append(
                    entry("overlap", "refuse", claim, {"items": shared[:20], "count": len(shared), "of": len(items)}, (domain, name))
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


def _axes(per_axis: dict[str, dict[str, tuple[int, int]]]) -> list[AuditEntry]:
    """One sentence per domain for axes that ask what it trains on, next to the refused cells: their items come from a benchmark."""
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


def item_text(name: str, item: Item) -> str:
    """Question or text of an instrument's item with its options, without what a style or a condition adds."""
    made = instrument_class(name)
    options = made.options(item)
    return " ".join([made.stem(item), *(options.texts if options else ())])


def _near(context: AuditContext) -> tuple[list[AuditEntry], dict[str, int]]:
    """(warnings, number of near copies that are not exact, by "domain, instrument")"""
    out, seen = [], {}
    every = [(name, i) for name, items in context.items.items() for i in items]
    wanted = [item_text(name, i) for name, i in every]
    for domain, rows in sorted(context.training.items()):
        if rows.combined:
            continue
        exact = context.examples_keys.get(domain, set())
        hit: dict[str, list[str]] = {}
        texts = (" ".join([*(m.content for m in e.messages), e.completion]) for e in rows.examples)
        for n, share in containment(texts, wanted).items():
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


def word_ngrams(text: str, size: int) -> set[tuple[str, ...]]:
    """Distinct runs of `size` words, NFKC and case folded, punctuation left out; empty for a shorter text."""
    words = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return set(zip(*(words[i:] for i in range(size)), strict=False))


def containment(texts: Iterable[str], wanted: Sequence[str], size: int = 8, least: int = 10) -> dict[int, float]:
    """{index in `wanted`: largest share of its n-grams found in any one of `texts`}, zeros left out.

    A wanted text with fewer than `least` distinct n-grams is too short to tell and is left out. Source of the idea: Brown et al.
    2020 (arXiv:2005.14165, appendix C), there with 13-grams and any collision; here a share, so that a quoted phrase does not count as a copy.
    Time grows with the number of words, not with the product of the two lists.
    """
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    sizes: dict[int, int] = {}
    for n, text in enumerate(wanted):
        if len(grams := word_ngrams(text, size)) >= least:
            sizes[n] = len(grams)
            for gram in grams:
                holders[gram].append(n)
    best: dict[int, float] = {}
    for text in texts:
        for n, count in Counter(n for gram in word_ngrams(text, size) & holders.keys() for n in holders[gram]).items():
            best[n] = max(best.get(n, 0.0), count / sizes[n])
    return best
