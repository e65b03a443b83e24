"""calibration.json: what a calibration came to, as typed records. An unknown number is None (null)."""

from __future__ import annotations

from typing import Any

from holdfast.frozen import Number, Record


class Rate(Record):
    """A frequency over simulated studies with its Monte Carlo standard error; None where nothing was counted."""

    rate: Number
    se: Number
    n: int


class StudyRates(Record):
    """Rates over the simulated studies of one scenario under one truth, "null" or "edge"."""

    scenario: str
    says: str
    truth: str
    rounds: int
    num_seeds: int
    promised: bool
    rates: dict[str, Rate]


class MetricRow(Record):
    """One metric, planted and recovered. `inside`: the planted value lies in the 95 % interval; `recovered_it`: in the family's."""

    questionnaire: str
    model: str
    kind: str
    metric: str
    planted: Number
    recovered: Number
    se: Number
    df: Number
    n: int
    inside: bool
    recovered_it: bool


class Recovery(Record):
    """Every metric, and the verdict of every adapter's gains and shifts by questionnaire."""

    rows: tuple[MetricRow, ...]
    verdicts: dict[str, dict[str, dict[str, str | None]]]


class Settings(Record):
    """Items per instrument of the responders; simulated studies per scenario without effect (half as many with effects); studies that go
    the whole way through `analyze`.
    """

    num_items: int
    num_studies: int
    num_whole: int
    seed: int = 0


class Calibration(Record):
    """calibration.json. `organisms`: organisms.json of the organism experiments, if there was one."""

    version: int = 1
    settings: Settings
    recovery: Recovery
    studies: tuple[StudyRates, ...]
    whole: tuple[StudyRates, ...]
    organisms: dict[str, Any] | None = None
    problems: tuple[str, ...] = ()
