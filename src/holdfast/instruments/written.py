"""Answers that were written where they would have been scored, and answers that are missing: how both become trials."""

from __future__ import annotations

import dataclasses
import math
import re

from holdfast import parsing
from holdfast.instruments.base import Answered, Instrument
from holdfast.records import Item, Prompt, Response, Trial


def read_choice(prompt: Prompt, reply: str) -> int | None:
    """Index of the one choice that a written reply names; None where it names none or several."""
    bare = [c.strip() for c in prompt.choices]
    said = reply.strip()
    if prompt.prefill and said.startswith(prompt.prefill.strip()):
        said = said.removeprefix(prompt.prefill.strip()).strip()
    letters = all(re.fullmatch(r"[A-Z]", c) for c in bare)
    ends = r"(?!\w| \w)" if letters else r"(?!\w)"  # "A cat" opens with no letter
    opens = [j for j, c in enumerate(bare) if c and re.match(re.escape(c) + ends, said)]
    if opens:
        longest = max(len(bare[j]) for j in opens)
        opens = [j for j in opens if len(bare[j]) == longest]
        return opens[0] if len(opens) == 1 else None
    if letters:
        letter = parsing.read_letter(reply, dict.fromkeys(bare, "")).letter
        return bare.index(letter) if letter in bare else None
    if all(c.isdigit() for c in bare):
        value, _ = parsing.stated_number(reply)
        return bare.index(str(value)) if value is not None and str(value) in bare else None
    named = [j for j, c in enumerate(bare) if c and re.search(rf"(?<!\w){re.escape(c)}(?!\w)", said)]
    return named[0] if len(named) == 1 else None


def known(pairs: Answered) -> Answered:
    """Those with an answer: scored, written and read, or a free reply."""
    return [(p, r) for p, r in pairs if r.failed is None and (r.logliks or not p.choices)]


def trials(instrument: Instrument, item: Item, pairs: Answered) -> list[Trial]:
    """The instrument's trials of what was answered, and one row without a number for every answer that is missing.

    A request that failed is missing: nothing is scored for it, and a benchmark's item of which one failed has no score at all. A written
    reply that names no choice is unparsed; where no reply of a benchmark's item names one, its score is 0.
    """
    found = known(pairs)
    lost = any(r.failed is not None for _, r in pairs)
    if instrument.kind == "benchmark" and lost:
        found = []
    made = instrument.trials(item, found) if found else []
    if len(found) == len(pairs) and not any(p.choices and r.text is not None for p, r in pairs):
        return made
    score = math.nan if lost or instrument.kind != "benchmark" else made[0].score if made else 0.0
    by_place = {(t.condition, t.rotation): t for t in made}
    return [_row(instrument, item, p, r, by_place.get((p.condition, p.rotation)), score) for p, r in pairs]


def _row(instrument: Instrument, item: Item, prompt: Prompt, response: Response, made: Trial | None, score: float) -> Trial:
    text = response.text
    if made is None:
        form = "generated" if text is not None or not prompt.choices else instrument.form if instrument.kind == "benchmark" else "mass"
        made = Trial(
            item_id=item.item_id,
            cluster_id=item.cluster_id,
            condition=prompt.condition,
            rotation=prompt.rotation,
            form=form,
            outcome="unparsed",
            score=score,
            num_prompt_tokens=response.num_prompt_tokens,
        )
    if not prompt.choices or text is None:
        return made
    nan = math.nan
    return dataclasses.replace(
        made,
        form="generated",
        kappa=nan,
        loglik_gold=nan,
        loglik_suggested=nan,
        margin=nan,
        num_new_tokens=response.num_new_tokens,
        refused=parsing.refused(text),
        apologised=parsing.apologised(text),
        ended=response.ended,
    )
