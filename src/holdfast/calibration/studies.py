"""Simulated studies whose true effects are known: differences [seeds, items] per domain and axis, drawn from a stated model.

Latent score of item i under the base: `level + spread * t`, t standard normal (a part of it shared by its cluster). Under seed s of a
domain: the same plus `shift`, the seed's own a_s, the cluster's and the item's own deviation, noise, and `slope * t`. The outcome is
the latent score itself ("continuous"), its logistic ("mass"), or a draw with that probability ("binary"). In a conditioned set an
item counts when base and adapter both answered it rightly, which easy items (high t) do more often. True effects are found by
Gauss-Hermite quadrature of the same model, and `shift` is solved so that the true effect is the one asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from scipy import optimize, special

from holdfast.analysis.effects import Measured

BAND = 0.03
SHARED = 0.5  # of the cluster deviation is common to the domains: they start from one base


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What a simulated study looks like. Standard deviations are on the latent scale (fractions if continuous, else logits).

    `seed_sd`: one value, or one for each domain in turn. `sizes`: items per cluster.
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


LOGIT = {"spread": 1.5, "cluster_sd": 0.4, "item_sd": 0.5, "noise_sd": 0.5}
SCENARIOS = (
    Scenario(name="3 seeds", says="three seeds, every item its own cluster"),
    Scenario(name="5 seeds", says="five seeds, every item its own cluster", num_seeds=5),
    Scenario(name="no seed variance", says="seeds that do not differ", seed_sd=(0.0,)),
    Scenario(name="large seed variance", says="seeds that differ more than items do", seed_sd=(0.04,)),
    Scenario(name="one domain", says="one domain, so no pooling of the seed variance", num_domains=1),
    Scenario(name="uneven clusters", says="300 items in 100 clusters of 1 to 25", sizes=uneven(100, 300, 0.7), item_sd=0.06),
    Scenario(name="few clusters", says="120 items in 15 clusters of 2 to 24", sizes=uneven(15, 120, 0.8), num_seeds=5),
    Scenario(name="binary", says="right or wrong answers", outcome="binary", level=0.5, seed_sd=(0.12,), **LOGIT),
    Scenario(name="skewed mass", says="probabilities, most near 0", outcome="mass", level=-3.0, seed_sd=(0.15,), **LOGIT),
    Scenario(
        name="conditioned set", says="items right under base and adapter", outcome="mass", level=-1.5, seed_sd=(0.15,),
        conditioned=True, slope=-0.3, sizes=uneven(150, 400, 0.5), **LOGIT,
    ),
    Scenario(name="unlike domains", says="seed noise 1 to 6 points by domain", seed_sd=(0.01, 0.06, 0.02, 0.03, 0.04)),
    Scenario(name="unlike, 5 seeds", says="the same with five seeds", seed_sd=(0.01, 0.06, 0.02, 0.03, 0.04), num_seeds=5),
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
    return float(optimize.brentq(lambda x: true_effect(scenario, domain, x) - effect, -6.0, 6.0, xtol=1e-12))


def effects_of(scenario: Scenario, truth: str) -> np.ndarray:
    """True effect per domain: "null" (none anywhere) or "edge" (on either edge of the band, none, and far outside it)."""
    edge = EDGE if scenario.num_domains > 1 else EDGE[:1]
    return np.array([edge[d % len(edge)] if truth == "edge" else 0.0 for d in range(scenario.num_domains)])


def draw(scenario: Scenario, effects: np.ndarray, rng: np.random.Generator) -> list[Measured]:
    """One study: a Measured per domain and axis, as the analysis makes them of trials."""
    cluster_I = scenario.cluster_I
    shape = len(cluster_I), len(scenario.sizes)
    out = []
    for axis in range(scenario.num_axes):
        t_I = np.sqrt(0.3) * rng.standard_normal(shape[1])[cluster_I] + np.sqrt(0.7) * rng.standard_normal(shape[0])
        base_I = scenario.level + scenario.spread * t_I
        luck_I = rng.random(shape[0])
        base_right_I = t_I + _RIGHT_SD * rng.standard_normal(shape[0]) > _RIGHT_CUT
        common_C = np.sqrt(SHARED) * rng.standard_normal(shape[1])
        for domain in range(scenario.num_domains):
            own_C = common_C + np.sqrt(1 - SHARED) * rng.standard_normal(shape[1])
            latent_SI = (
                base_I
                + shift_for(scenario, domain, float(effects[domain]))
                + scenario.slope * t_I
                + scenario.cluster_sd * own_C[cluster_I]
                + scenario.item_sd * rng.standard_normal(shape[0])
                + scenario.sd_of(domain) * rng.standard_normal((scenario.num_seeds, 1))
                + scenario.noise_sd * rng.standard_normal((scenario.num_seeds, shape[0]))
            )
            diff_SI = _observe(scenario, latent_SI, base_I, luck_I, rng)
            if scenario.conditioned:
                right_SI = t_I + _RIGHT_SD * rng.standard_normal(diff_SI.shape) > _RIGHT_CUT
                diff_SI = np.where(right_SI & base_right_I, diff_SI, np.nan)
            name = f"axis{axis}"
            out.append(Measured(f"domain{domain}", name, name, diff_SI, cluster_I, list(range(scenario.num_seeds)), coverage=1.0))
    return out


def _observe(scenario: Scenario, latent_SI: np.ndarray, base_I: np.ndarray, luck_I: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    adapted_SI, base = _respond(scenario, latent_SI), _respond(scenario, base_I)
    if scenario.outcome != "binary":
        return adapted_SI - base
    # Two answers to one question share much of their luck: adapters start from the base.
    luck_SI = np.where(rng.random(latent_SI.shape) < 0.6, luck_I, rng.random(latent_SI.shape))
    return (luck_SI < adapted_SI).astype(float) - (luck_I < base)
