"""Does the judge agree with the labels well enough to be used? Cohen (1960), with an interval over clusters of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.judges.settings import JudgeSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The judge's answer in one order. Exactly one of: `verdict`; `error` (no reply); neither (a reply without a verdict)."""

    order: str
    verdict: str | None
    reply: str | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Verdict on one item, from every order it was asked in. `reason` says why there is none, or why it is a tie."""

    item_id: str
    cluster_id: str
    group: str
    verdict: str | None
    orders: tuple[Answer, ...] = ()
    reason: str | None = None

    @property
    def num_errors(self) -> int:
        return sum(a.error is not None for a in self.orders)

    @property
    def num_unparsed(self) -> int:
        return sum(a.error is None and a.verdict is None for a in self.orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Judge against labels. `n` of `num_labelled` rows had a verdict; kappa, raw and interval are over those, by cluster.

    `usable` False: verdicts are refused, for `reason`. Unknown is None.
    """

    kappa: float | None = None
    lower: float | None = None
    upper: float | None = None
    level: float
    raw: float | None = None
    n: int
    num_labelled: int
    num_clusters: int
    coverage: float
    errors: int
    unparsed: int
    order_flip_rate: float | None
    usable: bool
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Agreement beyond chance in [-1, 1], and raw agreement. Unknown is nan: kappa if both raters use one category only."""

    kappa: float
    se: float
    lower: float
    upper: float
    raw: float
    n: int
    num_clusters: int


def cohens_kappa(
    first: Sequence[str], second: Sequence[str], cluster: Sequence[str] | Sequence[int] | None = None, level: float = 0.95
) -> Kappa:
    """Unweighted kappa of two raters of the same items; each item is its own cluster unless `cluster` is given.

    The standard error is the large-sample one of Fleiss, Cohen & Everitt (1969), as the sum of squared influences by cluster,
    times K / (K - 1) for K clusters; Student t with K - 1. Raters who agree everywhere have no influences: the lower limit is
    then kappa at the exact (Clopper-Pearson) lower limit of raw agreement over K clusters. One cluster, or a rater who names one
    category only (kappa is then 0 whatever the other says): no interval.
    Raises StatisticsError for unequal lengths or no item.
    """
    first_I, second_I = np.asarray(first, dtype=str), np.asarray(second, dtype=str)
    cluster_I = np.arange(len(first_I)) if cluster is None else np.asarray(cluster, dtype=str)
    n = len(first_I)
    if not n == len(second_I) == len(cluster_I):
        raise StatisticsError(f"cohens_kappa: {n}, {len(second_I)} and {len(cluster_I)} entries; one for each item")
    if n == 0:
        raise StatisticsError("cohens_kappa: no item that both raters judged")
    names, code = np.unique(np.concatenate([first_I, second_I]), return_inverse=True)
    a_I, b_I = code[:n], code[n:]
    share_a, share_b = (np.bincount(x, minlength=len(names)) / n for x in (a_I, b_I))
    same_I = (a_I == b_I).astype(float)
    raw, chance = float(same_I.mean()), float(share_a @ share_b)
    clusters, code = np.unique(cluster_I, return_inverse=True)
    num = len(clusters)
    unknown = float("nan")
    if len(names) == 1:
        return Kappa(kappa=unknown, se=unknown, lower=unknown, upper=unknown, raw=raw, n=n, num_clusters=num)
    kappa = (raw - chance) / (1 - chance)
    influence_I = ((same_I - raw) - (1 - kappa) * (share_b[a_I] + share_a[b_I] - 2 * chance)) / (1 - chance)
    se = lower = upper = unknown
    if num > 1 and max(share_a.max(), share_b.max()) < 1:
        total_C = np.bincount(code, influence_I, num)
        se = float(np.sqrt((total_C**2).sum() * num / (num - 1))) / n
        half = float(stats.t.ppf(0.5 + level / 2, num - 1)) * se
        lower, upper = max(-1.0, kappa - half), min(1.0, kappa + half)
        if raw == 1.0:
            lower = max(-1.0, ((0.5 - level / 2) ** (1 / num) - chance) / (1 - chance))
    return Kappa(kappa=kappa, se=se, lower=lower, upper=upper, raw=raw, n=n, num_clusters=num)


def flip_rate(judgements: Sequence[Judgement]) -> float | None:
    """Share of items whose verdict changed with the order, among those with a verdict in both; None if there is none."""
    pairs = [{a.verdict for a in j.orders} for j in judgements if len(j.orders) == 2 and all(a.verdict for a in j.orders)]
    return sum(len(pair) > 1 for pair in pairs) / len(pairs) if pairs else None


def measure(judgements: Sequence[Judgement], labels: Mapping[str, str], settings: JudgeSettings) -> Agreement:
    """Agreement of `judgements` with the labels of the same ids, and whether the judge may be used."""
    judged = [(j.verdict, labels[j.item_id], j.cluster_id) for j in judgements if j.verdict is not None]
    kappa = cohens_kappa(*map(list, zip(*judged, strict=True)), level=settings.level) if judged else None
    coverage = len(judged) / len(judgements)
    reason = _refusal(kappa, coverage, settings)
    values: dict[str, float] = {name: getattr(kappa, name) for name in ("kappa", "lower", "upper", "raw")} if kappa else {}
    return Agreement(
        **{name: None if isnan(value) else value for name, value in values.items()},
        level=settings.level,
        n=len(judged),
        num_labelled=len(judgements),
        num_clusters=kappa.num_clusters if kappa else 0,
        coverage=coverage,
        errors=sum(j.num_errors for j in judgements),
        unparsed=sum(j.num_unparsed for j in judgements),
        order_flip_rate=flip_rate(judgements),
        usable=reason is None,
        reason=reason,
    )


def _refusal(kappa: Kappa | None, coverage: float, settings: JudgeSettings) -> str | None:
    if kappa is None:
        return "no labelled row got a verdict"
    if coverage < settings.min_coverage:
        return f"only {coverage:.1%} of the labelled rows got a verdict; at least {settings.min_coverage:.0%} must"
    if kappa.num_clusters < settings.min_labels:
        return f"only {kappa.num_clusters} labelled rows or clusters with a verdict; at least {settings.min_labels} are needed"
    if kappa.kappa != kappa.kappa:
        return "kappa is unknown: judge and labels hold one category only; label rows of other categories too"
    if kappa.kappa < settings.min_kappa:
        return f"kappa with the labels is {kappa.kappa:.3f}, below {settings.min_kappa:g}"
    return None
