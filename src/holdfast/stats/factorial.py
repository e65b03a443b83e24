"""What *including* a kind of data does: main effects and interactions from adapters trained on mixes of domains.

Least squares on the mixes' mean shifts, with effect coding x = +1/2 where a domain is in the mix and -1/2 where it is not. Then

- main effect of A: how much the shift changes when A is included, averaged with equal weight over every way to include or leave out the other
  domains. One of these ways is to include none of them; no adapter is trained on nothing, so the model speaks for that one: its shift is predicted, never
  taken as a point at 0;
- interaction of A and B: how much more including A changes the shift where B is included than where it is not (a difference of
  differences), averaged the same way.

Each effect is a weighted sum of mixes, so it gets its interval as `combine` has it: crossed seeds and clusters. Box, Hunter & Hunter (2005,
"Statistics for experimenters", chapters 5-6); lack of fit against pure error: Draper & Smith (1998, section 2.1).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import whole
from holdfast.stats.contrasts import combine_terms, measured_terms
from holdfast.stats.crossed import Interval, seed_means


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One main effect (one domain) or interaction (several), the mixes' weights in it, and its interval."""

    domains: tuple[str, ...]
    weights: tuple[float, ...]
    interval: Interval

    @property
    def name(self) -> str:
        return " x ".join(self.domains)


@dataclass(frozen=True, slots=True, kw_only=True)
class LackOfFit:
    """Does the model leave out something the mixes show? F of what it leaves over the spread of seeds of one mix; nan: cannot be told."""

    f: float
    df_model: int
    df_seeds: int
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Factorial:
    """Effects in order of size of interaction; means of the mixes as measured and as the model has them; lack of fit."""

    effects: tuple[Effect, ...]
    observed: tuple[float, ...]
    fitted: tuple[float, ...]
    lack_of_fit: LackOfFit
    order: int


def design_matrix(mixes: Sequence[Collection[str]], *, order: int = 2) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """(mixes x columns, the domains of each column): a column of ones (no domain), then main effects, then interactions up to `order`.

    Raises StatisticsError, with the effects that cannot be told apart, where the mixes do not identify the model; for an empty or
    repeated mix; for an order above the number of domains or below 1.
    """
    found = [frozenset([mix] if isinstance(mix, str) else mix) for mix in mixes]
    if not all(found):
        raise StatisticsError("mixes: one is empty; the base model is no mix (its shift is 0 by definition, not by measurement)")
    repeated = [mix for i, mix in enumerate(found) if mix in found[:i]]
    if repeated:
        raise StatisticsError(f"mixes: {' + '.join(sorted(repeated[0]))} comes twice; give its seeds as one mix")
    domains = sorted(frozenset().union(*found))
    order = whole("order", order, 1)
    if order > len(domains):
        raise StatisticsError(f"order: {order} is more than the {len(domains)} domains")
    columns = [c for k in range(order + 1) for c in itertools.combinations(domains, k)]
    half_MD = np.array([[0.5 if d in mix else -0.5 for d in domains] for mix in found])
    matrix = np.array([half_MD[:, [domains.index(d) for d in c]].prod(1) for c in columns]).T
    _identified(matrix, columns)
    return matrix, columns


def factorial(
    mixes: Sequence[Collection[str]],
    diffs: Sequence[np.ndarray],
    cluster_I: np.ndarray | Sequence[object],
    *,
    order: int = 2,
    pooled: tuple[float, float] | None = None,
    level: float = 0.95,
) -> Factorial:
    """Effects of including each domain, and of each pair, on the shift (or gain) that the mixes were measured for.

    `mixes`: the domains in each; all 2^k - 1 non-empty ones, or any set of them that identifies the model. `diffs`: for each mix its seeds x items
    of paired differences adapted - base, nan where an item is not in that seed's set; `cluster_I`: cluster of each item. `pooled`: see `crossed`.
    The model is fitted to the mixes' means, each mix counting once however many seeds it has. Raises StatisticsError as `design_matrix` and `combine` do.
    """
    if len(mixes) != len(diffs):
        raise StatisticsError(f"diffs: {len(diffs)} entries for {len(mixes)} mixes; one for each")
    matrix, columns = design_matrix(mixes, order=order)
    weights_CM = np.linalg.pinv(matrix)
    # Weights that are 0 but for rounding would draw adapters in that play no part.
    weights_CM[np.abs(weights_CM) < 1e-12] = 0.0
    names = [f"diffs of the mix {'+'.join(sorted([mix] if isinstance(mix, str) else mix))}" for mix in mixes]
    terms = measured_terms(diffs, cluster_I, names=names, pooled=pooled)
    effects = [
        Effect(domains=c, weights=tuple(w_M.tolist()), interval=combine_terms(terms, w_M, pooled=pooled, level=level))
        for c, w_M in zip(columns, weights_CM, strict=True)
        if c
    ]
    seeds = [means_S[~np.isnan(means_S)] for means_S in (seed_means(np.atleast_2d(diff_SI)) for diff_SI in diffs)]
    observed_M = np.array([s.mean() for s in seeds])
    return Factorial(
        effects=tuple(effects),
        observed=tuple(observed_M.tolist()),
        fitted=tuple((matrix @ (weights_CM @ observed_M)).tolist()),
        lack_of_fit=_lack_of_fit(matrix, seeds),
        order=order,
    )


def _identified(matrix: np.ndarray, columns: list[tuple[str, ...]]) -> None:
    """Every column must add to the rank; one that does not is told with those it is mixed up with."""
    rank = np.linalg.matrix_rank(matrix)
    if rank == len(columns):
        return
    label = lambda c: " x ".join(c) or "the mean"  # noqa: E731
    null_C = np.linalg.svd(matrix)[2][-1]
    mixed = [label(c) for c, part in zip(columns, null_C, strict=True) if abs(part) > 1e-9]
    raise StatisticsError(
        f"mixes: {len(matrix)} mixes tell {rank} effects, the model has {len(columns)}; cannot be told apart: {', '.join(mixed)}. "
        "Train more mixes, or lower the order"
    )


def _lack_of_fit(matrix: np.ndarray, seeds: list[np.ndarray]) -> LackOfFit:
    """Nested F test, on seed means: one mean per mix against the model. It judges the model on these items, which all mixes share."""
    y = np.concatenate(seeds)
    rows = np.repeat(matrix, [len(s) for s in seeds], axis=0)
    rest = y - rows @ np.linalg.lstsq(rows, y, rcond=None)[0]
    pure = float(sum(((s - s.mean()) ** 2).sum() for s in seeds))
    df_model, df_seeds = matrix.shape[0] - matrix.shape[1], len(y) - len(seeds)
    if df_model == 0 or df_seeds == 0 or pure == 0:
        return LackOfFit(f=float("nan"), df_model=df_model, df_seeds=df_seeds, p=float("nan"))
    f = max(float(rest @ rest) - pure, 0.0) / df_model / (pure / df_seeds)
    return LackOfFit(f=f, df_model=df_model, df_seeds=df_seeds, p=float(stats.f.sf(f, df_model, df_seeds)))
