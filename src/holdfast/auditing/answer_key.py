"""Answer-key skew: with one position nearly always right, "always A" scores high and a gain says nothing about knowledge."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from holdfast.analysis.trials import Trials, distinct
from holdfast.auditing.context import AuditContext, TrainingSet, entry, refusals
from holdfast.instruments.style import LETTERS
from holdfast.records import Example

REFUSE, WARN, OVER_CHANCE, ENOUGH = 0.9, 0.5, 0.2, 20
NEXT = "Shuffle the options of training and evaluation rows (shuffle_choices; permutations or rotations above 1), then measure again."
_LAST = re.compile(r"(?:^|[\s(])([A-Z])[).:]{0,2}\s*$")


def check(context: AuditContext) -> list[dict[str, Any]]:
    out, skewed = [], {}
    for name in context.items:
        found, place = _asked(context, name)
        out += found
        skewed[name] = place
    return out + _trained(context, skewed)


def key_letter(example: Example) -> str | None:
    """The letter an example's reply ends in; None for a reply that names no letter."""
    reply = example.completion if example.plain else example.messages[-1].content
    found = _LAST.search(reply)
    return found.group(1) if found else None


def positions(context: AuditContext, name: str) -> tuple[Counter[int], bool, bool]:
    """(how often each position is the key, whether several orders are averaged, whether positions are those presented)."""
    options = [i for i in context.items[name] if "gold" in i.fields and ("endings" in i.fields or "question" in i.fields)]
    if not options:
        return Counter(), False, False
    asked = context.prompts.get(name)
    if asked:
        shown = [p for prompts in asked for p in prompts if p.gold is not None]
        return Counter(int(p.gold) for p in shown), any(p.rotation > 0 for p in shown), True  # type: ignore[arg-type]
    return Counter(int(i.fields["gold"]) for i in options), name in _reordered(context), False


def _asked(context: AuditContext, name: str) -> tuple[list[dict[str, Any]], int | None]:
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
        said = f'{claim}: "always {LETTERS[position]}" scores {share:.3f}, so a gain on it is refused'
        return refusals(context, "answer_key", said, evidence, name), position
    ending = "; options are reordered before they are lettered" if averaged else ""
    return [entry("answer_key", level, claim + ending, evidence)], None


def _chance(context: AuditContext, name: str) -> float:
    """Share of one position if keys were drawn at random; 0 where options are not known."""
    sizes = [len(i.fields.get("choices") or i.fields.get("endings") or []) for i in context.items[name]]
    return sum(1 / s if s else 0.0 for s in sizes) / len(sizes)


def _bound(chance: float) -> float:
    """Share of one position from which the key is called uneven: questions of two options have one in half of the items."""
    return max(WARN, chance + OVER_CHANCE)


def _trained(context: AuditContext, skewed: dict[str, int | None]) -> list[dict[str, Any]]:
    """Letters of the training replies of every domain that has rows of its own (a combined domain repeats its parts)."""
    own = {d["name"]: d.get("own_benchmark") for d in context.study.get("domains", [])}
    out = []
    for domain in context.adapters("domain"):
        rows = context.training.get(domain)
        if rows is None or rows.combined:
            continue
        counts = letters(rows)
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
            said = f"{claim}, and {benchmark} is scored by the same letter"
            out.append(entry("answer_key", "refuse", said, evidence, [domain, benchmark]))
        else:
            out.append(entry("answer_key", "warn", claim, evidence))
    return out


def letters(rows: TrainingSet) -> Counter[str]:
    return Counter(letter for e in rows.examples if (letter := key_letter(e)) is not None)


def _reordered(context: AuditContext) -> set[str]:
    trials = Trials.of(context.trials) if context.trials is not None else None
    if trials is None or "rotation" not in trials.column_names:
        return set()
    return {name for name, rotation in distinct(trials, ["instrument", "rotation"]) if rotation is not None and rotation > 0}
