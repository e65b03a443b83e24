"""What a check may look at, and the entries it makes. Whatever is absent stays empty: a check that needs it returns nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from holdfast.analysis.findings import TrialPanels
from holdfast.analysis.trials import Trials, distinct
from holdfast.records import Example, Item, Prompt, StudyFacts
from holdfast.results import AuditEntry, AuditLevel, StudyFindings
from holdfast.sources.distinct import RowNotes
from holdfast.stats.crossed import Interval, crossed


class Origin(NamedTuple):
    """Where the rows of a domain's source or of an instrument come from, before anything is drawn from them.

    `role`: "train" or "ask". `split` is the name without its slice; `start`, `stop` are the slice's rows (None: not cut).
    `upstream`: values of the rows' own `split` field. `sorted_by`: the field in whose order the file's rows lie, if they do.
    """

    owner: str
    role: str
    kind: str
    data: str
    split: str
    start: int | None = None
    stop: int | None = None
    split_seed: int | None = None
    num_rows: int = 0
    upstream: tuple[str, ...] = ()
    sorted_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSet:
    """One domain's training rows in their order before any epoch's shuffle.

    `owners[i]` names the part or source of row i, `categories[i]` its subject ("" unknown). `items`: the rows that have options,
    by kind of benchmark. `steps`, `warmup`: optimizer steps in all, and those at a rising rate.
    """

    examples: tuple[Example, ...]
    owners: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    items: dict[str, tuple[Item, ...]] = field(default_factory=dict)
    steps: int = 0
    warmup: int = 0
    combined: bool = False


class RowPrompt(NamedTuple):
    """The prompt an axis's row came with, and the answers a user could hold out in it."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class AuditContext:
    """Facts of the study, its trials, its items, the source keys of each domain's training rows, its training settings,
    and the number of training rows left out because they are evaluation items; then what an audit of rows needs.

    `prompts[instrument]`: first-stage prompts of every item. `row_notes`: what became
    of an instrument's rows that make no item of their own. `num_rows`: rows an instrument's items were made of. `row_prompts`:
    prompts that rows of an axis came with and that its items replace. `tokenizer_probe`: real examples, encoded (`template.probe`).
    `recorded`: measurements a run kept for the audit, such as `batch_invariance`. `trainings`: training records of a run.
    """

    study: StudyFacts
    trials: pa.Table | Trials | None = None
    items: dict[str, list[Item]] = field(default_factory=dict)
    examples_keys: dict[str, set[str]] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)
    num_left_out: dict[str, int] = field(default_factory=dict)
    row_notes: dict[str, RowNotes] = field(default_factory=dict)
    prompts: dict[str, list[list[Prompt]]] = field(default_factory=dict)
    training: dict[str, TrainingSet] = field(default_factory=dict)
    origins: tuple[Origin, ...] = ()
    num_rows: dict[str, int] = field(default_factory=dict)
    row_prompts: dict[str, tuple[RowPrompt, ...]] = field(default_factory=dict)
    tokenizer_probe: dict[str, list[str]] = field(default_factory=dict)
    findings: StudyFindings | None = None
    recorded: dict[str, Any] = field(default_factory=dict)
    trainings: tuple[dict[str, Any], ...] = ()

    @cached_property
    def table(self) -> Trials | None:
        """The trials, opened once for every check."""
        return None if self.trials is None else Trials.of(self.trials)

    @cached_property
    def panels(self) -> TrialPanels | None:
        """The trials as arrays; None without instruments, or without trials of a base."""
        panels = TrialPanels(self.table, self.study, "base") if self.table is not None and self.study.instruments else None
        return panels if panels and "base" in panels.owners else None

    def adapters(self, *roles: str) -> list[str]:
        """Names of the study's domains, of these roles if any are given."""
        return [d.name for d in self.study.domains if not roles or d.role in roles]

    def axes(self) -> list[str]:
        """Names of the study's axes."""
        return [i.name for i in self.study.instruments if i.kind == "axis"]


def adapters_in(trials: pa.Table | Trials) -> dict[str, list[tuple[str, int]]]:
    """{domain: [(model, seed)]} of a trials table, the base left out, and models at part of a dose: those are on the way to one."""
    trials = Trials.of(trials)
    columns = [c for c in ("model", "domain", "seed", "dose", "path") if c in trials.column_names]
    adapters: dict[str, list[tuple[str, int]]] = {}
    for row in (dict(zip(columns, values, strict=True)) for values in distinct(trials, columns)):
        if row["domain"] != "base" and row.get("dose", 1.0) in (None, 1.0) and row.get("path", "full") in (None, "full"):
            adapters.setdefault(row["domain"], []).append((row["model"], row["seed"]))
    return {domain: sorted(models) for domain, models in sorted(adapters.items())}


def entry(check: str, level: AuditLevel, claim: str, evidence: object, cell: tuple[str, str] | None = None) -> AuditEntry:
    """level: ok, warn or refuse. claim: the sentence it forbids or qualifies. cell: (adapter, instrument) it refuses."""
    return AuditEntry(check=check, level=level, claim=claim, evidence=evidence, **({"cell": cell} if cell else {}))


def refusals(context: AuditContext, check: str, claim: str, evidence: object, instrument: str) -> list[AuditEntry]:
    """The same refusal for every adapter's number on an instrument; without any adapter, for the instrument as such."""
    return [entry(check, "refuse", claim, evidence, cell) for cell in [(name, instrument) for name in context.adapters()] or [None]]


def mean_over(values: Sequence[float] | np.ndarray, clusters: Sequence[str] | np.ndarray) -> Interval | None:
    """Mean of scores, with an interval over items only (Miller 2024, arXiv:2411.00640); None without a known value, nan limits for one cluster."""
    value_I = np.asarray(values, dtype=float)
    return None if np.isnan(value_I).all() else crossed(value_I[None], np.asarray(clusters))


def rounded(interval: Interval) -> dict[str, float | int | None]:
    """An interval as evidence: four decimals, unknown as None."""
    numbers = {"estimate": interval.estimate, "lower": interval.lower, "upper": interval.upper}
    return {name: round(float(x), 4) if x == x else None for name, x in numbers.items()} | {
        "n": interval.n,
        "num_clusters": interval.num_clusters,
    }
