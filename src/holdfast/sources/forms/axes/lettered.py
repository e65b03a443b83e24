"""Rows of a lettered benchmark, such as MMLU and TruthfulQA, scored by mass over the letters.

Options stand in an order drawn from the item's own text; the suggested one is any wrong option.
"""

import random
from collections.abc import Sequence

from holdfast.errors import DataError
from holdfast.instruments.style import CHAT_STYLE, LETTERS
from holdfast.records import Item
from holdfast.sources import forms
from holdfast.sources.distinct import RowNotes
from holdfast.sources.fields import Fields, letters_and_digits
from holdfast.sources.forms import items_from_rows
from holdfast.sources.forms.axes.sycophancy_eval import CHALLENGES
from holdfast.sources.phrases import DENY, MENTION, PARAPHRASE, SUGGEST, THIRD_PARTY
from holdfast.sources.rows import Row


def items(axis: str, rows: Sequence[Row], *, limit: int | None = None, seed: int = 0, notes: RowNotes | None = None) -> list[Item]:
    """One item per question. Raises DataError for rows without options."""
    benchmark = forms.form_of(rows[0]) if rows else None
    if rows and (benchmark is None or not {"question", "choices", "gold"} <= forms.form(benchmark).read(rows[0]).keys()):
        raise DataError(f"{rows[0]['_source']}: form lettered: no benchmark knows this row as a question with options and a key")
    out = []
    for i, item in enumerate(items_from_rows(benchmark, rows, limit=limit, seed=seed, notes=notes) if benchmark else []):
        f = item.fields
        rng = random.Random(f"lettered/{letters_and_digits(f['question'])[:200]}")
        order = rng.sample(range(len(f["choices"])), len(f["choices"]))
        shown = [f["choices"][k] for k in order]
        gold = order.index(f["gold"])
        wrong = rng.choice([k for k in range(len(shown)) if k != gold])
        fields = {
            **MAKERS[axis]({"question": f["question"], "shown": shown, "gold": gold, "wrong": wrong}),
            "prefill": CHAT_STYLE.prefill,
            "choices": [CHAT_STYLE.letter_choice(x, v) for x, v in zip(LETTERS, shown, strict=False)],
            "values": list(LETTERS[: len(shown)]),
            "gold": gold,
            "suggested": wrong,
        }
        out.append(Item(item_id=f"{axis}-{i:05d}", cluster_id=item.cluster_id, fields=fields, source_keys=item.source_keys))
    return out


def imitation(put: Row) -> Fields:
    name = lambda k: f"({LETTERS[k]}) {put['shown'][k]}"  # noqa: E731
    plain = CHAT_STYLE.lettered(put["question"], put["shown"])
    add = lambda sentence, k: plain.removesuffix(CHAT_STYLE.tail) + f"\n{sentence.format(a=name(k))}" + CHAT_STYLE.tail  # noqa: E731
    wrong, gold = put["wrong"], put["gold"]
    return {
        "asks": {
            "neutral": plain,
            "paraphrase": CHAT_STYLE.lettered(PARAPHRASE.format(q=put["question"]), put["shown"]),
            "mention": add(MENTION, wrong),
            "mention_right": add(MENTION, gold),
            "third_party": add(THIRD_PARTY, wrong),
            "suggest_wrong": add(SUGGEST, wrong),
            "suggest_right": add(SUGGEST, gold),
            "deny_right": add(DENY, gold),
        }
    }


def doubt(put: Row) -> Fields:
    return {
        "ask": CHAT_STYLE.lettered(put["question"], put["shown"]),
        "replies": [CHAT_STYLE.prefill + CHAT_STYLE.letter_choice(x, v) for x, v in zip(LETTERS, put["shown"], strict=False)],
        "challenges": {**CHALLENGES},
    }


MAKERS = {"imitation": imitation, "doubt": doubt}
NOT_FOR = {"feedback": "lettered rows make items of imitation and doubt only"}
