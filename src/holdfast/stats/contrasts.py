"""Contrasts between adapters measured on the same items: domain against domain, one against the rest, additivity.

A contrast is a weighted sum of the adapters' means. Items are shared, so its cluster part is that of the weighted sum of the
adapters' influences: what every adapter does to an item alike cancels. Training seeds are not shared, so the seed parts add with
squared weights. The parts themselves are those of `crossed`, asked of it, so that a contrast and its terms are never measured by different rules.
Degrees of freedom by Satterthwaite (1946). Cameron, Gelbach & Miller (2011); Miller (2024), arXiv:2411.00640, section 4 (paired differences).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import cluster_codes, fraction, student, vector
from holdfast.stats.crossed import Interval, crossed, seed_means


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """A named contrast: one weight for each adapter, in the order of the names it was built from."""

    name: str
    weights: tuple[float, ...]


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
    level = fraction("level", level)
    terms = _terms(diffs, weights)
    code_I = cluster_codes(cluster_I, terms[0][1].shape[1])
    used_I = np.any([(~np.isnan(diff_SI)).any(0) for _, diff_SI in terms], axis=0)
    influences = [_influence(diff_SI) for _, diff_SI in terms]
    together_I = sum(w * influence_SI.mean(0) for (w, _), influence_SI in zip(terms, influences, strict=True))
    cluster_variance, cluster_df = _over_clusters(together_I, used_I, code_I)
    estimate = float(sum(w * seed_means(diff_SI).mean() for w, diff_SI in terms))
    num_seeds = min(len(diff_SI) for _, diff_SI in terms)
    if max(len(diff_SI) for _, diff_SI in terms) == 1:
        variance, df, seed_variance = cluster_variance, cluster_df, float("nan")
    else:
        interaction = sum(w**2 * _interaction(i_SI, used_I, code_I) for (w, _), i_SI in zip(terms, influences, strict=True))
        shared = max(cluster_variance - interaction, 0.0) if cluster_variance == cluster_variance else float("nan")
        seed_part, seed_df, seed_variance = _seed_part(terms, pooled)
        variance, df = seed_part + shared, _degrees([(seed_part, seed_df), (shared, cluster_df)])
    se = float(np.sqrt(variance))
    lower, upper, p = student(estimate, se, df, level)
    return Interval(
        estimate=estimate,
        se=se,
        df=df,
        lower=lower,
        upper=upper,
        p=p,
        level=level,
        num_clusters=len(np.unique(code_I[used_I])),
        num_seeds=num_seeds,
        n=int(used_I.sum()),
        seed_variance=seed_variance,
        cluster_variance=cluster_variance,
    )


def every_pair(names: Sequence[str]) -> list[Combination]:
    """First minus second for each pair, in the order of the names. Raises StatisticsError for fewer than two or a repeated name."""
    names = _names(names)
    return [
        Combination(name=f"{a} - {b}", weights=_weights(names, {a: 1.0, b: -1.0})) for a, b in itertools.combinations(names, 2)
    ]


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
        Combination(
            name=f"{combined} - {word} of its parts", weights=_weights(names, {combined: 1.0, **dict.fromkeys(parts, -w)})
        )
        for word, w in (("sum", 1.0), ("mean", 1.0 / len(parts)))
    ]


def _terms(diffs: Sequence[np.ndarray], weights: Sequence[float]) -> list[tuple[float, np.ndarray]]:
    """(weight, seeds x items) of the adapters that play a part, without seeds that know no item."""
    weight_A = vector("weights", weights, len(diffs))
    if np.isnan(weight_A).any() or not weight_A.any():
        raise StatisticsError(f"weights: {weight_A.tolist()}; known numbers, not all 0, are needed")
    terms = []
    for a in np.flatnonzero(weight_A):
        diff_SI = np.atleast_2d(np.asarray(diffs[a], dtype=float))
        diff_SI = diff_SI[(~np.isnan(diff_SI)).any(1)]
        if not diff_SI.size:
            raise StatisticsError(f"diffs[{a}]: holds no known difference")
        terms.append((float(weight_A[a]), diff_SI))
    if len({diff_SI.shape[1] for _, diff_SI in terms}) > 1:
        raise StatisticsError(f"diffs: {[d.shape[1] for _, d in terms]} items; adapters must be measured on the same items")
    return terms


def _influence(diff_SI: np.ndarray) -> np.ndarray:
    """What each item adds to each seed's mean beyond that mean; sums to 0 over items."""
    known_SI = ~np.isnan(diff_SI)
    return np.where(known_SI, diff_SI - seed_means(diff_SI)[:, None], 0.0) / known_SI.sum(1, keepdims=True)


def _over_clusters(influence_I: np.ndarray, used_I: np.ndarray, code_I: np.ndarray) -> tuple[float, float]:
    """(variance over clusters, its degrees of freedom) of a sum of influences, as `crossed` has it for one seed."""
    found = crossed((influence_I[used_I] * used_I.sum())[None], code_I[used_I])
    return found.cluster_variance, found.df


def _interaction(influence_SI: np.ndarray, used_I: np.ndarray, code_I: np.ndarray) -> float:
    """The part of the cluster variance of a mean over seeds that is each seed's own; it is in the seed part already."""
    num_seeds = len(influence_SI)
    if num_seeds == 1:
        return 0.0
    rest_SI = influence_SI - influence_SI.mean(0)
    return sum(_over_clusters(row, used_I, code_I)[0] for row in rest_SI) / (num_seeds * (num_seeds - 1))


def _seed_part(terms: list[tuple[float, np.ndarray]], pooled: tuple[float, float] | None) -> tuple[float, float, float]:
    """(variance of the contrast over seeds, its degrees of freedom, the same with one seed of each adapter)."""
    parts, single = [], 0.0
    for weight, diff_SI in terms:
        means_S = seed_means(diff_SI)
        if len(means_S) > 1:
            # Two alike items: no spread over items, so that what is left is the seed part.
            found = crossed(np.repeat(means_S[:, None], 2, axis=1), np.arange(2), pooled=pooled)
            variance, df = found.seed_variance, found.df
        else:
            variance, df = (pooled[0], pooled[1]) if pooled is not None else (float("nan"), float("nan"))
        parts.append((weight**2 * variance / len(means_S), df))
        single += weight**2 * variance
    df = _degrees(parts)
    # Adapters that borrow one pooled variance do not each bring its degrees of freedom.
    return sum(v for v, _ in parts), df if pooled is None else min(df, float(pooled[1])), single


def _degrees(parts: list[tuple[float, float]]) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances; where all are 0, the fewest of any."""
    total = sum(v for v, _ in parts)
    below = sum(v**2 / df for v, df in parts if v != 0)
    return float(total**2 / below) if total != 0 else float(min(df for _, df in parts))


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
