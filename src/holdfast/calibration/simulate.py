"""What the intervals and verdicts do over many simulated studies: coverage, false verdicts, false equivalence, each with its Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from holdfast.analysis.effects import family
from holdfast.calibration.studies import BAND, Scenario, draw, effects_of

TRUTHS = ("null", "edge")


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


def simulate(scenario: Scenario, truth: str, rounds: int, seed: int, tick: Callable[[int], None] = lambda _: None) -> dict[str, Rate]:
    """Rates over `rounds` studies of one scenario under "null" or "edge" effects.

    coverage: share of cells whose 95 % interval holds the truth. false_verdict: studies with any raised or lowered cell whose true
    effect is 0 or of the other sign. false_unchanged: cells called unchanged though their true effect is on or outside the band.
    detected: cells with a true effect called raised or lowered.
    """
    rng = np.random.default_rng([seed, *map(ord, scenario.name + truth)])
    effects = effects_of(scenario, truth)
    counts: dict[str, list[float]] = {k: [] for k in ("coverage", "false_verdict", "false_unchanged", "unchanged", "detected", "width")}
    for _ in range(rounds):
        found = family(draw(scenario, effects, rng), band=BAND)
        cells = [(cell, effects[int(adapter.removeprefix("domain"))]) for (adapter, _), cell in found.items()]
        wrong = [c["verdict"] in ("raised", "lowered") and (e == 0 or (c["estimate"] > 0) != (e > 0)) for c, e in cells]
        mean = lambda values: float(np.mean(values)) if values else math.nan  # noqa: E731
        counts["coverage"].append(mean([c["lower"] <= e <= c["upper"] for c, e in cells]))
        counts["width"].append(mean([c["upper"] - c["lower"] for c, _ in cells]))
        counts["false_verdict"].append(float(any(wrong)))
        counts["false_unchanged"].append(mean([c["verdict"] == "unchanged" for c, e in cells if abs(e) >= BAND]))
        counts["unchanged"].append(mean([c["verdict"] == "unchanged" for c, e in cells if e == 0]))
        counts["detected"].append(mean([c["verdict"] in ("raised", "lowered") for c, e in cells if e]))
        tick(1)
    return {name: rate(values) for name, values in counts.items()}
