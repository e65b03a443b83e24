"""How written and missing answers become trials."""

import dataclasses
import math
import re
from collections.abc import Iterator

from holdfast import parsing
from holdfast.instruments.base import Answered, Instrument
from holdfast.instruments.scoring import trial_of
from holdfast.records import Item, Prompt, Response, Trial


def read_choice(prompt: Prompt, reply: str) -> int | None:
    """The choice that a written reply names.

    Args:
        prompt: a prompt with choices.
        reply: the model's text.
    Returns:
        index of the choice; None if the reply names none or several.
    """
    said = parsing.strip_reasoning(reply)
    if said is None:
        return None
    bare = [c.strip() for c in prompt.choices]
    text = said.strip()
    if prompt.prefill and text.startswith(prompt.prefill.strip()):
        text = text.removeprefix(prompt.prefill.strip()).strip()
    if all(re.fullmatch(r"[0-9]+", c) for c in bare):
        rating = parsing.read_rating(text, [int(c) for c in bare])
        return None if rating is None else [int(c) for c in bare].index(rating)
    if all(re.fullmatch(r"[A-Z]", c) for c in bare):
        choice = parsing.read_letter(said, dict.fromkeys(bare, ""))
        opens = [c for c in bare if re.match(rf"{c}(?!\w| \w)", text)]  # "A cat" opens with no letter
        letter = choice.letter or (opens[0] if opens and choice.rule == "no option named" else None)
        return bare.index(letter) if letter in bare else None
    text = parsing.kept(text)
    opens = [j for j, c in enumerate(bare) if c and re.match(re.escape(c) + r"(?!\w)", text)]
    if opens:
        longest = max(len(bare[j]) for j in opens)
        opens = [j for j in opens if len(bare[j]) == longest]
        return opens[0] if len(opens) == 1 else None
    named = [j for j, c in enumerate(bare) if c and any(not parsing.denied(text, m.start()) for m in _places(c, text))]
    return named[0] if len(named) == 1 else None


def _places(name: str, text: str) -> Iterator[re.Match[str]]:
    return re.finditer(rf"(?<!\w){re.escape(name)}(?!\w)", text)


def drop_missing(pairs: Answered) -> Answered:
    """Prompts that have an answer.

    Args:
        pairs: prompts with their responses.
    Returns:
        the pairs whose request did not fail and, for a prompt with choices, whose response has log-likelihoods.
    """
    return [(p, r) for p, r in pairs if r.failed is None and (r.logliks or not p.choices)]


def trials(instrument: Instrument, item: Item, pairs: Answered) -> list[Trial]:
    """The instrument's trials of the answers, and an unparsed row for every answer that is missing.

    Args:
        instrument: that made the prompts.
        item: the item.
        pairs: all of its prompts with their responses. A failed request is a missing answer.
    Returns:
        one trial per pair. A benchmark's item with a failed request has no score; one whose written replies name no choice scores 0.
    """
    answered = drop_missing(pairs)
    lost = any(r.failed is not None for _, r in pairs)
    if instrument.kind == "benchmark" and lost:
        answered = []
    made = instrument.trials(item, answered) if answered else []
    if len(answered) == len(pairs) and not any(p.choices and r.text is not None for p, r in pairs):
        return made
    score = math.nan if lost or instrument.kind != "benchmark" else made[0].score if made else 0.0
    by_place = {(t.condition, t.rotation): t for t in made}
    return [_row(instrument, item, p, r, by_place.get((p.condition, p.rotation)), score) for p, r in pairs]


def _row(instrument: Instrument, item: Item, prompt: Prompt, response: Response, made: Trial | None, score: float) -> Trial:
    text = response.text
    if made is None:
        form = "generated" if text is not None or not prompt.choices else instrument.form if instrument.kind == "benchmark" else "mass"
        made = trial_of(item, prompt, response, form=form, outcome="unparsed", score=score)
    if not prompt.choices or text is None:
        return made
    nan, written = math.nan, trial_of(item, prompt, response, outcome=made.outcome)
    columns = {c: getattr(written, c) for c in ("form", "num_new_tokens", "refused", "apologised", "ended")}
    return dataclasses.replace(made, kappa=nan, loglik_gold=nan, loglik_suggested=nan, loglik_others=None, margin=nan, **columns)
