"""Training rows of the null adapters: the same prompts, with answers that teach no domain (docs/metrics.md, section 4, rule 5).

A shift of such an adapter comes from training on this *form*; only what a domain adds to it is the domain's.
"""

import dataclasses
import random
from collections.abc import Sequence
from typing import Literal

from holdfast.errors import DataError
from holdfast.records import Example, Message

Answers = Literal["own", "permuted", "first"]


def with_answers(examples: Sequence[Example], how: Answers, seed: int) -> list[Example]:
    """`permuted`: every prompt gets the answer of another row, a lettered question one of its own options at random.
    `first`: every lettered question is answered with the option shown first; rows without options are left out.

    Raises DataError if no row is left, or if there are too few rows to permute.
    """
    if how == "own":
        return list(examples)
    if how == "first":
        kept = [_with_answer(e, e.options[0]) for e in examples if e.options]
        if not kept:
            raise DataError("answers: first: no training row has options; name lettered rows, for example mmlu")
        return kept
    rng = random.Random(f"permuted/{seed}")
    open_ = [i for i, e in enumerate(examples) if not e.options]
    if len(open_) == 1:
        raise DataError("answers: permuted: a single row without options has no other row to take its answer from")
    out = [_with_answer(e, rng.choice(e.options)) if e.options else e for e in examples]
    # Within each form (written reply, plain text), so that the format of every answer stays what it was.
    for plain in (False, True):
        mine = [i for i in open_ if examples[i].plain == plain]
        for place, taken in zip(mine, _deranged(mine, rng), strict=True):
            out[place] = _with_answer(examples[place], _answer(examples[taken]))
    return out


def _deranged(places: list[int], rng: random.Random) -> list[int]:
    """`places` in an order in which none stays where it was: one cycle through all of them."""
    order = rng.sample(places, len(places))
    after = dict(zip(order, order[1:] + order[:1], strict=True))
    return [after[p] for p in places]


def _answer(example: Example) -> str:
    return example.completion if example.plain else example.messages[-1].content


def _with_answer(example: Example, reply: str) -> Example:
    if example.plain:
        return dataclasses.replace(example, completion=reply)
    return dataclasses.replace(example, messages=(*example.messages[:-1], Message("assistant", reply)))
