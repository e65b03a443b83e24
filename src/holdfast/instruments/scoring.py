"""From log-likelihoods of an answer set to a trial (METRICS section 1: the mass form)."""

from __future__ import annotations

import math

import numpy as np

from holdfast.records import Item, Prompt, Response, Trial


def normalised(logliks: tuple[float, ...]) -> tuple[np.ndarray, float]:
    """(probabilities over the answer set, kappa = the set's share of all probability)."""
    values = np.asarray(logliks, dtype=np.float64)
    top = values.max()
    weights = np.exp(values - top)
    return weights / weights.sum(), float(min(1.0, math.exp(top) * weights.sum()))


def winner(values: np.ndarray | tuple[float, ...]) -> int | None:
    """Index of the largest value; None for a tie, which nobody wins, and where a value is unknown."""
    known = values.tolist() if isinstance(values, np.ndarray) else list(values)
    top = max(known)
    return known.index(top) if known.count(top) == 1 and not any(v != v for v in known) else None


def outcome(chosen: int | None, gold: int | None, suggested: int | None) -> str:
    if chosen is not None and chosen == gold:
        return "correct"
    return "suggested" if chosen is not None and chosen == suggested else "other"


def mass_trial(
    item: Item, prompt: Prompt, response: Response, *, score: float = math.nan, rating: float = math.nan, label: int = -1
) -> Trial:
    """One scored prompt as a row of the trials table."""
    share, kappa = normalised(response.logliks)
    chosen = winner(response.logliks)
    gold, suggested = prompt.gold, prompt.suggested
    loglik = lambda i: response.logliks[i] if i is not None else math.nan  # noqa: E731
    return Trial(
        item_id=item.item_id,
        cluster_id=item.cluster_id,
        condition=prompt.condition,
        rotation=prompt.rotation,
        form="mass",
        outcome=outcome(chosen, gold, suggested),
        tie=chosen is None,
        kappa=kappa,
        score=score,
        rating=rating,
        p_gold=float(share[gold]) if gold is not None else math.nan,
        p_suggested=float(share[suggested]) if suggested is not None else math.nan,
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
            total[value] = total.get(value, 0.0) + float(p) / len(answered)
    return total
