"""Findings of a made study: what a test does not name is empty."""

from __future__ import annotations

from typing import Any

from holdfast.facts import instrument_facts
from holdfast.instruments import build
from holdfast.instruments.style import CHAT_STYLE
from holdfast.records import DomainFacts, StudyFacts
from holdfast.results import AdapterFindings, BaseLevels, Correlation, Estimate, Finding, Shift, StudyFindings, StudySummary


def made_shift(**numbers: Any) -> Shift:
    """A shift that is deference through and through."""
    whole = {"estimate": None, **numbers}
    parts = {p: Finding(part=p, **whole) for p in ("behaviour", "deference")}
    nothing = {n: 0.0 for n in ("lower", "upper") if n in whole}
    return Shift(**parts, firmness=Finding(part="firmness", **{**whole, **nothing, "estimate": 0.0}), support=1.0, sharpness=1.0)


def made_adapter(name: str, role: Any = "domain", **given: Any) -> AdapterFindings:
    empty: dict[str, Any] = dict.fromkeys(("gains", "shifts", "effects", "drift", "vs_format_only"), {})
    empty |= {"own_benchmark": None, "seeds": (), "mean_gain": None, "mean_shift": None, "per_seed": ()}
    return AdapterFindings(name=name, domain=name, role=role, **{**empty, **given})


def made_findings(adapters: list[AdapterFindings], estimands: dict[str, str] | None = None, axes: tuple[str, ...] = ()) -> StudyFindings:
    study = StudySummary(name="made", base="b", domains=(), instruments=(), estimands=estimands or {}, equivalence_band=0.03)
    base = BaseLevels(name="b", benchmarks={}, axes={axis: Estimate(estimate=None) for axis in axes})
    empty = Correlation(num_mixes=0, description={}, cells={})
    return StudyFindings(study=study, base=base, adapters=tuple(adapters), contrasts=(), correlation=empty)


IMITATION_STUDY = StudyFacts(
    name="made",
    base="b",
    seeds=4,
    equivalence_band=0.03,
    estimands={"imitation": "excess_imitation"},
    domains=(DomainFacts(name="up"), DomainFacts(name="same")),
    instruments=(instrument_facts("imitation", build("imitation", CHAT_STYLE)),),
)
