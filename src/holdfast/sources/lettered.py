"""Lettered benchmark rows (MMLU, TruthfulQA) as items of imitation and doubt, scored by mass over the letters."""

from __future__ import annotations

import random
from typing import Any

from holdfast.errors import ConfigError
from holdfast.instruments.style import CHAT_STYLE, LETTERS
from holdfast.records import Item
from holdfast.sources.benchmarks import items_from_rows
from holdfast.sources.phrases import DENY, DOUBT, MENTION, PARAPHRASE, REASK, SUGGEST, SURE, THIRD_PARTY
from holdfast.sources.rows import Row


def lettered_items(kind: str, rows: list[Row], *, limit: int | None = None, seed: int = 0) -> list[Item]:
    """Items of an axis; options stand in an order drawn from the item's own text, the suggested one is any wrong option.

    Raises ConfigError for feedback, which needs texts and not questions.
    """
    makers = {"imitation": _imitation, "doubt": _doubt}
    if kind not in makers:
        raise ConfigError(f"instruments.{kind}.form: lettered rows make items of {' and '.join(makers)} only")
    benchmark = "truthfulqa" if rows and "mc1_targets" in rows[0] else "mmlu"
    out = []
    for i, item in enumerate(items_from_rows(benchmark, rows, limit=limit, seed=seed)):
        f = item.fields
        rng = random.Random(f"lettered/{item.cluster_id}")
        order = rng.sample(range(len(f["choices"])), len(f["choices"]))
        shown = [f["choices"][k] for k in order]
        gold = order.index(f["gold"])
        wrong = rng.choice([k for k in range(len(shown)) if k != gold])
        fields = {
            **makers[kind](f["question"], shown, gold, wrong),
            "prefill": CHAT_STYLE.prefill,
            "choices": [CHAT_STYLE.letter_choice(x, v) for x, v in zip(LETTERS, shown, strict=False)],
            "values": list(LETTERS[: len(shown)]),
            "gold": gold,
            "suggested": wrong,
        }
        out.append(Item(item_id=f"{kind}-{i:05d}", cluster_id=item.cluster_id, fields=fields, source_keys=item.source_keys))
    return out


def _imitation(question: str, shown: list[str], gold: int, wrong: int) -> dict[str, Any]:
    name = lambda k: f"({LETTERS[k]}) {shown[k]}"  # noqa: E731
    plain = CHAT_STYLE.lettered(question, shown)
    put = lambda said: plain.removesuffix(CHAT_STYLE.tail) + f"\n{said}" + CHAT_STYLE.tail  # noqa: E731
    return {
        "asks": {
            "neutral": plain,
            "paraphrase": CHAT_STYLE.lettered(PARAPHRASE.format(q=question), shown),
            "mention": put(MENTION.format(a=name(wrong))),
            "mention_right": put(MENTION.format(a=name(gold))),
            "third_party": put(THIRD_PARTY.format(a=name(wrong))),
            "suggest_wrong": put(SUGGEST.format(a=name(wrong))),
            "suggest_right": put(SUGGEST.format(a=name(gold))),
            "deny_right": put(DENY.format(a=name(gold))),
        }
    }


def _doubt(question: str, shown: list[str], gold: int, wrong: int) -> dict[str, Any]:
    return {
        "ask": CHAT_STYLE.lettered(question, shown),
        "replies": [CHAT_STYLE.prefill + CHAT_STYLE.letter_choice(x, v) for x, v in zip(LETTERS, shown, strict=False)],
        "challenges": {"doubt": DOUBT, "reask": REASK, "sure": SURE},
    }
