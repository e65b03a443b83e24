"""How small an effect a planned study can find, and how many seeds or clusters a wanted one needs.

MDE = (t[1 - alpha / 2m] + t[power]) * SE_planned, m the family's size (METRICS section 4, rule 8; Bloom 1995, "Minimum detectable
effects"). SE_planned of a crossed design: variance = seed / S + cluster / K + interaction / (S K), each variance that of one seed, one cluster, one
cell. Degrees of freedom by Satterthwaite (1946) from D (S - 1) for the seed part, pooled over D domains, and K - 1 for the cluster part: they
grow with the design, so numbers needed are found by trying designs in turn, not by inverting a normal formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import fraction, whole
from holdfast.stats.crossed import crossed

MOST = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances:
    """Variance of a domain's shift between seeds, between clusters, and of what one seed does to one cluster (squared fractions)."""

    seed: float
    cluster: float
    interaction: float = 0.0

    def __post_init__(self) -> None:
        for name in ("seed", "cluster", "interaction"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise StatisticsError(f"{name} variance: {value} must be a known number of at least 0")
        if self.seed + self.cluster + self.interaction == 0:
            raise StatisticsError("variances: all are 0, so every effect could be found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Seeds per domain, clusters of items, domains whose seed variance is pooled, and the family an effect is tested in."""

    num_seeds: int
    num_clusters: int
    num_domains: int = 1
    family: int = 1

    def __post_init__(self) -> None:
        for name, least in (("num_seeds", 2), ("num_clusters", 2), ("num_domains", 1), ("family", 1)):
            whole(name, getattr(self, name), least)


@dataclass(frozen=True, slots=True, kw_only=True)
class Required:
    """`number` needed (None: no number up to 10 000 is enough), the MDE with it, and the MDE with 10 000."""

    number: int | None
    mde: float
    floor: float


def pilot_variances(diff_SI: np.ndarray, cluster_I: np.ndarray | Sequence[object]) -> Variances:
    """Variances of one seed, cluster and cell from a pilot's paired differences (seeds x items, nan: not in the set).

    Moments of the two-way table of cluster means weighted by size, as in the crossed interval: an estimate below 0 is given as 0.
    Raises StatisticsError for fewer than two seeds or clusters, or if nothing varies.
    """
    found = crossed(diff_SI, np.asarray(cluster_I))
    if found.num_seeds < 2 or found.num_clusters < 2:
        raise StatisticsError(f"pilot: {found.num_seeds} seeds, {found.num_clusters} clusters; two of each are needed")
    diff_SI = np.atleast_2d(np.asarray(diff_SI, dtype=float))
    rows = [crossed(row[None], np.asarray(cluster_I)) for row in diff_SI if (~np.isnan(row)).any()]
    # One seed's cluster variance holds the shared part and the interaction; that of the mean over S seeds only 1 / S of the latter.
    alone, together, s = float(np.mean([r.cluster_variance for r in rows])), found.cluster_variance, found.num_seeds
    interaction = max((alone - together) * s / (s - 1), 0.0)
    shared = max(alone - interaction, 0.0)
    return Variances(
        # Seed means vary by the interaction too: every seed's noise on the items is in them.
        seed=max(found.seed_variance - interaction, 0.0),
        cluster=shared * found.num_clusters,
        interaction=interaction * found.num_clusters,
    )


def planned_se(variances: Variances, design: Design) -> tuple[float, float]:
    """(standard error, degrees of freedom) the crossed interval is to have under the design."""
    se, df = _planned(variances, design, np.array([design.num_seeds]), np.array([design.num_clusters]))
    return float(se[0]), float(df[0])


def planned_mde(variances: Variances, design: Design, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest effect found with `power` at the family's first Holm step."""
    return float(_mde(variances, design, np.array([design.num_seeds]), np.array([design.num_clusters]), alpha, power)[0])


def planned_power(effect: float, variances: Variances, design: Design, *, alpha: float = 0.05) -> float:
    """Probability that a true `effect` is found (two-sided p < alpha / m), by the noncentral t.

    The MDE's sum of two central quantiles is its usual approximation, good to about a hundredth of power from 10 degrees of freedom.
    Raises StatisticsError for an effect that is not a number.
    """
    if not np.isfinite(effect):
        raise StatisticsError(f"effect: {effect} must be a known number")
    se, df = planned_se(variances, design)
    critical, shift = float(stats.t.ppf(1 - fraction("alpha", alpha) / (2 * design.family), df)), effect / se
    # Mixed over the estimated spread, because scipy's noncentral t gives nan in its far tails.
    quantile_Q, weight_Q = _quantile_nodes()
    spread_Q = critical * np.sqrt(stats.chi2.ppf(quantile_Q, df) / df)
    return float(weight_Q @ (stats.norm.cdf(shift - spread_Q) + stats.norm.cdf(-shift - spread_Q)))


def required_seeds(wanted: float, variances: Variances, design: Design, *, alpha: float = 0.05, power: float = 0.8) -> Required:
    """Fewest seeds per domain, from 2, with which the MDE is at most `wanted`; the rest of the design as given.

    More seeds do not help against items: where the clusters alone leave more than `wanted`, `number` is None and `floor` says what
    they leave. Raises StatisticsError if `wanted` is not above 0.
    """
    many = np.arange(2, MOST + 1)
    return _required(wanted, _mde(variances, design, many, np.full(len(many), design.num_clusters), alpha, power))


def required_clusters(wanted: float, variances: Variances, design: Design, *, alpha: float = 0.05, power: float = 0.8) -> Required:
    """Fewest clusters of items, from 2, with which the MDE is at most `wanted`; the rest of the design as given."""
    many = np.arange(2, MOST + 1)
    return _required(wanted, _mde(variances, design, np.full(len(many), design.num_seeds), many, alpha, power))


def _quantile_nodes(number: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes of (0, 1) and their weights, drawn to both ends (u = 3 t^2 - 2 t^3), where quantiles are steep."""
    x, w = np.polynomial.legendre.leggauss(number)
    t = (x + 1) / 2
    return 3 * t**2 - 2 * t**3, 3 * t * (1 - t) * w


def _planned(variances: Variances, design: Design, seeds_N: np.ndarray, clusters_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is estimated: the variance of seed means over S (it holds the interaction), and the clusters' shared part."""
    seed_N = variances.seed / seeds_N + variances.interaction / (seeds_N * clusters_N)
    cluster_N = variances.cluster / clusters_N
    total_N = seed_N + cluster_N
    df_N = total_N**2 / (seed_N**2 / (design.num_domains * (seeds_N - 1)) + cluster_N**2 / (clusters_N - 1))
    return np.sqrt(total_N), df_N


def _mde(variances: Variances, design: Design, seeds_N: np.ndarray, clusters_N: np.ndarray, alpha: float, power: float) -> np.ndarray:
    alpha, power = fraction("alpha", alpha), fraction("power", power)
    se_N, df_N = _planned(variances, design, seeds_N, clusters_N)
    return (stats.t.ppf(1 - alpha / (2 * design.family), df_N) + stats.t.ppf(power, df_N)) * se_N


def _required(wanted: float, mde_N: np.ndarray) -> Required:
    """Designs in turn, from 2: with few clusters more seeds can lower the degrees of freedom, so that nothing is monotone."""
    if not wanted > 0:
        raise StatisticsError(f"wanted: {wanted} must be an effect above 0")
    enough = np.flatnonzero(mde_N <= wanted)
    if not len(enough):
        return Required(number=None, mde=float("nan"), floor=float(mde_N[-1]))
    return Required(number=int(enough[0]) + 2, mde=float(mde_N[enough[0]]), floor=float(mde_N[-1]))
