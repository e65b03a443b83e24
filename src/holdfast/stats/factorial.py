"""What *including* a kind of data does: main effects and interactions from adapters trained on mixes of domains.

Least squares on the mixes' mean shifts, with effect coding x = +1/2 where a domain is in the mix and -1/2 where it is not. Then

- main effect of A: how much the shift changes when A is included, averaged with equal weight over every way to include or leave out
  the other domains. One of these ways is to include none of them; no adapter is trained on nothing, so for that one the model
  predicts the shift: it is never taken as a point at 0;
- interaction of A and B: how much more including A changes the shift where B is included than where it is not (a difference of
  differences), averaged the same way.

Each effect is a weighted sum of mixes, so its interval is that of `combine`: crossed seeds and clusters. Box, Hunter & Hunter (2005,
"Statistics for experimenters", chapters 5-6); lack of fit against pure error: Draper & Smith (1998, section 2.1).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import Labels, whole
from holdfast.stats.contrasts import measure_terms
from holdfast.stats.crossed import Interval, Pool, combine_terms, seed_means


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One main effect or interaction."""

    domains: tuple[str, ...]  # one domain: its main effect; several: their interaction
    weights: tuple[float, ...]  # weight of each mix in it
    interval: Interval  # its size in units of the shift, positive where inclusion raises it

    @property
    def name(self) -> str:
        """The domains joined by " x "."""
        return " x ".join(self.domains)


@dataclass(frozen=True, slots=True, kw_only=True)
class LackOfFit:
    """F test of the model's residuals against the spread of seeds within a mix."""

    f: float  # F statistic; nan where the test is not possible
    df_model: int  # degrees of freedom of the residuals: mixes less effects
    df_seeds: int  # degrees of freedom of the seeds: adapters less mixes
    p: float  # upper-tail p-value; small: the model leaves out something that the mixes show


@dataclass(frozen=True, slots=True, kw_only=True)
class Factorial:
    """A fitted model of effects."""

    effects: tuple[Effect, ...]  # main effects, then interactions by their number of domains
    observed: tuple[float, ...]  # mean shift of each mix
    lack_of_fit: LackOfFit  # test of the model
    order: int  # most domains in an interaction


def _design_matrix(mixes: Sequence[Collection[str]], *, order: int = 2) -> tuple[np.ndarray, list[tuple[str, ...]]]:
    """(mixes x columns, the domains of each column): a column of ones (no domain), then main effects, then interactions up to `order`."""
    sets = [_domains(mix) for mix in mixes]
    if not all(sets):
        raise StatisticsError("mixes: one is empty; the base model is not a mix (its shift is 0 by definition, not by measurement)")
    repeated = [mix for i, mix in enumerate(sets) if mix in sets[:i]]
    if repeated:
        raise StatisticsError(f"mixes: {' + '.join(sorted(repeated[0]))} is given twice; give its seeds as one mix")
    domains = sorted(frozenset[str]().union(*sets))
    order = whole("order", order, 1)
    if order > len(domains):
        raise StatisticsError(f"order: {order} is more than the {len(domains)} domains")
    columns = [c for k in range(order + 1) for c in itertools.combinations(domains, k)]
    half_MD = np.array([[0.5 if d in mix else -0.5 for d in domains] for mix in sets])
    matrix = np.array([half_MD[:, [domains.index(d) for d in c]].prod(1) for c in columns]).T
    rank = np.linalg.matrix_rank(matrix)
    if rank == len(columns):
        return matrix, columns
    null_C = np.linalg.svd(matrix)[2][-1]
    aliased = [" x ".join(c) or "the mean" for c, part in zip(columns, null_C, strict=True) if abs(part) > 1e-9]
    raise StatisticsError(
        f"mixes: {len(matrix)} mixes tell {rank} effects, the model has {len(columns)}; indistinguishable: {', '.join(aliased)}. "
        "Train more mixes, or lower the order"
    )


def factorial(
    mixes: Sequence[Collection[str]],
    diffs: Sequence[np.ndarray],
    cluster_I: Labels,
    *,
    order: int = 2,
    pooled: Pool | None = None,
    level: float = 0.95,
) -> Factorial:
    """Effects of including each domain, and of each pair, on the shift (or gain) that the mixes were measured for.

    The model is fitted to the mixes' means: each mix counts once, however many seeds it has.

    Args:
        mixes: the domains in each mix; all 2^k - 1 non-empty ones, or any set of them that identifies the model.
        diffs: each mix's paired differences adapted - base, seeds x items; nan: not in that seed's set.
        cluster_I: cluster label of each item.
        order: most domains in an interaction.
        pooled: the study's seed variance, as for `crossed`.
        level: nominal coverage, a fraction.
    Returns:
        Effects in units of `diffs`, positive where inclusion raises the shift.
    Raises:
        StatisticsError: mixes that do not identify the model, an empty or repeated mix, or arrays that do not match.
    """
    if len(mixes) != len(diffs):
        raise StatisticsError(f"diffs: {len(diffs)} entries for {len(mixes)} mixes; one for each")
    matrix, columns = _design_matrix(mixes, order=order)
    weights_CM = np.linalg.pinv(matrix)
    # Weights that are 0 but for rounding would draw adapters in that play no part.
    weights_CM[np.abs(weights_CM) < 1e-12] = 0.0
    names = [f"diffs of the mix {'+'.join(sorted(_domains(mix)))}" for mix in mixes]
    terms = measure_terms(diffs, cluster_I, names=names, pooled=pooled)
    effects = [
        Effect(domains=c, weights=tuple(w_M.tolist()), interval=combine_terms(terms, w_M, pooled=pooled, level=level))
        for c, w_M in zip(columns, weights_CM, strict=True)
        if c
    ]
    seeds = [means_S[~np.isnan(means_S)] for means_S in (seed_means(np.atleast_2d(diff_SI)) for diff_SI in diffs)]
    observed_M = np.array([s.mean() for s in seeds])
    return Factorial(effects=tuple(effects), observed=tuple(observed_M.tolist()), lack_of_fit=_lack_of_fit(matrix, seeds), order=order)


def _domains(mix: Collection[str]) -> frozenset[str]:
    return frozenset([mix] if isinstance(mix, str) else mix)


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
    return LackOfFit(f=f, df_model=df_model, df_seeds=df_seeds, p=float(special.fdtrc(df_model, df_seeds, f)))
