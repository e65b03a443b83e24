"""Contrasts between adapters measured on the same items: pairs, and additivity.

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
from holdfast.stats._inputs import Labels, Vector, cluster_codes, vector
from holdfast.stats.crossed import Interval, Pool, Term, combine_terms, measure_term


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """A named contrast."""

    name: str  # the contrast in words, "a - b"
    weights: tuple[float, ...]  # one weight per adapter, in the order of the names it was built from


def measure_terms(diffs: Sequence[np.ndarray], cluster_I: Labels, *, names: Sequence[str], pooled: Pool | None = None) -> list[Term]:
    """Each adapter's part in contrasts, computed once for many of them.

    Args:
        diffs: each adapter's paired differences, seeds x items; the items are the same and in the same order.
        cluster_I: cluster label of each item.
        names: what errors call each adapter's array.
        pooled: the study's seed variance, as for `crossed`.
    Returns:
        One term per adapter.
    Raises:
        StatisticsError: unequal numbers of items, or an adapter without a known difference.
    """
    shaped = [np.atleast_2d(np.asarray(diff_SI, dtype=float)) for diff_SI in diffs]
    if len({diff_SI.shape[1] for diff_SI in shaped}) > 1:
        raise StatisticsError(f"diffs: {[d.shape[1] for d in shaped]} items; adapters must be measured on the same items")
    code_I = cluster_codes(cluster_I, shaped[0].shape[1])
    return [measure_term(diff_SI, code_I, pooled, name) for diff_SI, name in zip(shaped, names, strict=True)]


def combine(
    diffs: Sequence[np.ndarray], weights: Vector, cluster_I: Labels, *, pooled: Pool | None = None, level: float = 0.95
) -> Interval:
    """Sum over adapters of weight times mean shift, with its interval over crossed seeds and clusters.

    Args:
        diffs: each adapter's paired differences, seeds x items, nan: not in that seed's set; the same items in the same order.
        weights: one per adapter; an adapter of weight 0 plays no part.
        cluster_I: cluster label of each item.
        pooled: the study's seed variance, as for `crossed`.
        level: nominal coverage, a fraction.
    Returns:
        Interval in units of `diffs`; its `seed_variance` is the contrast's with one seed of each adapter.
        One seed of every adapter: over items only; one seed of some: unknown, unless pooled.
    Raises:
        StatisticsError: unequal shapes, weights that are all 0 or unknown, or an adapter without a known difference.
    """
    weight_A = vector("weights", weights, len(diffs))
    if np.isnan(weight_A).any() or not weight_A.any():
        raise StatisticsError(f"weights: {weight_A.tolist()}; known numbers, not all 0, are needed")
    used = np.flatnonzero(weight_A).tolist()
    terms = measure_terms([diffs[a] for a in used], cluster_I, names=[f"diffs[{a}]" for a in used], pooled=pooled)
    return combine_terms(terms, weight_A[used], pooled=pooled, level=level)


def every_pair(names: Sequence[str]) -> list[Combination]:
    """First minus second for each pair of adapters.

    Args:
        names: the adapters' names.
    Returns:
        One contrast per pair, in the order of the names.
    Raises:
        StatisticsError: fewer than two names, or a repeated one.
    """
    names = _distinct(names)
    pairs = itertools.combinations(names, 2)
    return [Combination(name=f"{a} - {b}", weights=tuple({a: 1.0, b: -1.0}.get(name, 0.0) for name in names)) for a, b in pairs]


def additivity(names: Sequence[str], combined: str, parts: Sequence[str], null: str | None = None) -> list[Combination]:
    """Does mixing amplify? The combined adapter minus the mean of its parts, and minus their sum, all beyond a null adapter.

    A sum of parts counts what training does by itself once per part; without a null adapter that shows it there is no such contrast.

    Args:
        names: all adapters' names.
        combined: the adapter trained on all parts.
        parts: the adapters trained on one part each.
        null: an adapter trained on the same prompts with answers that teach nothing; None: there is none.
    Returns:
        One contrast, or two with a null. Positive minus the sum: more than the parts add up to; positive minus the mean only: less than
        that, but more than one part.
    Raises:
        StatisticsError: an unknown name, fewer than two parts, or the combined adapter among its parts.
    """
    names, parts = _distinct(names), _distinct(parts)
    for name in (combined, *parts, *([null] if null else [])):
        if name not in names:
            raise StatisticsError(f"names: unknown adapter {name!r}; available: {', '.join(names)}")
    if combined in parts:
        raise StatisticsError(f"parts: {combined!r} is the combined adapter itself")
    declared = [(f"{combined} - mean of its parts", {combined: 1.0, **dict.fromkeys(parts, -1.0 / len(parts))})]
    if null:
        # (combined - null) - sum(part - null)
        declared.append(
            (f"{combined} - sum of its parts, beyond {null}", {combined: 1.0, **dict.fromkeys(parts, -1.0), null: len(parts) - 1.0})
        )
    return [Combination(name=name, weights=tuple(weights.get(n, 0.0) for n in names)) for name, weights in declared]


def _distinct(names: Sequence[str]) -> list[str]:
    names = list(names)
    if len(names) < 2 or len(set(names)) < len(names):
        raise StatisticsError(f"names: {names}; at least two are needed, each once")
    return names
