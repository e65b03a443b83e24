"""What intervals and verdicts do over many simulated studies: coverage, false verdicts, false equivalence, each with its Monte Carlo error."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from holdfast.analysis import analyze
from holdfast.analysis.effects import Measured, family
from holdfast.calibration.studies import BAND, CONTRASTS, Scenario, draw, effects_of, trials

Tick = Callable[[int], None]
# A study's cells as (adapter, verdict cell, true effect), and the cells of its pairs of adapters.
Cells = list[tuple[str, dict[str, Any], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A frequency over simulated studies with its Monte Carlo standard error; nan where nothing was counted."""

    rate: float
    se: float
    n: int


def rate(per_study: list[float]) -> Rate:
    """Mean of per-study frequencies; cells of one study share items and pooled variance, so the study is the unit.

    Where every study agrees the error is that of one study's dissent: a rate of 0 in 100 is not known exactly.
    """
    known = np.array([x for x in per_study if not math.isnan(x)])
    if len(known) < 2:
        return Rate(rate=math.nan, se=math.nan, n=len(known))
    spread = float(known.std(ddof=1)) or math.sqrt(1 / len(known))
    return Rate(rate=float(known.mean()), se=spread / math.sqrt(len(known)), n=len(known))


def simulate(scenario: Scenario, truth: str, rounds: int, seed: int = 0, tick: Tick = lambda _: None) -> dict[str, Rate]:
    """Rates over `rounds` studies of one scenario under "null" or "edge" effects, through the analysis's own verdicts.

    coverage: share of cells whose 95 % interval holds the truth; worst_coverage: of the domain that is covered least.
    false_verdict: studies with any raised or lowered cell whose true effect is 0 or of the other sign. pair_false_verdict: the same of
    the contrasts between adapters (under "null" they differ in nothing but seed). false_unchanged: cells called unchanged though the
    true effect is on or outside the band. unchanged: cells without effect called so. detected: cells with an effect called raised or
    lowered. width: of the 95 % interval.
    """
    rng = np.random.default_rng([seed, *map(ord, scenario.name + truth)])
    effects = effects_of(scenario, truth)

    def one() -> tuple[Cells, Cells]:
        every = draw(scenario, effects, rng)
        pairs = _pairs(every, effects) if scenario.paired and truth == "null" else []
        return _judge([(m, effects[int(m.adapter.removeprefix("domain"))]) for m in every]), _judge(pairs)

    return _count(one, rounds, scenario.num_domains, tick)


def simulate_whole(scenario: Scenario, truth: str, rounds: int, seed: int = 0, tick: Tick = lambda _: None) -> dict[str, Rate]:
    """The same rates with every study a trials table that goes the whole way through `analyze`."""
    rng = np.random.default_rng([seed, *map(ord, "whole" + scenario.name + truth)])
    effects = effects_of(scenario, truth)
    names = [f"domain{d}" for d in range(scenario.num_domains)]
    axes = [f"axis{a}" for a in range(scenario.num_axes)]
    kinds = [
        {"name": a, "kind": "axis", "form": "mass", "contrasts": [dataclasses.asdict(c)]} for a, c in zip(axes, CONTRASTS, strict=False)
    ]
    study = {
        "name": "simulated", "base": "base", "equivalence_band": BAND, "instruments": kinds, "estimands": {},
        "domains": [{"name": d, "role": "domain", "own_benchmark": None} for d in names],
    }  # fmt: skip

    def one() -> tuple[Cells, Cells]:
        found = analyze(trials(scenario, effects, rng), study)
        by_name = dict(zip(names, effects, strict=True))
        cells = [(e["name"], cell, by_name[e["name"]]) for e in found["adapters"] for cell in e["shifts"].values()]
        pairs = [(c["name"], c, 0.0) for c in found["contrasts"]] if truth == "null" else []
        return cells, pairs

    return _count(one, rounds, scenario.num_domains, tick)


def _judge(every: list[tuple[Measured, float]]) -> Cells:
    truth = {(m.adapter, m.name): effect for m, effect in every}
    made = family([m for m, _ in every], band=BAND)
    return [(adapter, cell, truth[adapter, name]) for (adapter, name), cell in made.items()]


def _pairs(every: list[Measured], effects: np.ndarray) -> list[tuple[Measured, float]]:
    """Contrasts between adapters, seeds paired by rank, as the findings make them."""
    out = []
    for k, a in enumerate(every):
        for b in every[k + 1 :]:
            if a.name == b.name:
                name = f"{a.adapter} - {b.adapter}"
                out.append((Measured(name, a.name, a.contrast, a.diff_SI - b.diff_SI, a.clusters, a.seeds, 1.0), 0.0))
    return out


def _false(cell: dict[str, Any], effect: float) -> bool:
    return cell["verdict"] in ("raised", "lowered") and (effect == 0 or (cell["estimate"] > 0) != (effect > 0))


def _count(one: Callable[[], tuple[Cells, Cells]], rounds: int, num_domains: int, tick: Tick) -> dict[str, Rate]:
    counts: dict[str, list[float]] = {}
    mean = lambda values: float(np.mean(values)) if len(values) else math.nan  # noqa: E731
    for _ in range(rounds):
        cells, pairs = one()
        found = {
            "coverage": mean([c["lower"] <= e <= c["upper"] for _, c, e in cells]),
            "width": mean([c["upper"] - c["lower"] for _, c, _ in cells]),
            "false_verdict": float(any(_false(c, e) for _, c, e in cells)),
            "pair_false_verdict": float(any(_false(c, e) for _, c, e in pairs)) if pairs else math.nan,
            "false_unchanged": mean([c["verdict"] == "unchanged" for _, c, e in cells if abs(e) >= BAND]),
            "unchanged": mean([c["verdict"] == "unchanged" for _, c, e in cells if e == 0]),
            "detected": mean([c["verdict"] in ("raised", "lowered") for _, c, e in cells if e]),
        }
        for d in range(num_domains):
            found[f"coverage/{d}"] = mean([c["lower"] <= e <= c["upper"] for name, c, e in cells if name == f"domain{d}"])
        for name, value in found.items():
            counts.setdefault(name, []).append(value)
        tick(1)
    by_domain = [rate(counts.pop(f"coverage/{d}")) for d in range(num_domains)]
    return {name: rate(values) for name, values in counts.items()} | {"worst_coverage": min(by_domain, key=lambda r: r.rate)}
