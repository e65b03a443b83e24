"""Facts of a made study: whatever a test does not name is empty."""

from __future__ import annotations

from typing import Any

from holdfast.records import DomainFacts, InstrumentFacts, StudyFacts


def facts(*domains: DomainFacts, instruments: tuple[InstrumentFacts, ...] = (), **given: Any) -> StudyFacts:
    empty = {"name": "made", "base": "base", "equivalence_band": 0.03, "seeds": 0, "estimands": {}}
    return StudyFacts(domains=domains, instruments=instruments, **{**empty, **given})


def domain(name: str, role: Any = "domain", **given: Any) -> DomainFacts:
    return DomainFacts(name=name, role=role, **given)
