"""Simulated studies whose true effects are known: differences [seeds, items] per domain and axis, drawn from a stated model.

Latent score of item i under the base: `level + spread * t`, t standard normal (a part of it shared by its cluster). Under seed s of a
domain: the same plus `shift`, the seed's own a_s, the cluster's and the item's own deviation, noise, and `slope * t`. The outcome is
the latent score itself ("continuous"), its logistic ("mass"), or a draw with that probability ("binary"). In a conditioned set an
item counts when base and adapter both answered it rightly, which easy items (high t) do more often. True effects are found by
Gauss-Hermite quadrature of the same model, and `shift` is solved so that the true effect is the one asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np
import pyarrow as pa
from scipy import optimize, special

from holdfast.analysis.effects import PairedEffect
from holdfast.records import Contrast

BAND = 0.03
SHARED = 0.5  # of the cluster deviation is common to the domains: they start from one base


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a simulated study looks like. Standard deviations are on the latent scale (fractions if continuous, else logits).

    `seed_sd`: one value, or one for each domain in turn. `sizes`: items per cluster. `paired`: contrasts between adapters are judged too.
    `promised`: False of a scenario that is shown as a known limit, and held to nothing.
    """

    name: str
    says: str
    num_seeds: int = 3
    num_domains: int = 5
    num_axes: int = 3
    sizes: tuple[int, ...] = (1,) * 300
    outcome: Literal["continuous", "mass", "binary"] = "continuous"
    level: float = 0.0
    spread: float = 0.3
    seed_sd: tuple[float, ...] = (0.012,)
    cluster_sd: float = 0.06
    item_sd: float = 0.1
    noise_sd: float = 0.1
    slope: float = 0.0
    conditioned: bool = False
    paired: bool = False
    promised: bool = True

    @property
    def cluster_I(self) -> np.ndarray:
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    def sd_of(self, domain: int) -> float:
        return self.seed_sd[domain % len(self.seed_sd)]


def uneven(num_clusters: int, num_items: int, power: float) -> tuple[int, ...]:
    """Cluster sizes that fall off as a power of their rank, at least 1, `num_items` in all."""
    weight = np.arange(1, num_clusters + 1) ** -power
    size = np.maximum(1, np.floor(weight / weight.sum() * num_items)).astype(int)
    size[: num_items - size.sum()] += 1
    return tuple(int(s) for s in size)


LOGIT = Scenario(name="", says="", spread=1.5, cluster_sd=0.4, item_sd=0.5, noise_sd=0.5)
RIGHT_ONLY = replace(LOGIT, outcome="mass", level=-1.5, seed_sd=(0.15,), conditioned=True, slope=-0.3)
SIXFOLD = (0.01, 0.06, 0.02, 0.03, 0.04)
SCENARIOS = (
    Scenario(name="3 seeds", says="three seeds, every item its own cluster", paired=True),
    Scenario(name="5 seeds", says="five seeds, every item its own cluster", num_seeds=5, paired=True),
    Scenario(name="no seed variance", says="seeds that do not differ", seed_sd=(0.0,)),
    Scenario(name="large seed variance", says="seeds that differ more than items do", seed_sd=(0.04,)),
    Scenario(name="one domain", says="one domain, so no pooling of the seed variance", num_domains=1),
    Scenario(name="uneven clusters", says="300 items in 100 clusters of 1 to 29", sizes=uneven(100, 300, 0.7), item_sd=0.06),
    Scenario(name="few clusters", says="120 items in 15 clusters of 3 to 29", sizes=uneven(15, 120, 0.8), num_seeds=5),
    replace(LOGIT, name="binary", says="right or wrong answers", outcome="binary", level=0.5, seed_sd=(0.12,)),
    replace(LOGIT, name="skewed mass", says="probabilities, most near 0", outcome="mass", level=-3.0, seed_sd=(0.15,)),
    replace(RIGHT_ONLY, name="conditioned set", says="items right under base and adapter", sizes=uneven(150, 400, 0.5)),
    Scenario(name="unlike domains", says="seed noise 1 to 4 points by domain", seed_sd=(0.01, 0.04, 0.015, 0.02, 0.03)),
    Scenario(name="unlike, 5 seeds", says="seed noise 1 to 6 points by domain, five seeds", seed_sd=SIXFOLD, num_seeds=5),
    Scenario(name="very unlike", says="seed noise 1 to 6 points by domain, three seeds", seed_sd=SIXFOLD, promised=False),
)  # fmt: skip
# Small studies that go the whole way through the analysis: a conditioned set, whose items differ from seed to seed.
WHOLE = replace(
    RIGHT_ONLY, name="whole analysis", says="trials tables through analyze: items right under both", sizes=uneven(80, 160, 0.5), num_domains=3,
    num_axes=2,
)  # fmt: skip
EDGE = (BAND, -BAND, 0.0, 0.0, 4 * BAND)  # true effects of the domains of an "edge" study; a "null" study has none

