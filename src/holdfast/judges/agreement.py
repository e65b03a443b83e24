"""Does the judge agree with the labels well enough to be used? Cohen (1960), with an interval over clusters of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from holdfast.errors import StatisticsError
from holdfast.judges.records import Agreement, Judgement
from holdfast.judges.settings import JudgeSettings


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


def cohens_kappa(first_I: Sequence[str], second_I: Sequence[str], cluster_I: Sequence[str] | None = None, level: float = 0.95) -> Kappa:
    """Unweighted kappa of two raters of the same items; each item is its own cluster unless told otherwise.

    The standard error is the large-sample one of Fleiss, Cohen & Everitt (1969), as the sum of squared influences by cluster,
    times K / (K - 1) for K clusters; Student t with K - 1. Raters who agree everywhere have no influences: the lower limit is
    then kappa at the exact (Clopper-Pearson) lower limit of raw agreement over K clusters. One cluster, or a rater who names one
    category only (kappa is then 0 whatever the other says): no interval.
    Raises StatisticsError for unequal lengths or no item.
    """
    first_I, second_I = np.asarray(first_I, dtype=str), np.asarray(second_I, dtype=str)
    cluster_I = np.arange(len(first_I)) if cluster_I is None else np.asarray(cluster_I, dtype=str)
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
    pairs = [{h.verdict for h in j.orders} for j in judgements if len(j.orders) == 2 and all(h.verdict for h in j.orders)]
    return sum(len(pair) > 1 for pair in pairs) / len(pairs) if pairs else None


def measure(judgements: Sequence[Judgement], labels: Mapping[str, str], settings: JudgeSettings) -> Agreement:
    """Agreement of `judgements` with the labels of the same ids, and whether the judge may be used."""
    known = [j for j in judgements if j.verdict is not None]
    clusters = [j.cluster_id for j in known]
    found = cohens_kappa([j.verdict for j in known], [labels[j.item_id] for j in known], clusters, settings.level) if known else None
    coverage = len(known) / len(judgements)
    reason = _refusal(found, coverage, settings)
    value = {name: _known(getattr(found, name)) if found else None for name in ("kappa", "lower", "upper", "raw")}
    return Agreement(
        **value,
        level=settings.level,
        n=len(known),
        num_labelled=len(judgements),
        num_clusters=found.num_clusters if found else 0,
        coverage=coverage,
        errors=sum(j.num_errors for j in judgements),
        unparsed=sum(j.num_unparsed for j in judgements),
        order_flip_rate=flip_rate(judgements),
        usable=reason is None,
        reason=reason,
    )


def _refusal(found: Kappa | None, coverage: float, settings: JudgeSettings) -> str | None:
    if found is None:
        return "no labelled row got a verdict"
    if coverage < settings.min_coverage:
        return f"only {coverage:.1%} of the labelled rows got a verdict; at least {settings.min_coverage:.0%} must"
    if found.num_clusters < settings.min_labels:
        return f"only {found.num_clusters} labelled rows or clusters with a verdict; at least {settings.min_labels} are needed"
    if found.kappa != found.kappa:
        return "kappa is unknown: judge and labels hold one category only; label rows of other categories too"
    if found.kappa < settings.min_kappa:
        return f"kappa with the labels is {found.kappa:.3f}, below {settings.min_kappa:g}"
    return None


def _known(value: float) -> float | None:
    return None if value != value else value
