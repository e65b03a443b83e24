"""Shortcuts: what one scores on a benchmark without reading the question (longest option, shortest, option words alone).

An adapter may learn such a rule and gain by it. Answer-only baselines: Poliak et al. 2018 (arXiv:1805.01042), Gururangan et al. 2018
(arXiv:1803.02324). Words are weighted by naive Bayes with add-one counts, learnt from training rows where the study has any of
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

from holdfast.auditing.answer_key import positions
from holdfast.auditing.context import AuditContext, entry
from holdfast.auditing.excess import mean_over, rounded
from holdfast.instruments.style import LETTERS
from holdfast.records import Item

MARGIN = 0.08  # over chance, by the lower limit: MMLU's longest option stands .026-.040 above, TruthfulQA's .12-.19
FOLDS, ENOUGH_TO_LEARN, ENOUGH = 5, 100, 20
NEXT = "Compare every gain with the shortcut's own score, or leave out the items the shortcut gets right and measure again."
_WORD = re.compile(r"\w+")


def options_of(item: Item) -> list[str]:
    return list(item.fields.get("choices") or item.fields.get("endings") or [])


def share_of_best(scores: Sequence[float], gold: int) -> float:
    """Probability that the option with the largest score is the key, ties broken at random; equal scores give chance."""
    top = max(scores)
    best = [k for k, s in enumerate(scores) if s == top]
    return (gold in best) / len(best)


def word_weights(items: Sequence[Item]) -> dict[str, float]:
    """Per word the log ratio of its rate among keys and among wrong options (naive Bayes, add-one)."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    num_wrong = 0
    for item in items:
        for k, option in enumerate(options_of(item)):
            words = set(_WORD.findall(option.casefold()))
            if k == item.fields["gold"]:
                right.update(words)
            else:
                wrong.update(words)
                num_wrong += 1
    return {w: math.log((right[w] + 1) / (len(items) + 2)) - math.log((wrong[w] + 1) / (num_wrong + 2)) for w in {*right, *wrong}}


def word_scores(weights: dict[str, float], item: Item) -> list[float]:
    return [sum(weights.get(w, 0.0) for w in sorted({*_WORD.findall(o.casefold())})) for o in options_of(item)]


def option_words(items: Sequence[Item], learn_from: Sequence[Item] = ()) -> np.ndarray | None:
    """Score of "option words alone" per item; from `learn_from`, else by folds of the items' own clusters; None if too few."""
    if len(learn_from) >= ENOUGH_TO_LEARN:
        weights = word_weights(learn_from)
        return np.array([share_of_best(word_scores(weights, i), i.fields["gold"]) for i in items])
    fold = np.array([zlib.crc32(i.cluster_id.encode()) % FOLDS for i in items])
    if len(items) < 2 * ENOUGH_TO_LEARN or len({*fold.tolist()}) < FOLDS:
        return None
    out = np.empty(len(items))
    for f in range(FOLDS):
        weights = word_weights([i for i, g in zip(items, fold, strict=True) if g != f])
        for n in np.flatnonzero(fold == f):
            out[n] = share_of_best(word_scores(weights, items[n]), items[n].fields["gold"])
    return out


def baselines(items: Sequence[Item], learn_from: Sequence[Item] = ()) -> dict[str, dict[str, Any]]:
    """{shortcut: {score, chance, excess: interval}} on items with options; scores are expected accuracies."""
    chance = np.array([1 / len(options_of(i)) for i in items])
    lengths = [[len(o) for o in options_of(i)] for i in items]
    golds = [int(i.fields["gold"]) for i in items]
    rules = {
        "longest option": np.array([share_of_best(n, g) for n, g in zip(lengths, golds, strict=True)]),
        "shortest option": np.array([share_of_best([-x for x in n], g) for n, g in zip(lengths, golds, strict=True)]),
        "option words alone": option_words(items, learn_from),
    }
    clusters = [i.cluster_id for i in items]
    out = {}
    for rule, score in rules.items():
        found = mean_over(score - chance, clusters) if score is not None else None
        if found is not None:
            out[rule] = {
                "score": round(float(score.mean()), 4),  # type: ignore[union-attr]
                "chance": round(float(chance.mean()), 4),
                "excess": rounded(found),
            }
    return out


def flagged(found: dict[str, dict[str, Any]]) -> list[str]:
    """Shortcuts whose excess over chance is clear of the margin."""
    return [rule for rule, b in found.items() if b["excess"]["lower"] is not None and b["excess"]["lower"] > MARGIN]


def check(context: AuditContext) -> list[dict[str, Any]]:
    learnt: dict[str, dict[str, Item]] = {}
    for rows in context.training.values():
        for kind, items in rows.items.items():
            learnt.setdefault(kind, {}).update({"|".join([i.cluster_id, *options_of(i)]): i for i in items})
    out = []
    for name in dict.fromkeys([*context.items, *learnt]):
        asked = [i for i in context.items.get(name, []) if "gold" in i.fields and _has_text(i)]
        trained = list(learnt.get(name, {}).values())
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


def _has_text(item: Item) -> bool:
    return bool(options_of(item)) and ("question" in item.fields or "context" in item.fields)


def _positions(context: AuditContext, name: str) -> dict[str, dict[str, Any]]:
    """ "Always the same letter", where one order is presented (with several, each letter scores chance by design)."""
    counts, averaged, _ = positions(context, name)
    if averaged or not counts:
        return {}
    items = [i for i in context.items[name] if "gold" in i.fields and _has_text(i)]
    asked = context.prompts.get(name)
    golds = [int(p[0].gold or 0) for p in asked] if asked else [int(i.fields["gold"]) for i in items]
    chance = np.array([1 / len(options_of(i)) for i in items])
    out = {}
    for k in sorted(counts):
        score = (np.array(golds) == k).astype(float)
        found = mean_over(score - chance, [i.cluster_id for i in items])
        if found is not None:
            out[f"always {LETTERS[k]}"] = {
                "score": round(float(score.mean()), 4),
                "chance": round(float(chance.mean()), 4),
                "excess": rounded(found),
            }
    return out