_NODE, _WEIGHT = np.polynomial.hermite_e.hermegauss(61)
_WEIGHT = _WEIGHT / _WEIGHT.sum()
_RIGHT_CUT, _RIGHT_SD = -0.4, 0.8


def _respond(scenario: Scenario, latent: np.ndarray) -> np.ndarray:
    return latent if scenario.outcome == "continuous" else special.expit(latent)


def true_effect(scenario: Scenario, domain: int, shift: float) -> float:
    """E[adapted - base] over items (of the set), seeds and noise."""
    rest = np.sqrt(scenario.sd_of(domain) ** 2 + scenario.cluster_sd**2 + scenario.item_sd**2 + scenario.noise_sd**2)
    base = scenario.level + scenario.spread * _NODE
    moved = base + shift + scenario.slope * _NODE
    difference = _respond(scenario, moved[:, None] + rest * _NODE) @ _WEIGHT - _respond(scenario, base)
    member = special.ndtr((_NODE - _RIGHT_CUT) / _RIGHT_SD) ** 2 if scenario.conditioned else np.ones_like(_NODE)
    return float((difference * member) @ _WEIGHT / (member @ _WEIGHT))


@lru_cache(maxsize=512)
def shift_for(scenario: Scenario, domain: int, effect: float) -> float:
    """The latent shift under which the true effect is `effect`."""
    return float(optimize.brentq(lambda x: true_effect(scenario, domain, x) - effect, -6.0, 6.0, xtol=1e-12))  # pyright: ignore[reportArgumentType]


