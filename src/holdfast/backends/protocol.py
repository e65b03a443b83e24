"""What a run needs of whatever answers its prompts: this machine (backends.local) or a server (backends.endpoint)."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.backends.identity import Identity, JsonObject
from holdfast.backends.keys import ModelKey
from holdfast.backends.trials import Tick, TrialCells
from holdfast.config import Study
from holdfast.models.chat import ChatFormat
from holdfast.records import Prompt
from holdfast.sources.materials import Materials
from holdfast.store import Store, canonical

if TYPE_CHECKING:
    from holdfast.engine.invariance import Engine

INVARIANCE_ITEMS = 2  # of every instrument, asked together and each by itself
ModelCells = tuple[ModelKey, Sequence[Path]]  # a model with its cells of trials, in the order of the study's instruments


@dataclass(slots=True)
class Meter:
    """What the work of this process took: seconds by stage, nominal operations (engine.local)."""

    seconds: dict[str, float] = field(default_factory=dict)
    flops: int = 0

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - start


class Backend(ABC):
    """Finds and makes the cells of one study. Heavy things are loaded when first needed, then kept."""

    trains = False  # whether adapters are made here and lie in cells of their own

    def __init__(self, study: Study, store: Store):
        self.study, self.store, self.materials, self.meter = study, store, Materials(study), Meter()
        self.cells = TrialCells(study, store, self.trials_identity)

    def check(self) -> None:  # noqa: B027 - a hook that a backend may leave out
        """Raises ModelError if the model cannot be asked: checked before any rows are read."""

    def prepare(self) -> None:  # noqa: B027 - a hook that a backend may leave out
        """Find out what a plan needs to know. Raises ModelError or ConfigError for what cannot be asked."""

    def before_jobs(self, threads: int) -> None:  # noqa: B027
        """Decide once, before a run's first cell, what all of its workers share."""

    @abstractmethod
    def chat(self) -> ChatFormat | None:
        """The base's tokenizer and template, without its weights; None if they are not available."""

    def max_steps(self, domain: str) -> int:
        """Optimizer steps of one training; 0 where nothing is trained."""
        return 0

    def find_adapter(self, domain: str, seed: int) -> Path | None:
        """The cell of an adapter; None if it is missing, or not made here."""
        return None

    @abstractmethod
    def trials_identity(self, key: ModelKey, kind: str) -> Identity | None:
        """What a cell of trials is made from; None while its adapter is missing."""

    @abstractmethod
    def make_trials(self, key: ModelKey, tick: Tick = ...) -> list[Path]:
        """A model's cells, in the order of the instruments; what is missing is made: adapter, then trials. `tick` is called with work done."""

    def request_stop(self) -> bool:
        """Whether the work under way will keep its state and end by itself, raising Interrupted; else the process may end at once."""
        return False

    @abstractmethod
    def invariance_identity(self, items: dict[str, str]) -> Identity:
        """What the measurement of batch-size invariance depends on. `items`: digest of the items by instrument."""

    @abstractmethod
    def measure_invariance(self) -> None:
        """Ask the base some prompts together and each by itself, unless that was done, and keep what differs."""

    def keep_invariance(self, engine: Callable[[], Engine], dtype: str, wanted: Callable[[Prompt], bool] = lambda _: True) -> None:
        """Measure it with `engine` on the prompts that are `wanted`. `dtype`: the engine's number format, or "served"."""
        from holdfast.engine.invariance import difference, rounded

        name, made_from = self._invariance()
        if self.store.find(name):
            return
        asked = [self.materials.asked(i.kind) for i in self.study.instruments]
        prompts = [p for a in asked for mine in a.prompts[:INVARIANCE_ITEMS] for p in mine if wanted(p)]
        result = {**rounded(difference(engine(), prompts)), "dtype": dtype}
        with self.store.making(name, made_from) as draft:
            (draft / "invariance.json").write_text(canonical(result) + "\n", encoding="utf-8")

    def recorded(self) -> JsonObject:
        """Measurements kept for the audit; empty if there are none."""
        place = self.store.find(self._invariance()[0])
        return {"batch_invariance": json.loads((place / "invariance.json").read_text(encoding="utf-8"))} if place else {}

    def _invariance(self) -> tuple[str, Identity]:
        made_from = self.invariance_identity({i.kind: self.materials.asked(i.kind).digest for i in self.study.instruments})
        return self.store.name("invariance", made_from), made_from

    def missing_answers(self, models: Sequence[ModelCells]) -> dict[Path, str]:
        """A line for each cell in which answers are missing because requests failed; such a cell may be made anew under its name."""
        return {}

    def utilization(self, seconds: float, flops: int, threads: int) -> dict[str, float]:
        """Share of this machine's peak that `flops` in `seconds` of a process came to; empty where that cannot be said."""
        return {}

    @abstractmethod
    def summary(self, models: Sequence[ModelCells], timing: Mapping[str, Any]) -> JsonObject:
        """For environment.json: what answered, and what was asked of it. `timing`: of timing.json."""
