"""The study as analysis, audit and report see it: names, roles and contrasts; no path, no model, no data set."""

from __future__ import annotations

import dataclasses

from holdfast import instruments
from holdfast.config import Study
from holdfast.instruments.base import Instrument
from holdfast.instruments.style import STYLES
from holdfast.records import DomainFacts, InstrumentFacts, StudyFacts
from holdfast.redact import redacted


def study_facts(study: Study) -> StudyFacts:
    """Read from the study's settings alone: nothing is opened. Raises ConfigError for an unknown instrument option."""
    built = [(i.kind, instruments.build(i.kind, STYLES[i.style], **i.options)) for i in study.instruments]
    name = study.model.served_model or study.model.name
    return StudyFacts(
        name=redacted(study.name),
        base=redacted(name.rsplit("/", 1)[-1] if name.startswith(("/", ".")) else name),
        domains=tuple(DomainFacts(**{f.name: getattr(d, f.name) for f in dataclasses.fields(DomainFacts)}) for d in study.domains),
        instruments=tuple(instrument_facts(kind, i) for kind, i in built),
        equivalence_band=study.stats.equivalence_band,
        seeds=study.seeds,
        estimands={k: next((c.name for c in i.contrasts if c.headline), "accuracy") for k, i in built},
    )


def instrument_facts(name: str, instrument: Instrument | type[Instrument]) -> InstrumentFacts:
    """What an instrument declares, under the name a study gives it."""
    return InstrumentFacts(
        name=name, kind=instrument.kind, form=instrument.form, contrasts=tuple(instrument.contrasts), detection=instrument.detection
    )
