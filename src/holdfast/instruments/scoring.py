"""From log-likelihoods of an answer set to a trial (METRICS section 1: the mass form)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from holdfast.records import Item, Prompt, Response, Trial


def normalised(logliks: tuple[float, ...]) -> tuple[list[float], float]:
    """(probabilities over the answer set, kappa = the set's share of all probability); nan where a log-likelihood is unknown."""
    top = max(logliks)
    weights = [math.exp(value - top) for value in logliks]
    total = sum(weights)
    kappa = math.exp(top) * total
    return [w / total for w in weights], 1.0 if kappa > 1.0 else kappa


def winner(values: Sequence[float]) -> int | None:
    """Index of the largest value; None for a tie, which nobody wins, and where a value is unknown."""
    top = max(values)
    return values.index(top) if values.count(top) == 1 and not any(v != v for v in values) else None


def first_largest(values: Sequence[float]) -> int:
    """Index of the largest value, of the first where several are; -1 where a value is unknown."""
    return -1 if any(v != v for v in values) else values.index(max(values))


def outcome(chosen: int | None, gold: int | None, suggested: int | None) -> str:
    if chosen is not None and chosen == gold:
        return "correct"
    return "suggested" if chosen is not None and chosen == suggested else "other"


def mass_trial(
    item: Item, prompt: Prompt, response: Response, *, score: float = math.nan, rating: float = math.nan, label: int = -1
) -> Trial:
    """One scored prompt as a row of the trials table; one whose log-likelihoods are unknown is unparsed, as an answer that is missing."""
    share, kappa = normalised(response.logliks)
    chosen, unknown = winner(response.logliks), kappa != kappa
    gold, suggested = prompt.gold, prompt.suggested
    loglik = lambda i: response.logliks[i] if i is not None else math.nan  # noqa: E731
    return Trial(
        item_id=item.item_id,
        cluster_id=item.cluster_id,
        condition=prompt.condition,
        rotation=prompt.rotation,
        form="mass",
        outcome="unparsed" if unknown else outcome(chosen, gold, suggested),
        tie=chosen is None and not unknown,
        kappa=kappa,
        score=score,
        rating=rating,
        p_gold=share[gold] if gold is not None else math.nan,
        p_suggested=share[suggested] if suggested is not None else math.nan,
        loglik_gold=loglik(gold),
        loglik_suggested=loglik(suggested),
        margin=loglik(gold) - loglik(suggested),
        label=label,
        num_prompt_tokens=response.num_prompt_tokens,
    )


def rotation_average(answered: list[tuple[Prompt, Response]]) -> dict[str, float]:
    """Probability of each meaning, averaged over label rotations (probabilities, not logs)."""
    total: dict[str, float] = {}
    for prompt, response in answered:
        share, _ = normalised(response.logliks)
        for value, p in zip(prompt.values, share, strict=True):
            total[value] = total.get(value, 0.0) + p / len(answered)
    return total
