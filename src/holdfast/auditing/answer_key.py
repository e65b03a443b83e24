"""Answer-key skew: with one position nearly always right, "always A" scores high and a gain says nothing about knowledge."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from holdfast.analysis.trials import distinct
from holdfast.auditing.context import AuditContext, AuditEntry, entry, refusals
from holdfast.instruments import instrument_class
from holdfast.instruments.style import LETTERS
from holdfast.records import Example, Item

REFUSE, WARN, OVER_CHANCE, ENOUGH = 0.9, 0.5, 0.2, 20
NEXT = "Shuffle the options of training and evaluation rows (shuffle_choices; permutations or rotations above 1), then measure again."
_LAST = re.compile(r"(?:^|[\s(])([A-Z])[).:]{0,2}\s*$")


class KeyedItem(NamedTuple):
    """What of an item a rule sees that never reads the question: its options, and the place of the right one."""

    cluster_id: str
    options: tuple[str, ...]
    gold: int


def check(context: AuditContext) -> list[AuditEntry]:
    out, skewed = [], {}
    for name in context.items:
        entries, skewed[name] = _evaluation(context, name)
        out += entries
    return out + _training(context, skewed)


def key_letter(example: Example) -> str | None:
    """The letter an example's reply ends in; None for a reply that names no letter."""
    reply = example.completion if example.plain else example.messages[-1].content
    return match.group(1) if (match := _LAST.search(reply)) else None


def positions(context: AuditContext, name: str) -> tuple[Counter[int], bool, bool]:
    """(how often each position is the key, whether several orders are averaged, whether positions are those presented)."""
    items = keyed_items(context, name)
    if not items:
        return Counter(), False, False
    asked = context.prompts.get(name)
    if asked:
        shown = [p for prompts in asked for p in prompts if p.gold is not None]
        return Counter(int(p.gold) for p in shown), any(p.rotation > 0 for p in shown), True  # type: ignore[arg-type]
    return Counter(i.gold for i in items), name in _reordered(context), False


def keyed_items(context: AuditContext, name: str) -> list[KeyedItem]:
    """Items of an instrument that have options; for a benchmark that declares none, the choices it scores."""
    made, items = instrument_class(name), context.items.get(name, [])
    declared = with_options(name, items)
    if declared or made.kind == "axis":
        return declared
    first = [(item, p[0]) for item, p in zip(items, context.prompts.get(name, ()), strict=False) if p]
    return [KeyedItem(i.cluster_id, p.choices, p.gold) for i, p in first if p.choices and p.gold is not None]


def with_options(name: str, items: Sequence[Item]) -> list[KeyedItem]:
    """Items of an instrument that declare options."""
    options = instrument_class(name).options
    return [KeyedItem(item.cluster_id, *o) for item in items if (o := options(item)) is not None]


def _evaluation(context: AuditContext, name: str) -> tuple[list[AuditEntry], int | None]:
    counts, averaged, presented = positions(context, name)
    total = sum(counts.values())
    if not total:
        return [], None
    position, count = counts.most_common(1)[0]
    share = count / total
    evidence = {"position": position, "count": count, "of": total, "orders_averaged": averaged, "always_it_scores": share}
    skewed = share >= REFUSE
    quiet = total < ENOUGH or share < _bound(_chance(context, name))
    level = "ok" if quiet else "warn" if (averaged and not presented) or not skewed else "refuse"
    what = "prompts" if presented and averaged else "items"
    claim = f"the key of {name} is position {position} ({LETTERS[position]}) in {count} of {total} {what}"
    if level == "refuse":
        claim += f': "always {LETTERS[position]}" scores {share:.3f}, so a gain on it is refused'
        return refusals(context, "answer_key", claim, evidence, name), position
    ending = "; options are reordered before they are lettered" if averaged else ""
    return [entry("answer_key", level, claim + ending, evidence)], None


def _chance(context: AuditContext, name: str) -> float:
    """Share of one position if keys were drawn at random; an item without options counts 0."""
    return sum(1 / len(i.options) for i in keyed_items(context, name)) / len(context.items[name])


def _bound(chance: float) -> float:
    """Share of one position from which the key is called uneven: questions of two options have one in half of the items."""
    return max(WARN, chance + OVER_CHANCE)


def _training(context: AuditContext, skewed: dict[str, int | None]) -> list[AuditEntry]:
    """Letters of the training replies of every domain that has rows of its own (a combined domain repeats its parts)."""
    own = {d.name: d.own_benchmark for d in context.study.domains}
    out = []
    for domain in context.adapters("domain"):
        rows = context.training.get(domain)
        if rows is None or rows.combined:
            continue
        counts = Counter(letter for e in rows.examples if (letter := key_letter(e)) is not None)
        total = sum(counts.values())
        if total < ENOUGH:
            continue
        letter, count = counts.most_common(1)[0]
        share = count / total
        evidence = {"letter": letter, "count": count, "of": total, "letters": dict(sorted(counts.items()))}
        claim = f"the key of the training rows of {domain} is {letter} in {count} of {total}"
        if share < _bound(1 / len(counts) if len(counts) > 1 else 0.0):
            out.append(entry("answer_key", "ok", claim, evidence))
            continue
        claim += f': what they teach may be "say {letter}"'
        benchmark = own[domain]
        if share >= REFUSE and benchmark and skewed.get(benchmark) == LETTERS.index(letter):
            claim += f", and {benchmark} is scored by the same letter"
            out.append(entry("answer_key", "refuse", claim, evidence, (domain, benchmark)))
        else:
            out.append(entry("answer_key", "warn", claim, evidence))
    return out


def _reordered(context: AuditContext) -> set[str]:
    if context.table is None or "rotation" not in context.table.column_names:
        return set()
    return {name for name, rotation in distinct(context.table, ["instrument", "rotation"]) if rotation is not None and rotation > 0}
