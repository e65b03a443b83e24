"""The cells of a study made in this process: adapters trained, models asked."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.backends import identity
from holdfast.backends.adapters import Adapters, weights
from holdfast.backends.base import KernelChoice, LocalBase
from holdfast.backends.identity import Identity, JsonObject
from holdfast.backends.keys import ModelKey
from holdfast.backends.protocol import Backend, ModelCells
from holdfast.backends.trials import Tick, ask_items, write_trials
from holdfast.config import Study
from holdfast.engine.local import LocalEngine
from holdfast.models import checkpoint
from holdfast.models.chat import ChatFormat
from holdfast.models.survey import survey
from holdfast.records import Prompt
from holdfast.sources.materials import InstrumentItems
from holdfast.store import Store, canonical

if TYPE_CHECKING:
    from torch import Tensor

COUNTS = "engine.json"  # of a cell: tokens and operations, counted over the whole run, however often it was interrupted


def first_prompts(asked: InstrumentItems) -> list[Prompt]:
    """The prompts at which drift is read, one per item: an axis's first condition; none for a benchmark."""
    if asked.instrument.kind != "axis":
        return []
    return [next(p for p in prompts if p.condition == asked.instrument.conditions[0]) for prompts in asked.prompts]


class LocalBackend(Backend):
    """Trains and asks with the base and the processors of this machine."""

    trains = True

    def __init__(self, study: Study, store: Store):
        super().__init__(study, store)
        self.base = LocalBase(study)
        self.kernels = KernelChoice(self.base, store)
        self.adapters = Adapters(study, store, self.materials, self.base, self.kernels, self.meter)
        self.token_cache: dict[Any, Any] = {}  # tokenized prompts, for the next model
        self._base_logprobs: dict[str, Tensor] = {}  # of the next token at the first prompts, by instrument

    def engine(self, network: Any, cache: dict[Any, Any] | None = None) -> LocalEngine:
        budget, base = self.study.execution.tokens_per_batch, self.base
        return LocalEngine(
            network, base.chat, budget, cache=cache, use=self.kernels.in_use, memory_bytes=base.memory_bytes, fit=base.fit
        )  # fmt: skip

    def check(self) -> None:
        checkpoint.load_tokenizer(self.base.config)

    def before_jobs(self, threads: int) -> None:
        chat, study, materials = ChatFormat(self.base.chat.tokenizer, checkpoint.load_limits(self.base.config)), self.study, self.materials
        prompts = [p for i in study.instruments for mine in materials.asked(i.kind).prompts for p in mine]
        examples = [e for d in study.domains if not d.identity for e in materials.examples(d.name)]
        for remark in survey(chat, prompts, examples, study.train.max_length):
            self.store.warn(remark)
        self.kernels.measure(threads)

    def chat(self) -> ChatFormat:
        return self.base.chat

    def request_stop(self) -> bool:
        return self.adapters.request_stop()

    # --- cells ----------------------------------------------------------------------------------------------------------

    def max_steps(self, domain: str) -> int:
        return 0 if self.study.domain(domain).identity else self.adapters.max_steps(domain)

    def find_adapter(self, domain: str, seed: int) -> Path | None:
        return self.adapters.find(domain, seed)

    def trials_identity(self, key: ModelKey, kind: str) -> Identity | None:
        files = None
        if key.domain is not None:
            cell = self.adapters.find(key.domain, key.seed)
            if cell is None:
                return None
            folder = f"{weights(key, cell).relative_to(cell).as_posix()}/"
            files = {f.removeprefix(folder): d for f, d in self.store.files(cell).items() if f.startswith(folder)}
        scale = key.dose if key.path == "scale" else None
        return identity.trials(self.base.identity, key.name, files, self.materials.asked(kind), scale)

    def make_trials(self, key: ModelKey, tick: Tick = lambda _: None) -> list[Path]:
        from holdfast.models.adapters import adapted

        cell = self.adapters.make(key.domain, key.seed, tick) if key.domain is not None else None
        missing = self.cells.missing(key)
        if missing and cell is None:
            self._ask_all(self.base.model, key, missing, tick)
        elif missing and cell is not None:
            for kind in missing:
                self._keep_base(self.materials.asked(kind))
            scale = key.dose if key.path == "scale" else 1.0
            with adapted(self.base.model, weights(key, cell), scale) as network:
                self._ask_all(network, key, missing, tick)
        return self.cells.of(key) or []

    def _ask_all(self, network: Any, key: ModelKey, kinds: Sequence[str], tick: Tick) -> None:
        from holdfast.engine.forwards import compile_blocks

        engine = self.engine(network, self.token_cache)
        with compile_blocks(network, self.study.execution.compile):
            for kind in kinds:
                with self.meter.timed(kind):
                    self.ask(engine, key, kind, tick)

    def ask(self, engine: Any, key: ModelKey, kind: str, tick: Tick = lambda _: None) -> None:
        """Make one cell of trials with an engine of the model."""
        asked, adapted = self.materials.asked(kind), key.domain is not None
        before = dataclasses.replace(engine.counters)
        drift = {id(p) for p in first_prompts(asked) if p.choices} if adapted else set()
        watch = [i for i, p in enumerate(p for prompts in asked.prompts for p in prompts) if id(p) in drift]
        answered, watched = ask_items(asked, engine, tick, watch)
        with self.cells.making(key, kind) as draft:
            write_trials(draft, key.name, asked, answered, self.drift(asked, engine, watched) if adapted else ())
            spent = {name: getattr(engine.counters, name) - getattr(before, name) for name in ("asked", "computed", "read", "flops")}
            why = {"ordinary_calls": engine.fit.why_not} if engine.fit.why_not else {}
            (draft / COUNTS).write_text(canonical({**spent, **why}) + "\n", encoding="utf-8")
        self.meter.flops += spent["flops"]

    def _keep_base(self, asked: InstrumentItems) -> None:
        """Read the base's next token at the first prompts, before an adapter is put on it."""
        prompts = first_prompts(asked)
        if prompts and asked.config.kind not in self._base_logprobs:
            self._base_logprobs[asked.config.kind] = self.engine(self.base.model).next_logprobs(prompts)

    def drift(self, asked: InstrumentItems, engine: LocalEngine, adapted: Tensor | None) -> list[float]:
        """KL(base || adapted) of the next token at the answer slot, per item, nats. `adapted`: its log-probabilities, if already read."""
        prompts, base = first_prompts(asked), self._base_logprobs.get(asked.config.kind)
        if not prompts or base is None:
            return []
        adapted = engine.next_logprobs(prompts) if adapted is None else adapted
        return (base.exp() * (base - adapted)).sum(-1).clamp_min(0).tolist()

    # --- what is known of them ------------------------------------------------------------------------------------------

    def invariance_identity(self, items: dict[str, str]) -> Identity:
        return {**self.base.identity, "items": items, "code": identity.TRIALS_CODE, "versions": identity.library_versions()}

    def measure_invariance(self) -> None:
        self.keep_invariance(lambda: self.engine(self.base.model), self.study.model.dtype)

    def utilization(self, seconds: float, flops: int, threads: int) -> dict[str, float]:
        """The rate of matrix multiplies (GF/s) and the share of it that was reached; unknown of a cluster's machines and of an accelerator."""
        settings = self.study.execution
        if not seconds or settings.kind != "local" or checkpoint.pick_device(settings.device).type != "cpu":
            return {}
        import torch

        from holdfast.engine.kernels import peak_gflops

        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        peak = peak_gflops()
        torch.set_num_threads(before)
        return {"peak_gflops": round(peak, 1), "fraction_of_peak": round(flops / seconds / peak / 1e9, 3)}

    def summary(self, models: Sequence[ModelCells], timing: Mapping[str, Any]) -> JsonObject:
        """Tokens asked and computed (`shared`: not computed, as another prompt or choice had), operations, time and share of the peak.

        `ordinary_calls`: why the model was not asked through packed rows, if it was not. Times are of the last session that made cells.
        """
        tokens: dict[str, JsonObject] = {}
        flops, ordinary = 0, set()
        for _, places in models:
            for kind, place in zip(self.cells.kinds, places, strict=True):
                counts = _read(place / COUNTS)
                total = tokens.setdefault(kind, {"asked": 0, "computed": 0})
                for name in total:
                    total[name] += counts.get(name, 0)
                flops += counts.get("flops", 0)
                ordinary |= {counts["ordinary_calls"]} if "ordinary_calls" in counts else set()
        for total in tokens.values():
            total["shared"] = round(1 - total["computed"] / total["asked"], 4) if total["asked"] else None
        cells = [self.find_adapter(d.name, seed) for d in self.study.domains for seed in range(self.study.seeds)]
        trainings = [_read(cell / "training.json") for cell in cells if cell is not None]
        engine = {
            "matrix_multiply": self.kernels.summary(),
            "tokens": dict(sorted(tokens.items())),
            "training_tokens": sum(t.get("num_tokens", 0) for t in trainings),
            "training_computed": sum(t.get("num_computed", 0) for t in trainings),
            "nominal_flops": flops + sum(t.get("flops", 0) for t in trainings),
            **({"ordinary_calls": sorted(ordinary)} if ordinary else {}),
            **{name: timing[name] for name in ("process_seconds", "peak_gflops", "fraction_of_peak") if name in timing},
        }
        return {"base": self.base.identity, "engine": engine}


def _read(path: Path) -> JsonObject:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
