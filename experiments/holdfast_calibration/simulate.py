"""What intervals and verdicts do over many simulated studies: coverage, false verdicts, false equivalence, each with its Monte Carlo error."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from holdfast.analysis import analyze
from holdfast.analysis.effects import PairedEffect, family
from holdfast.records import DomainFacts, InstrumentFacts, StudyFacts
from holdfast.results import Finding
from holdfast_calibration.records import Rate
from holdfast_calibration.studies import BAND, CONTRASTS, Scenario, draw, effects_of, trials

Tick = Callable[[int], None]
CLAIMS = ("raised", "lowered")


class Cell(NamedTuple):
    """A finding of a simulated study, as far as it is judged. `false`: claimed though the true effect is 0 or of the other sign."""

    adapter: str
    effect: float
    verdict: str | None
    covers: bool
    width: float
    false: bool


Simulated = tuple[list[Cell], list[Cell]]  # cells of a simulated study, and of the contrasts between its adapters


def _cell(adapter: str, f: Finding, effect: float) -> Cell:
    estimate, lower, upper = (math.nan if x is None else x for x in (f.estimate, f.lower, f.upper))
    false = f.verdict in CLAIMS and (effect == 0 or (estimate > 0) != (effect > 0))
    return Cell(adapter, effect, f.verdict, lower <= effect <= upper, upper - lower, false)


def rate(per_study: list[float]) -> Rate:
    """Mean of per-study frequencies; cells of one study share items and pooled variance, so the study is the unit.

    Where every study agrees the error is that of one study's dissent: a rate of 0 in 100 is not known exactly.
    """
    known = np.array([x for x in per_study if not math.isnan(x)])
    if len(known) < 2:
        return Rate(rate=None, se=None, n=len(known))
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

    def one() -> Simulated:
        every = draw(scenario, effects, rng)
        pairs = _pairs(every) if scenario.paired and truth == "null" else []
        return _judge([(m, effects[int(m.adapter.removeprefix("domain"))]) for m in every]), _judge(pairs)

    return _count(one, rounds, scenario.num_domains, tick)


def simulate_whole(scenario: Scenario, truth: str, rounds: int, seed: int = 0, tick: Tick = lambda _: None) -> dict[str, Rate]:
    """The same rates with every study a trials table that goes the whole way through `analyze`."""
    rng = np.random.default_rng([seed, *map(ord, "whole" + scenario.name + truth)])
    effects = effects_of(scenario, truth)
    true_effect = {f"domain{d}": float(effects[d]) for d in range(scenario.num_domains)}
    instruments = [InstrumentFacts(name=f"axis{a}", kind="axis", form="mass", contrasts=(CONTRASTS[a],)) for a in range(scenario.num_axes)]
    study = StudyFacts(
        name="simulated", base="base", domains=tuple(DomainFacts(name=d) for d in true_effect), instruments=tuple(instruments),
        equivalence_band=BAND, seeds=scenario.num_seeds, estimands={},
    )  # fmt: skip

    def one() -> Simulated:
        findings = analyze(trials(scenario, effects, rng), study)
        cells = [_cell(a.name, f, true_effect[a.name]) for a in findings.adapters for f in (s.behaviour for s in a.shifts.values())]
        pairs = [_cell(c.name, c, 0.0) for c in findings.contrasts] if truth == "null" else []
        return cells, pairs

    return _count(one, rounds, scenario.num_domains, tick)


def _judge(every: list[tuple[PairedEffect, float]]) -> list[Cell]:
    truth = {(m.adapter, m.name): effect for m, effect in every}
    findings = family([m for m, _ in every], band=BAND)
    return [_cell(key[0], finding, truth[key]) for key, finding in findings.items()]


def _pairs(every: list[PairedEffect]) -> list[tuple[PairedEffect, float]]:
    """Contrasts between adapters, seeds paired by rank, as the findings make them."""
    return [
        (PairedEffect(f"{a.adapter} - {b.adapter}", a.name, a.contrast, a.diff_SI - b.diff_SI, a.clusters, a.seeds, 1.0), 0.0)
        for k, a in enumerate(every)
        for b in every[k + 1 :]
        if a.name == b.name
    ]


def _count(one: Callable[[], Simulated], rounds: int, num_domains: int, tick: Tick) -> dict[str, Rate]:
    counts: dict[str, list[float]] = {}
    mean = lambda values: float(np.mean(values)) if len(values) else math.nan  # noqa: E731
    for _ in range(rounds):
        cells, pairs = one()
        frequencies = {
            "coverage": mean([c.covers for c in cells]),
            "width": mean([c.width for c in cells]),
            "false_verdict": float(any(c.false for c in cells)),
            "pair_false_verdict": float(any(c.false for c in pairs)) if pairs else math.nan,
            "false_unchanged": mean([c.verdict == "unchanged" for c in cells if abs(c.effect) >= BAND]),
            "unchanged": mean([c.verdict == "unchanged" for c in cells if c.effect == 0]),
            "detected": mean([c.verdict in CLAIMS for c in cells if c.effect]),
            **{f"coverage/{d}": mean([c.covers for c in cells if c.adapter == f"domain{d}"]) for d in range(num_domains)},
        }
        for name, value in frequencies.items():
            counts.setdefault(name, []).append(value)
        tick(1)
    by_domain = [rate(counts.pop(f"coverage/{d}")) for d in range(num_domains)]
    worst = min(by_domain, key=lambda r: math.nan if r.rate is None else r.rate)
    return {name: rate(values) for name, values in counts.items()} | {"worst_coverage": worst}
