"""How small an effect a planned study can find.

MDE = (t[1 - alpha / 2m] + t[power]) * SE_planned, m the family's size (docs/metrics.md, section 4, rule 8; Bloom 1995, "Minimum
detectable effects"). SE_planned of a crossed design: variance = seed / S + cluster / K + interaction / (S K), each variance that of
one seed, one cluster, one cell. Degrees of freedom by Satterthwaite (1946) from D (S - 1) for the seed part, pooled over D domains,
and K - 1 for the cluster part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from holdfast.errors import StatisticsError
from holdfast.stats._inputs import fraction, whole
from holdfast.stats.decide import mde


@dataclass(frozen=True, slots=True, kw_only=True)
class Variances:
    """Assumed variances of a domain's shift, squared fractions.

    Raises:
        StatisticsError: a variance below 0 or unknown, or all of them 0.
    """

    seed: float  # between training seeds
    cluster: float  # between clusters of items
    interaction: float = 0.0  # of what one seed does to one cluster

    def __post_init__(self) -> None:
        for name in ("seed", "cluster", "interaction"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise StatisticsError(f"{name} variance: {value} must be a known number of at least 0")
        if self.seed + self.cluster + self.interaction == 0:
            raise StatisticsError("variances: all are 0, so every effect could be found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Size of a planned study.

    Raises:
        StatisticsError: a number that is not whole or too small.
    """

    num_seeds: int  # training seeds per domain, at least 2
    num_clusters: int  # clusters of items, at least 2
    num_domains: int = 1  # domains whose seed variance is pooled
    family: int = 1  # number of tests in the family an effect is tested in

    def __post_init__(self) -> None:
        for name, least in (("num_seeds", 2), ("num_clusters", 2), ("num_domains", 1), ("family", 1)):
            whole(name, getattr(self, name), least)


def planned_mde(variances: Variances, design: Design, *, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest effect found with `power` at the family's first Holm step.

    Args:
        variances: assumed variances, squared fractions.
        design: size of the study.
        alpha: two-sided error rate of the family, a fraction.
        power: wanted probability of a finding, a fraction.
    Returns:
        Size of the effect, above 0, a fraction.
    Raises:
        StatisticsError: `alpha` or `power` is not between 0 and 1.
    """
    se, df = _planned_se(variances, design)
    return mde(se, df, design.family, fraction("alpha", alpha), fraction("power", power))


def _planned_se(variances: Variances, design: Design) -> tuple[float, float]:
    """(standard error, degrees of freedom) from the variance of seed means over S (it holds the interaction) and the clusters' shared part."""
    seeds, clusters = design.num_seeds, design.num_clusters
    seed = variances.seed / seeds + variances.interaction / (seeds * clusters)
    cluster = variances.cluster / clusters
    total = seed + cluster
    df = total * total / (seed * seed / (design.num_domains * (seeds - 1)) + cluster * cluster / (clusters - 1))
    return float(np.sqrt(total)), df
