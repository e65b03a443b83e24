"""Contrasts between adapters measured on the same items: domain against domain, one against the rest, additivity.

A contrast is a weighted sum of the adapters' means. Items are shared, so its cluster part is that of the weighted sum of the
adapters' influences: what every adapter does to an item alike cancels. Training seeds are not shared, so the seed parts add with
squared weights. The parts themselves are those of `crossed`, asked of it, so that a contrast and its terms are never measured by different rules.
Degrees of freedom over adapters by Satterthwaite (1946), as in Welch's test; of seeds and clusters together as in `crossed`.
Cameron, Gelbach & Miller (2011); Miller (2024), arXiv:2411.00640, section 4 (paired differences).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import cluster_codes, fraction, student, vector
from holdfast.stats.crossed import Interval, crossed, degrees_of_freedom, seed_means


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """A named contrast: one weight for each adapter, in the order of the names it was built from."""

    name: str
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What one adapter brings to any contrast, whatever its weight there.

    `influence_I`: what each item adds to the mean over seeds beyond that mean (0 for an item it does not know); `interaction`: the part of the
    mean's cluster variance that is each seed's own, which the seed part holds already.
    """

    mean: float
    num_seeds: int
    known_I: np.ndarray
    code_I: np.ndarray
    influence_I: np.ndarray
    interaction: float
    seed_variance: float
    seed_df: float


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
    terms = []
    for diff_SI, name in zip(shaped, names, strict=True):
        diff_SI = diff_SI[(~np.isnan(diff_SI)).any(1)]
        if not diff_SI.size:
            raise StatisticsError(f"{name}: holds no known difference")
        terms.append(_term(diff_SI, code_I, pooled))
    return terms


def combine_terms(
    terms: Sequence[Term], weights: Sequence[float], *, pooled: tuple[float, float] | None = None, level: float = 0.95
) -> Interval:
    """`combine` for terms already measured (with the same `pooled`); those of weight 0 play no part."""
    level = fraction("level", level)
    pairs = [(float(w), term) for w, term in zip(weights, terms, strict=True) if w != 0]
    used_I = np.any([term.known_I for _, term in pairs], axis=0)
    code_I = pairs[0][1].code_I
    cluster_variance, cluster_df = _over_clusters(sum(w * term.influence_I for w, term in pairs), used_I, code_I)
    estimate = float(sum(w * term.mean for w, term in pairs))
    if all(term.num_seeds == 1 for _, term in pairs):
        variance, df, seed_variance = cluster_variance, cluster_df, float("nan")
    else:
        interaction = sum(w**2 * term.interaction for w, term in pairs)
        shared = float(np.maximum(cluster_variance - interaction, 0.0))
        seeds = [(w**2 * term.seed_variance / term.num_seeds, term.seed_df) for w, term in pairs]
        seed_part, seed_df = sum(v for v, _ in seeds), _degrees(seeds)
        # Adapters that borrow one pooled variance do not each bring its degrees of freedom.
        seed_df = seed_df if pooled is None else min(seed_df, float(pooled[1]))
        seed_variance = float(sum(w**2 * term.seed_variance for w, term in pairs))
        variance, df = seed_part + shared, degrees_of_freedom([(seed_part, seed_df), (shared, cluster_df)])
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
        num_seeds=min(term.num_seeds for _, term in pairs),
        n=int(used_I.sum()),
        seed_variance=seed_variance,
        cluster_variance=cluster_variance,
    )


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


def _term(diff_SI: np.ndarray, code_I: np.ndarray, pooled: tuple[float, float] | None) -> Term:
    known_SI, means_S, num_seeds = ~np.isnan(diff_SI), seed_means(diff_SI), len(diff_SI)
    known_I = known_SI.any(0)
    influence_SI = np.where(known_SI, diff_SI - means_S[:, None], 0.0) / known_SI.sum(1, keepdims=True)
    if num_seeds > 1:
        rest_SI = influence_SI - influence_SI.mean(0)
        interaction = sum(_over_clusters(row, known_I, code_I)[0] for row in rest_SI) / (num_seeds * (num_seeds - 1))
        # Two alike items: no spread over items, so that what is left is the seed part.
        found = crossed(np.repeat(means_S[:, None], 2, axis=1), np.arange(2), pooled=pooled)
        seed_variance, seed_df = found.seed_variance, found.df
    else:
        interaction = 0.0
        seed_variance, seed_df = (float(pooled[0]), float(pooled[1])) if pooled is not None else (float("nan"), float("nan"))
    return Term(
        mean=float(means_S.mean()),
        num_seeds=num_seeds,
        known_I=known_I,
        code_I=code_I,
        influence_I=influence_SI.mean(0),
        interaction=interaction,
        seed_variance=seed_variance,
        seed_df=seed_df,
    )


def _over_clusters(influence_I: np.ndarray, used_I: np.ndarray, code_I: np.ndarray) -> tuple[float, float]:
    """(variance over clusters, its degrees of freedom) of a sum of influences, as `crossed` has it for one seed."""
    found = crossed((influence_I[used_I] * used_I.sum())[None], code_I[used_I])
    return found.cluster_variance, found.df


def _degrees(parts: list[tuple[float, float]]) -> float:
    """Satterthwaite's degrees of freedom of a sum of variances; the fewest of any where all are 0; nan where one is unknown."""
    total = sum(v for v, _ in parts)
    if total != total:
        return float("nan")
    # By shares: squares of tiny variances vanish.
    return float(1 / sum((v / total) ** 2 / df for v, df in parts if v > 0) if total > 0 else min(df for _, df in parts))


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
