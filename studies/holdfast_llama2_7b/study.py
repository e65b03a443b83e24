"""A published study as its checks and claims see it, and the shape of what a check says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from holdfast.stats.decide import manski
from holdfast_llama2_7b.correlation import correlations
from holdfast_llama2_7b.counts import Counts
from holdfast_llama2_7b.tables import AXES, BENCHMARKS, Tables
from holdfast_llama2_7b.training import Training
from holdfast_llama2_7b.words import Sentence

Cell = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """level "refuse" forbids its cells' claims, "bounds" leaves bounds only, "warn" qualifies, "ok" is a check passed.

    `cited`: known from the study's notes alone; no file at hand shows it. `cells`: (adapter, instrument).
    """

    check: str
    level: str
    sentence: Sentence
    cells: tuple[Cell, ...] = ()
    cited: bool = False
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Everything a check may look at."""

    tables: Tables
    counts: Counts | None
    training: Training

    @property
    def adapters(self) -> tuple[str, ...]:
        return self.tables.adapters

    def cells(self, *instruments: str) -> tuple[Cell, ...]:
        return tuple((a, i) for a in self.adapters for i in instruments)

    def correlations(self) -> list[dict[str, Any]]:
        t = self.tables
        levels = {key: level.rate for key, level in t.levels.items()}
        return correlations(levels, t.csv_levels, t.csv_correlations, t.adapters, [(b, a) for b in BENCHMARKS for a in AXES])

    def bounds(self, model: str, axis: str) -> tuple[float, float]:
        """Manski bounds of a rate: replies nothing was found in set to all-0, then to all-1; no count of them: 0 to 1."""
        level = self.tables.levels[model, axis]
        if level.undetected is None:
            return 0.0, 1.0
        return manski(level.hits, level.total - level.undetected, level.undetected)

    def change_bounds(self, adapter: str, axis: str) -> tuple[float, float]:
        (low0, high0), (low1, high1) = self.bounds("base", axis), self.bounds(adapter, axis)
        return low1 - high0, high1 - low0

    def coverage(self, model: str, axis: str) -> float | None:
        level = self.tables.levels[model, axis]
        return None if level.undetected is None else 1 - level.undetected / level.total

    def trained_on(self, benchmark: str) -> list[str]:
        rows = self.tables.settings.get("rows") or {}
        return [a for a in self.adapters if benchmark in (rows.get(a) or {})]
