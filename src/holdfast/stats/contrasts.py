"""Contrasts between adapters measured on the same items: domain against domain, one against the rest, additivity.

A contrast is a weighted sum of the adapters' means. Items are shared, so its cluster part is that of the weighted sum of the
adapters' influences: what every adapter does to an item alike cancels. Training seeds are not shared, so the seed parts add with
squared weights. `crossed` is the sum of one adapter with weight 1: both are assembled by the same lines.
Degrees of freedom over adapters by Satterthwaite (1946), as in Welch's test; of seeds and clusters together as in `crossed`.
Cameron, Gelbach & Miller (2011); Miller (2024), arXiv:2411.00640, section 4 (paired differences).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import cluster_codes, fraction, vector
from holdfast.stats.crossed import Interval, Term, _combined, _term


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """A named contrast: one weight for each adapter, in the order of the names it was built from."""

    name: str
    weights: tuple[float, ...]


def measured_terms(
    diffs: Sequence[np.ndarray],
    cluster_I: np.ndarray | Sequence[object],
    *,
    names: Sequence[str],
    pooled: tuple[float, float] | None = None,
) -> list[Term]:
    """Each adapter's part in contrasts, computed once for many of them; `names` are those that errors give."""
    shaped = [np.atleast_2d(np.asarray(diff_SI, dtype=float)) for diff_SI in diffs]
    if len({diff_SI.shape[1] for diff_SI in shaped}) > 1:
        raise StatisticsError(f"diffs: {[d.shape[1] for d in shaped]} items; adapters must be measured on the same items")
    code_I = cluster_codes(cluster_I, shaped[0].shape[1])
    return [_term(diff_SI, code_I, pooled, name) for diff_SI, name in zip(shaped, names, strict=True)]


def combine_terms(
    terms: Sequence[Term], weights: Sequence[float], *, pooled: tuple[float, float] | None = None, level: float = 0.95
) -> Interval:
    """`combine` for terms already measured (with the same `pooled`); those of weight 0 play no part."""
    level = fraction("level", level)
    pairs = [(float(w), term) for w, term in zip(weights, terms, strict=True) if w != 0]
    return _combined(pairs, pooled, level)


def combine(
    diffs: Sequence[np.ndarray],
    weights: Sequence[float],
    cluster_I: np.ndarray | Sequence[object],
    *,
    pooled: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Interval:
    """Sum over adapters of weight times mean shift, with the interval over crossed seeds and clusters.

    `diffs`: for each adapter its seeds x items, nan where an item is not in that seed's set; the items are the same and in the same
    order, the seeds need not be. `pooled`: the study's seed variance, as for `crossed`. Adapters of weight 0 play no part.
    `seed_variance` of the record is the contrast's with one seed of each adapter, `num_seeds` the fewest of any adapter, `n` the items any adapter knows.

    One seed of every adapter: an interval over items alone, `num_seeds` 1 says so. One seed of some: unknown, unless pooled.
    Raises StatisticsError for unequal shapes, weights that are all 0 or not known, or an adapter without a known difference.
    """
    weight_A = vector("weights", weights, len(diffs))
    if np.isnan(weight_A).any() or not weight_A.any():
        raise StatisticsError(f"weights: {weight_A.tolist()}; known numbers, not all 0, are needed")
    used = np.flatnonzero(weight_A)
    terms = measured_terms([diffs[a] for a in used], cluster_I, names=[f"diffs[{a}]" for a in used], pooled=pooled)
    return combine_terms(terms, weight_A[used], pooled=pooled, level=level)


def every_pair(names: Sequence[str]) -> list[Combination]:
    """First minus second for each pair, in the order of the names. Raises StatisticsError for fewer than two or a repeated name."""
    names = _names(names)
    return [Combination(name=f"{a} - {b}", weights=_weights(names, {a: 1.0, b: -1.0})) for a, b in itertools.combinations(names, 2)]


def against_rest(names: Sequence[str], one: str) -> Combination:
    """One adapter minus the mean of all the others ("verifiable against the rest"). Raises StatisticsError for an unknown name."""
    names = _names(names)
    _among(names, [one])
    rest = {name: -1.0 / (len(names) - 1) for name in names if name != one}
    return Combination(name=f"{one} - mean of the rest", weights=_weights(names, {one: 1.0, **rest}))


def additivity(names: Sequence[str], combined: str, parts: Sequence[str]) -> list[Combination]:
    """Does mixing amplify? The combined adapter minus the sum of its parts, and minus their mean.

    Above the sum: together more than each adds. Between mean and sum: together less than each adds, more than one of them. Raises
    StatisticsError for an unknown name, fewer than two parts, or the combined adapter among its parts.
    """
    names, parts = _names(names), _names(parts)
    _among(names, [combined, *parts])
    if combined in parts:
        raise StatisticsError(f"parts: {combined!r} is the combined adapter itself")
    return [
        Combination(name=f"{combined} - {word} of its parts", weights=_weights(names, {combined: 1.0, **dict.fromkeys(parts, -w)}))
        for word, w in (("sum", 1.0), ("mean", 1.0 / len(parts)))
    ]


def _names(names: Sequence[str]) -> list[str]:
    found = list(names)
    if len(found) < 2 or len(set(found)) < len(found):
        raise StatisticsError(f"names: {found}; at least two are needed, each once")
    return found


def _among(names: list[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in names:
            raise StatisticsError(f"names: unknown adapter {name!r}; available: {', '.join(names)}")


def _weights(names: list[str], given: dict[str, float]) -> tuple[float, ...]:
    return tuple(given.get(name, 0.0) for name in names)
