"""The published study as its checks and claims see it, and the shape of a check's result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from holdfast.errors import DataError
from holdfast.results import PublishedCorrelation
from holdfast.stats.decide import manski
from holdfast_llama2_7b.correlation import correlations
from holdfast_llama2_7b.inputs import Counts
from holdfast_llama2_7b.tables import AXES, BENCHMARKS, Cell, Tables
from holdfast_llama2_7b.words import Sentence


@dataclass(frozen=True, slots=True)
class Defect:
    """level "refuse" forbids its cells' claims, "bounds" leaves bounds only, "warn" qualifies, "ok" is a check passed.

    `cited`: known from the study's notes only; no file at hand shows it. `cells`: (adapter, instrument).
    """

    check: str
    level: str
    sentence: Sentence
    evidence: Mapping[str, Any] = field(default_factory=dict)
    cells: tuple[Cell, ...] = ()
    cited: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """`steps`: optimizer steps by adapter, from rows, the held-out part, the batch and the epochs; `stated`: as the notes have them.

    `held_out_alone`: adapters of several benchmarks whose held-out rows are all of one; only where nothing was shuffled.
    """

    steps: dict[str, int]
    stated: dict[str, int]
    held_out: dict[str, int]
    held_out_alone: dict[str, str]
    inside_warmup: tuple[str, ...]
    warmup_steps: int | None
    seeds: int | None


@dataclass(frozen=True, kw_only=True)
class Study:
    """Everything a check may look at."""

    tables: Tables
    counts: Counts | None

    @property
    def adapters(self) -> tuple[str, ...]:
        return self.tables.adapters

    @cached_property
    def training(self) -> Training:
        return _training(self.tables)

    @cached_property
    def correlations(self) -> tuple[PublishedCorrelation, ...]:
        t = self.tables
        levels = {key: level.rate for key, level in t.levels.items()}
        return correlations(levels, t.csv_levels, t.csv_correlations, t.adapters, [(b, a) for b in BENCHMARKS for a in AXES])

    def cells(self, *instruments: str) -> tuple[Cell, ...]:
        return tuple((a, i) for a in self.adapters for i in instruments)

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
        return [a for a in self.adapters if benchmark in self.tables.settings.rows[a]]

    def key(self, benchmark: str) -> tuple[str, int, int] | None:
        """(most frequent letter of the answer key, its items, all items); None without counts."""
        keys = self.counts.keys.get(benchmark) if self.counts else None
        return modal(keys) if keys else None


def modal(keys: Mapping[str, int]) -> tuple[str, int, int]:
    """(most frequent letter, its items, all items)."""
    letter = max(sorted(keys), key=keys.__getitem__)
    return letter, keys[letter], sum(keys.values())


def _training(tables: Tables) -> Training:
    settings, notes = tables.settings, tables.notes
    if lacking := [a for a in tables.adapters if not settings.rows.get(a)]:
        raise DataError(f"settings.yaml: rows: {lacking[0]}: missing: the rows of every adapter must be known")
    form, rows = settings.training, {a: settings.rows[a] for a in tables.adapters}
    kept = {a: int((1 - form.held_out) * sum(s.values())) for a, s in rows.items()}
    batch = form.per_device_train_batch_size * form.gradient_accumulation_steps
    steps = {a: kept[a] // batch * form.num_train_epochs for a in rows}  # the trainer drops an epoch's unfinished accumulation
    held_out = {a: sum(s.values()) - kept[a] for a, s in rows.items()}
    last = {a: list(s)[-1] for a, s in rows.items()}
    mixed = [a for a, s in rows.items() if len(s) > 1]
    stated = {
        a: notes.combined_steps if a in mixed else notes.truthfulqa_steps if list(s) == ["truthfulqa"] else notes.single_task_steps
        for a, s in rows.items()
    }
    return Training(
        steps=steps,
        stated={a: n for a, n in stated.items() if n is not None},
        held_out=held_out,
        held_out_alone={a: last[a] for a in mixed if notes.combined_shuffled is False and held_out[a] <= rows[a][last[a]]},
        inside_warmup=tuple(a for a in steps if notes.warmup_steps is not None and steps[a] < notes.warmup_steps),
        warmup_steps=notes.warmup_steps,
        seeds=notes.seeds,
    )