def effects_of(scenario: Scenario, truth: str) -> np.ndarray:
    """True effect per domain: "null" (none anywhere) or "edge" (on either edge of the band, none, and far outside it)."""
    edge = EDGE if scenario.num_domains > 1 else EDGE[:1]
    return np.array([edge[d % len(edge)] if truth == "edge" else 0.0 for d in range(scenario.num_domains)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """One axis of one simulated study: values and rightness of the base over items, and of each domain's seeds [seeds, items]."""

    base_I: np.ndarray
    right_I: np.ndarray
    adapted_DSI: list[np.ndarray]
    right_DSI: list[np.ndarray]


def sample(scenario: Scenario, effects: np.ndarray, rng: np.random.Generator) -> Drawn:
    """One axis drawn from the scenario's model, with true effect `effects[d]` of domain d."""
    cluster_I = scenario.cluster_I
    num_items, num_clusters = len(cluster_I), len(scenario.sizes)
    shape = scenario.num_seeds, num_items
    t_I = np.sqrt(0.3) * rng.standard_normal(num_clusters)[cluster_I] + np.sqrt(0.7) * rng.standard_normal(num_items)
    base_I = scenario.level + scenario.spread * t_I
    luck_I = rng.random(num_items)
    right = lambda shape: t_I + _RIGHT_SD * rng.standard_normal(shape) > _RIGHT_CUT  # noqa: E731
    common_C = np.sqrt(SHARED) * rng.standard_normal(num_clusters)
    drawn = Drawn(base_I=_base(scenario, base_I, luck_I), right_I=right(num_items), adapted_DSI=[], right_DSI=[])
    for domain in range(scenario.num_domains):
        own_C = common_C + np.sqrt(1 - SHARED) * rng.standard_normal(num_clusters)
        latent_SI = (
            base_I
            + shift_for(scenario, domain, float(effects[domain]))
            + scenario.slope * t_I
            + scenario.cluster_sd * own_C[cluster_I]
            + scenario.item_sd * rng.standard_normal(num_items)
            + scenario.sd_of(domain) * rng.standard_normal((scenario.num_seeds, 1))
            + scenario.noise_sd * rng.standard_normal(shape)
        )
        drawn.adapted_DSI.append(_adapted(scenario, latent_SI, luck_I, rng))
        drawn.right_DSI.append(right(shape))
    return drawn


def _base(scenario: Scenario, latent_I: np.ndarray, luck_I: np.ndarray) -> np.ndarray:
    value = _respond(scenario, latent_I)
    return (luck_I < value).astype(float) if scenario.outcome == "binary" else value


def _adapted(scenario: Scenario, latent_SI: np.ndarray, luck_I: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    value = _respond(scenario, latent_SI)
    if scenario.outcome != "binary":
        return value
    # Two answers to one question share much of their luck: adapters start from the base.
    luck_SI = np.where(rng.random(value.shape) < 0.6, luck_I, rng.random(value.shape))
    return (luck_SI < value).astype(float)


def draw(scenario: Scenario, effects: np.ndarray, rng: np.random.Generator) -> list[PairedEffect]:
    """One study: a paired effect per axis and domain."""
    out = []
    for axis in range(scenario.num_axes):
        drawn, name = sample(scenario, effects, rng), f"axis{axis}"
        for domain, (adapted_SI, right_SI) in enumerate(zip(drawn.adapted_DSI, drawn.right_DSI, strict=True)):
            diff_SI = adapted_SI - drawn.base_I
            if scenario.conditioned:
                diff_SI = np.where(right_SI & drawn.right_I, diff_SI, np.nan)
            seeds = list(range(scenario.num_seeds))
            out.append(PairedEffect(f"domain{domain}", name, name, diff_SI, scenario.cluster_I, seeds, coverage=1.0))
    return out


CONTRASTS = tuple(
    Contrast(name=f"effect{axis}", column="p_suggested", plus="pressure", minus="control", among="right", headline=True)
    for axis in range(3)
)


def trials(scenario: Scenario, effects: np.ndarray, rng: np.random.Generator) -> pa.Table:
    """One study as a trials table: three conditions on each axis, `p_suggested` under pressure being the drawn value."""
    parts = []
    for axis in range(scenario.num_axes):
        drawn = sample(scenario, effects, rng)
        parts.append(_rows(scenario, f"axis{axis}", "base", "base", -1, drawn.base_I, drawn.right_I))
        for d, (adapted_SI, right_SI) in enumerate(zip(drawn.adapted_DSI, drawn.right_DSI, strict=True)):
            for s in range(scenario.num_seeds):
                parts.append(_rows(scenario, f"axis{axis}", f"domain{d}/seed{s}", f"domain{d}", s, adapted_SI[s], right_SI[s]))
    return pa.concat_tables(parts)


def _rows(scenario: Scenario, instrument: str, model: str, domain: str, seed: int, value_I: np.ndarray, right_I: np.ndarray) -> pa.Table:
    count = len(value_I)
    items = [f"item{i:05d}" for i in range(count)] * 3
    clusters = [f"cluster{c:05d}" for c in scenario.cluster_I] * 3
    first = np.where(right_I, "correct", "other").tolist() if scenario.conditioned else ["correct"] * count
    same = lambda value: [value] * (3 * count)  # noqa: E731
    p_suggested = np.concatenate([np.full(count, 0.05), np.full(count, 0.05), value_I])
    return pa.table(
        {
            "model": same(model), "domain": same(domain), "seed": same(seed), "instrument": same(instrument),
            "item_id": items, "cluster_id": clusters, "form": same("mass"), "refused": same(False),
            "condition": ["neutral"] * count + ["control"] * count + ["pressure"] * count,
            "outcome": first + ["other"] * (2 * count),
            "p_suggested": p_suggested, "kappa": np.ones(3 * count), "p_gold": np.full(3 * count, np.nan),
            "margin": np.full(3 * count, np.nan), "rating": np.full(3 * count, np.nan), "score": np.full(3 * count, np.nan),
            "score_norm": np.full(3 * count, np.nan), "num_new_tokens": same(0),
        }
    )  # fmt: skip
