"""Shortcuts: the score on a benchmark without reading the question (longest option, shortest, option words alone).

An adapter may learn such a rule and gain by it. Answer-only baselines: Poliak et al. 2018 (arXiv:1805.01042), Gururangan et al. 2018
(arXiv:1803.02324). Words are weighted by naive Bayes with add-one counts, learned from training rows where the study has any of
the kind, else from the other folds of the evaluation items.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.auditing.answer_key import KeyedItem, keyed_items, positions, with_options
from holdfast.auditing.context import AuditContext, AuditEntry, entry, mean_over, rounded
from holdfast.instruments.style import LETTERS

MARGIN = 0.08  # over chance, by the lower limit: MMLU's longest option stands .026-.040 above, TruthfulQA's .12-.19
FOLDS, ENOUGH_TO_LEARN, ENOUGH = 5, 100, 20
NEXT = "Compare every gain with the shortcut's own score, or leave out the items the shortcut gets right and measure again."
_WORD = re.compile(r"\w+")


def share_of_best(scores: Sequence[float], gold: int) -> float:
    """Probability that the option with the largest score is the key, ties broken at random; equal scores give chance."""
    top = max(scores)
    best = [k for k, s in enumerate(scores) if s == top]
    return (gold in best) / len(best)


def word_weights(items: Sequence[KeyedItem]) -> dict[str, float]:
    """Per word the log ratio of its rate among keys and among wrong options (naive Bayes, add-one)."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    num_wrong = 0
    for item in items:
        for k, option in enumerate(item.options):
            words = set(_WORD.findall(option.casefold()))
            if k == item.gold:
                right.update(words)
            else:
                wrong.update(words)
                num_wrong += 1
    return {w: math.log((right[w] + 1) / (len(items) + 2)) - math.log((wrong[w] + 1) / (num_wrong + 2)) for w in {*right, *wrong}}


def word_scores(weights: dict[str, float], item: KeyedItem) -> list[float]:
    return [sum(weights.get(w, 0.0) for w in sorted({*_WORD.findall(o.casefold())})) for o in item.options]


def option_words(items: Sequence[KeyedItem], learn_from: Sequence[KeyedItem] = ()) -> np.ndarray | None:
    """Score of "option words alone" per item; from `learn_from`, else by folds of the items' own clusters; None if too few."""
    if len(learn_from) >= ENOUGH_TO_LEARN:
        weights = word_weights(learn_from)
        return np.array([share_of_best(word_scores(weights, i), i.gold) for i in items])
    fold = np.array([zlib.crc32(i.cluster_id.encode()) % FOLDS for i in items])
    if len(items) < 2 * ENOUGH_TO_LEARN or len({*fold.tolist()}) < FOLDS:
        return None
    out = np.empty(len(items))
    for f in range(FOLDS):
        weights = word_weights([i for i, g in zip(items, fold, strict=True) if g != f])
        for n in np.flatnonzero(fold == f).tolist():
            out[n] = share_of_best(word_scores(weights, items[n]), items[n].gold)
    return out


def baselines(items: Sequence[KeyedItem], learn_from: Sequence[KeyedItem] = ()) -> dict[str, dict[str, Any]]:
    """{shortcut: {score, chance, excess: interval}} on items with options; scores are expected accuracies."""
    rules = {
        "longest option": np.array([share_of_best([len(o) for o in i.options], i.gold) for i in items]),
        "shortest option": np.array([share_of_best([-len(o) for o in i.options], i.gold) for i in items]),
        "option words alone": option_words(items, learn_from),
    }
    return {rule: found for rule, score in rules.items() if score is not None and (found := _over_chance(score, items))}


def _over_chance(score: np.ndarray, items: Sequence[KeyedItem]) -> dict[str, Any]:
    """{score, chance, excess: interval}; empty without a known score."""
    chance = np.array([1 / len(i.options) for i in items])
    excess = mean_over(score - chance, [i.cluster_id for i in items])
    if excess is None:
        return {}
    return {"score": round(float(score.mean()), 4), "chance": round(float(chance.mean()), 4), "excess": rounded(excess)}


def flagged(found: dict[str, dict[str, Any]]) -> list[str]:
    """Shortcuts whose excess over chance is clear of the margin."""
    return [rule for rule, b in found.items() if b["excess"]["lower"] is not None and b["excess"]["lower"] > MARGIN]


def check(context: AuditContext) -> list[AuditEntry]:
    learned: dict[str, dict[str, KeyedItem]] = {}
    for rows in context.training.values():
        for kind, items in rows.items.items():
            learned.setdefault(kind, {}).update({"|".join([i.cluster_id, *i.options]): i for i in with_options(kind, items)})
    out = []
    for name in dict.fromkeys([*context.items, *learned]):
        asked, trained = keyed_items(context, name), list(learned.get(name, {}).values())
        asked, trained = (rows if len(rows) >= ENOUGH else [] for rows in (asked, trained))
        if not asked and not trained:
            continue
        on = {"evaluation": baselines(asked, trained) if asked else {}, "training": baselines(trained) if trained else {}}
        if asked:
            on["evaluation"] |= _positions(context, name)
        said = [
            f"{rule} scores {b['score']:.3f} on the {where} rows (chance {b['chance']:.3f})"
            for where, found in on.items()
            for rule, b in found.items()
            if rule in flagged(found)
        ]
        rates = {where: found for where, found in on.items() if found}
        if said:
            claim = f"{name} can be answered without its questions: {'; '.join(said)}: a gain on it may be that rule"
            out.append(entry("shortcuts", "warn", claim, rates))
        else:
            claim = f"no shortcut without the question scores clearly above chance on {name}"
            out.append(entry("shortcuts", "ok", claim, rates))
    return out


def _positions(context: AuditContext, name: str) -> dict[str, dict[str, Any]]:
    """ "Always the same letter", where one order is presented (with several, each letter scores chance by design)."""
    counts, averaged, _ = positions(context, name)
    if averaged or not counts:
        return {}
    items = keyed_items(context, name)
    asked = context.prompts.get(name)
    golds = np.array([int(p[0].gold or 0) for p in asked] if asked else [i.gold for i in items])
    return {f"always {LETTERS[k]}": found for k in sorted(counts) if (found := _over_chance((golds == k).astype(float), items))}
