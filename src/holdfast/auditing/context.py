"""What a check may look at, and the shape of what it says. Whatever is absent stays empty: a check that needs it returns nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pyarrow as pa

from holdfast.analysis.panel import Owner, Panel, panels
from holdfast.analysis.trials import Trials, distinct
from holdfast.records import Example, Item, Prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
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
    by kind of benchmark. `steps`, `warmup`: optimiser steps in all, and those at a rising rate.
    """

    examples: tuple[Example, ...]
    owners: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    items: dict[str, tuple[Item, ...]] = field(default_factory=dict)
    steps: int = 0
    warmup: int = 0
    combined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPrompt:
    """The prompt an axis's row came with, and the answers a user could hold out in it."""

    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class AuditContext:
    """Facts of the study, its trials, its items, the source keys of each domain's training rows, its training settings,
    and the number of training rows left out because they are evaluation items; then what makes an audit of rows alone.

    `prompts[instrument]`: first-stage prompts of every item. `num_rows`: rows an instrument's items were made of. `row_prompts`:
    prompts that rows of an axis came with and that its items replace. `tokenizer_probe`: real examples, encoded (`template.probe`).
    `recorded`: measurements a run kept for the audit, such as `batch_invariance`. `trainings`: training records of a run.
    """

    study: dict[str, Any]
    trials: pa.Table | Trials | None = None
    items: dict[str, list[Item]] = field(default_factory=dict)
    examples_keys: dict[str, set[str]] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    num_left_out: dict[str, int] = field(default_factory=dict)
    prompts: dict[str, list[list[Prompt]]] = field(default_factory=dict)
    training: dict[str, TrainingSet] = field(default_factory=dict)
    origins: tuple[Origin, ...] = ()
    num_rows: dict[str, int] = field(default_factory=dict)
    row_prompts: dict[str, tuple[RowPrompt, ...]] = field(default_factory=dict)
    tokenizer_probe: dict[str, Any] = field(default_factory=dict)
    findings: dict[str, Any] | None = None
    recorded: dict[str, Any] = field(default_factory=dict)
    trainings: tuple[dict[str, Any], ...] = ()

    @cached_property
    def read(self) -> tuple[dict[str, Panel], dict[str, Owner]]:
        """The trials as arrays, opened once for every check. Not to be asked of a context without trials."""
        assert self.trials is not None
        return panels(self.trials)

    def adapters(self, *roles: str) -> list[str]:
        """Names of the study's domains, of these roles if any are given."""
        return [d["name"] for d in self.study.get("domains", []) if not roles or d.get("role", "domain") in roles]

    def axes(self) -> list[str]:
        return [i["name"] for i in self.study.get("instruments", []) if i.get("kind") == "axis"]


def adapters_in(trials: pa.Table | Trials) -> dict[str, list[tuple[str, int]]]:
    """{domain: [(model, seed)]} of a trials table, the base left out, and models at part of a dose: those are on the way to one."""
    trials = Trials.of(trials)
    columns = [c for c in ("model", "domain", "seed", "dose", "path") if c in trials.column_names]
    found: dict[str, list[tuple[str, int]]] = {}
    for row in (dict(zip(columns, values, strict=True)) for values in distinct(trials, columns)):
        if row["domain"] != "base" and row.get("dose", 1.0) in (None, 1.0) and row.get("path", "full") in (None, "full"):
            found.setdefault(row["domain"], []).append((row["model"], row["seed"]))
    return {domain: sorted(models) for domain, models in sorted(found.items())}


def entry(check: str, level: str, claim: str, evidence: Any, cell: list[str] | None = None) -> dict[str, Any]:
    """level: ok, warn or refuse. claim: the sentence it forbids or qualifies. cell: [adapter, instrument] it refuses."""
    return {"check": check, "level": level, "claim": claim, "evidence": evidence, **({"cell": cell} if cell else {})}


def refusals(context: AuditContext, check: str, claim: str, evidence: Any, instrument: str) -> list[dict[str, Any]]:
    """The same refusal for every adapter's number on an instrument; without any adapter, for the instrument as such."""
    names = context.adapters()
    if not names:
        return [entry(check, "refuse", claim, evidence)]
    return [entry(check, "refuse", claim, evidence, [name, instrument]) for name in names]
