"""Benchmark rows -> evaluation items and training examples."""

from __future__ import annotations

import dataclasses
import random
import re
import unicodedata
from typing import Any

from holdfast.errors import ConfigError, DataError
from holdfast.instruments.style import LETTERS, Style
from holdfast.records import Example, Item, Message
from holdfast.sources.rows import Row

_TAG = re.compile(r"\[.*?\]")


def key(text: str) -> str:
    """Normalised text by which overlap is found: NFKC, case folded, letters and digits only."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{row['_source']}: {name}: {value!r}: must be text that is not empty")
    return value


def _label(row: Row, name: str, count: int) -> int:
    value = row.get(name)
    number = int(value) if isinstance(value, int) or (isinstance(value, str) and value.strip().isdigit()) else -1
    if not 0 <= number < count or isinstance(value, bool):
        raise DataError(f"{row['_source']}: {name}: {value!r}: must be a whole number from 0 to {count - 1}")
    return number


def _options(row: Row, name: str, value: Any, low: int = 2) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) < low or not all(isinstance(v, str) for v in value):
        raise DataError(f"{row['_source']}: {name}: must be a list of at least {low} texts")
    return list(value)


def _gsm8k(row: Row) -> dict[str, Any]:
    answer = _text(row, "answer")
    if "####" not in answer:
        raise DataError(f"{row['_source']}: answer: holds no '#### number'; correct the row")
    number = answer.rsplit("####", 1)[1].strip().replace(",", "")
    return {"question": _text(row, "question"), "answer": number, "solution": answer}


def _mmlu(row: Row) -> dict[str, Any]:
    choices = _options(row, "choices", row.get("choices"))
    return {"question": _text(row, "question").strip(), "choices": choices, "gold": _label(row, "answer", len(choices)),
            "subject": row.get("subject", "")}  # fmt: skip


def _hellaswag(row: Row) -> dict[str, Any]:
    # The published harness's preprocessing: titles become sentence ends, other tags vanish.
    clean = lambda text: _TAG.sub("", text.strip().replace(" [title]", ". ")).replace("  ", " ")  # noqa: E731
    endings = _options(row, "endings", row.get("endings"))
    halves = row.get("ctx_a"), row.get("ctx_b")
    both = all(isinstance(h, str) for h in halves) and any(map(str.strip, halves))
    context = f"{halves[0]} {str(halves[1]).capitalize()}" if both else _text(row, "ctx")
    activity = row.get("activity_label") or ""
    return {"context": clean(f"{activity}: {context}" if activity else context), "endings": [clean(e) for e in endings],
            "gold": _label(row, "label", len(endings))}  # fmt: skip


def _truthfulqa(row: Row) -> dict[str, Any]:
    target = row.get("mc1_targets")
    if not isinstance(target, dict):
        raise DataError(f"{row['_source']}: mc1_targets: {type(target).__name__}: must hold choices and labels")
    choices, labels = _options(row, "mc1_targets.choices", target.get("choices")), target.get("labels")
    if not isinstance(labels, list) or len(labels) != len(choices) or labels.count(1) != 1:
        raise DataError(f"{row['_source']}: mc1_targets.labels: must mark exactly one of {len(choices)} choices with 1")
    question = _text(row, "question")
    return {"question": question, "choices": choices, "gold": labels.index(1), "permutation_seed": key(question)}


READERS = {"gsm8k": _gsm8k, "mmlu": _mmlu, "hellaswag": _hellaswag, "truthfulqa": _truthfulqa}


def items_from_rows(kind: str, rows: list[Row], *, limit: int | None = None, seed: int = 0) -> list[Item]:
    """Items of a benchmark: a seeded sample of `limit` distinct texts; clusters are texts."""
    if kind not in READERS:
        raise ConfigError(f"data: no reader for {kind!r}; available: {', '.join(READERS)}")
    found: dict[str, Item] = {}
    for row in rows:
        fields = READERS[kind](row)
        stem = key(fields.get("question") or fields["context"])
        whole = stem + "|" + "|".join(fields.get("choices", fields.get("endings", [])))
        name = f"{kind}-{len(found):05d}"
        found.setdefault(whole, Item(item_id=name, cluster_id=stem[:200], fields=fields, source_keys=(stem,)))
    items = list(found.values())
    return items if limit is None or limit >= len(items) else random.Random(f"{kind}/{seed}").sample(items, limit)


def examples_from_rows(
    kind: str, rows: list[Row], style: Style, *, seed: int = 0, shuffle: bool = True, limit: int | None = None
) -> list[Example]:
    """Training conversations in the words of `style`. Options are shuffled unless `shuffle` is off (the published defect)."""
    rng = random.Random(f"examples/{kind}/{seed}")
    rows = rows if limit is None or limit >= len(rows) else rng.sample(rows, limit)
    out = []
    for row in rows:
        fields, options = READERS[kind](row), ()
        stem = (key(fields.get("question") or fields["context"]),)
        if kind == "gsm8k":
            user, reply = fields["question"], row["answer"]
        elif kind == "hellaswag":
            ending = fields["endings"][fields["gold"]]
            out.append(Example(plain=True, messages=(Message("user", fields["context"]),), completion=ending, source_keys=stem))
            continue
        else:
            order = list(range(len(fields["choices"])))
            if shuffle:
                rng.shuffle(order)
            shown = [fields["choices"][i] for i in order]
            gold = order.index(fields["gold"])
            user = style.lettered(fields["question"], shown)
            options = tuple(style.prefill.strip() + style.letter_choice(x, v) for x, v in zip(LETTERS, shown, strict=False))
            reply = options[gold]
        out.append(Example(messages=(Message("user", user), Message("assistant", reply)), source_keys=stem, options=options))
    return out


def with_shots(kind: str, items: list[Item], rows: list[Row], count: int) -> list[Item]:
    """Items that carry their solved examples: the first `count` rows, of the item's own subject where rows have one.

    Raises DataError if fewer than `count` rows are there; an item is never its own example.
    """
    solved = [READERS[kind](row) for row in rows]
    out = []
    for item in items:
        mine = [s for s in solved if s.get("subject") == item.fields.get("subject") and s["question"] != item.fields["question"]]
        if len(mine) < count:
            raise DataError(
                f"instruments.{kind}.shots: {count} solved examples are asked for and shots_split has {len(mine)} "
                f"{'for subject ' + repr(item.fields['subject']) if item.fields.get('subject') else ''}; lower shots"
            )
        out.append(dataclasses.replace(item, fields={**item.fields, "shots": mine[:count]}))
    return out
