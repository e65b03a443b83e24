"""Which models a study measures: the base, and every adapter at every dose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from holdfast.config import Study

Dosing = Literal["full", "scale", "steps"]


@dataclass(frozen=True, slots=True, order=True)
class ModelKey:
    """The base (`domain` None), or a domain's adapter of one seed at a dose in (0, 1].

    path "full": the adapter itself, dose 1; "scale": its update times `dose`; "steps": as it was after that share of its steps.
    """

    domain: str | None
    seed: int = -1
    dose: float = 1.0
    path: Dosing = "full"

    @property
    def name(self) -> str:
        if self.domain is None:
            return "base"
        return f"{self.domain}/seed{self.seed}" + ("" if self.path == "full" else f"@{self.dose:g}-{self.path}")


def adapter_keys(study: Study, domain: str, seed: int) -> list[ModelKey]:
    """One adapter at dose 1 first, then at every other dose of the study."""
    keys, dose = [ModelKey(domain, seed)], study.dose
    dosed = dose.domains if dose.domains is not None else [d.name for d in study.domains if d.role == "domain"]
    if domain in dosed and seed < (dose.seeds or study.seeds) and not study.domain(domain).identity:
        keys += [ModelKey(domain, seed, d, "scale") for d in sorted(dose.scales)]
        keys += [ModelKey(domain, seed, d, "steps") for d in sorted(dose.checkpoints)]
    return keys


def study_keys(study: Study) -> list[ModelKey]:
    """Every model of the study, the base first, in the order of its domains."""
    return [ModelKey(None), *(k for d in study.domains for s in range(study.seeds) for k in adapter_keys(study, d.name, s))]
