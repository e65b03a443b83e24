"""The study as analysis, audit and report see it: names, roles and contrasts; no path, no model, no data set."""

from __future__ import annotations

import dataclasses
from typing import Any

from holdfast import instruments
from holdfast.config import Study
from holdfast.instruments.style import STYLES
from holdfast.redact import redacted


def study_facts(study: Study) -> dict[str, Any]:
    """Read from the study's settings alone: nothing is opened. Raises ConfigError for an unknown instrument option."""
    built = [(i.kind, instruments.build(i.kind, STYLES[i.style], **i.options)) for i in study.instruments]
    name = study.model.served_model or study.model.name
    return {
        "name": redacted(study.name),
        "base": redacted(name.rsplit("/", 1)[-1] if name.startswith(("/", ".")) else name),
        "domains": [
            {
                "name": d.name,
                "role": d.role,
                "own_benchmark": d.own_benchmark,
                "parts": list(d.parts),
                "verifiable": d.verifiable,
                "answers": d.answers,
                "mitigates": d.mitigates,
            }
            for d in study.domains
        ],
        "instruments": [
            {"name": k, "kind": x.kind, "form": x.form, "contrasts": [dataclasses.asdict(c) for c in x.contrasts]}
            | ({"detection": dataclasses.asdict(x.detection)} if x.detection else {})
            for k, x in built
        ],
        "equivalence_band": study.stats.equivalence_band,
        "seeds": study.seeds,
        "estimands": {k: next((c.name for c in x.contrasts if c.headline), "accuracy") for k, x in built},
    }
