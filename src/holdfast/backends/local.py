"""The cells of a study: what each is made from, and the making of it in this process."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from holdfast.config import Study
from holdfast.errors import Interrupted
from holdfast.execution import account
from holdfast.execution.asking import put
from holdfast.execution.keys import ModelKey, adapter_keys
from holdfast.execution.table import write_trials
from holdfast.models import checkpoint, quantized
from holdfast.records import Example, Prompt
from holdfast.sources.materials import Materials
from holdfast.store import Store, canonical, digest
from holdfast.training import batches

# Raised when a change of code changes the numbers of a cell of that kind.
TRAINING_CODE = 4
TRIALS_CODE = 4
Tick = Callable[[int], None]


def fsdp_settings(processes: int) -> dict[str, Any]:
    """What a sharded adapter's numbers hang on besides its training settings."""
    return {"processes": processes, "fsdp_version": 2, "wrapped": "decoder layers", "accelerate": version("accelerate")}


@cache
def library_versions() -> dict[str, str]:
    """Read once a process: every identity of every cell holds them."""
    return {name: version(name) for name in ("torch", "transformers", "peft", "tokenizers")}


class Cells:
    """Identities and makers of a study's cells. Heavy things (base, tokens) are loaded when first needed, then kept."""

    trains = True  # adapters are made here and lie in cells of their own

    def __init__(self, study: Study, store: Store):
        self.study, self.store, self.materials = study, store, Materials(study)
        self._token_cache: dict[Any, Any] = {}
        self._base_next: dict[str, Any] = {}
        self.encoded: dict[int, tuple[list[int], int]] = {}
        self.seconds: dict[str, float] = {}
        self.flops = 0
        self.leaving: Callable[[], bool] = lambda: False  # whether this process has been told to end
        self.training = False  # and whether it would first keep a training's state

    @cached_property
    def base_digest(self) -> str:
        return checkpoint.digest(self.study.model)

    @cached_property
    def _precision(self) -> dict[str, str]:
        """In what numbers the base computes, for identities."""
        return {"dtype": self.study.model.dtype, **quantized.identity(self.study.model.quantization)}

    @cached_property
    def base(self) -> checkpoint.Base:
        asked = self.study.execution
        return checkpoint.load_base(self.study.model, checkpoint.pick_device(asked.device), asked.device_map, asked.max_memory)

    @cached_property
    def _chat(self) -> Any:
        return self.base.chat if "base" in self.__dict__ else checkpoint.ChatFormat(checkpoint.load_tokenizer(self.study.model))

    def engine(self, network: Any, cache: dict[Any, Any] | None = None) -> Any:
        from holdfast.engine.local import LocalEngine

        return LocalEngine(
            network,
            self.base.chat,
            self.study.execution.tokens_per_batch,
            cache=cache,
            use=self.kernels,
            memory_bytes=self.memory_bytes,
            fit=self.fit,
        )

    @cached_property
    def fit(self) -> Any:
        """Whether the base, and with it every adapter on it, takes packed rows."""
        from holdfast.engine.fit import check_fit

        return check_fit(self.base.model)

    @property
    def memory_bytes(self) -> int | None:
        """What one process may hold, where the study says it or gives it a share of an accelerator."""
        asked = self.study.execution
        if asked.memory_gb is not None:
            return int(asked.memory_gb * 2**30)
        if asked.kind == "ray" and 0 < (asked.gpus_per_worker or 0) < 1 and checkpoint.pick_device(asked.device).type == "cuda":
            import torch

            return int(torch.cuda.get_device_properties(0).total_memory * asked.gpus_per_worker)
        return None

    @cached_property
    def _example_digests(self) -> dict[str, str]:
        return {}

    def examples_digest(self, domain: str) -> str:
        if domain not in self._example_digests:
            self._example_digests[domain] = digest(self.materials.examples(domain))
        return self._example_digests[domain]

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.monotonic() - start

    def prepare(self) -> None:
        """What has to be known before a plan is made."""

    def check(self) -> None:
        """Raises ModelError if the model cannot be asked."""
        checkpoint.load_tokenizer(self.study.model)

    def chat(self) -> Any:
        """The base's tokenizer and template, without its weights; None where they are not at hand."""
        return self._chat

    def lacking(self, models: Sequence[tuple[ModelKey, Sequence[Path]]]) -> list[str]:
        """One line for each cell in which answers are missing because requests failed."""
        return []

    def incomplete(self, parts: Sequence[Path]) -> list[str]:
        """Digests of what was read where answers are missing: those cells may be made anew under their names."""
        return []

    # --- adapters -------------------------------------------------------------------------------------------------------

    def max_steps(self, domain: str) -> int:
        config = self.study.domain(domain)
        examples: Sequence[Example] = self.materials.examples(config.match_steps_of or domain)
        return batches.num_steps(len(examples), self.study.train)

    def adapter_identity(self, domain: str, seed: int) -> dict[str, Any]:
        config = self.study.domain(domain)
        shared = {
            "base": self.base_digest,
            **self._precision,
            "seed": seed,
            "versions": library_versions(),
            "code": TRAINING_CODE,
            "train": self.study.train.model_dump(mode="json", exclude={"tokens_per_pass"}),
        }
        if config.identity:
            return {**shared, "identity_adapter": True}
        kept = self._checkpoints(domain, seed)
        return {
            **shared,
            "examples": self.examples_digest(domain),
            "max_steps": self.max_steps(domain),
            **({"checkpoints": kept} if kept else {}),
            **({"fsdp": fsdp_settings(self.study.execution.fsdp)} if self.study.execution.fsdp else {}),
        }

    def _checkpoints(self, domain: str, seed: int) -> dict[str, int]:
        """{share of training: optimiser step after which the adapter is kept}"""
        shares = [k.dose for k in adapter_keys(self.study, domain, seed) if k.path == "steps"]
        steps = self.max_steps(domain)
        return {f"{share:g}": max(1, round(share * steps)) for share in shares}

    def find_adapter(self, domain: str, seed: int) -> Path | None:
        return self.store.find(self.store.name("adapter", self.adapter_identity(domain, seed)))

    def adapter(self, domain: str, seed: int, tick: Tick = lambda _: None) -> Path:
        """The adapter's cell, trained if it is not there."""
        identity = self.adapter_identity(domain, seed)
        name = self.store.name("adapter", identity)
        found = self.store.find(name)
        if found is None:
            with (
                self._keeping(self.study.train.trainer != "trl" and not self.study.execution.fsdp),
                self.store.making(name, identity) as draft,
                self._timed("training"),
            ):
                self._train(domain, seed, draft, tick, name)
            found = self.store.find(name)
            assert found is not None
            if self.leaving():
                raise Interrupted
        return found

    def _train(self, domain: str, seed: int, draft: Path, tick: Tick, name: str) -> None:
        from holdfast.training import lora
        from holdfast.training.snapshot import Snapshots

        config, train = self.study.domain(domain), self.study.train
        if config.identity:
            lora.identity(self.base.model, train, seed, draft / "adapter")
            (draft / "training.json").write_text(canonical({"num_steps": 0, "identity": True}) + "\n", encoding="utf-8")
            return
        encoding = batches.encode(self.materials.examples(domain), self.chat(), train, self.encoded)
        if train.trainer == "trl":
            from holdfast.training import reference

            trainer: Any = reference.train
        elif self.study.execution.fsdp:
            trainer = self._sharded()
        else:
            snapshots = Snapshots(
                self.store.partial(name), f"{name} on {next(self.base.model.parameters()).device.type}",
                minutes=self.study.execution.checkpoint_minutes, say=lambda text: self.store.warn(f"{domain}/seed{seed}: {text}"),
                leaving=self.leaving,
            )  # fmt: skip
            trainer = partial(lora.train, kernel=self.kernels.many, memory_bytes=self.memory_bytes, fit=self.fit, snapshots=snapshots,
                              checkpointing=self.study.execution.gradient_checkpointing)  # fmt: skip
        record = trainer(
            self.study.model if self.study.execution.fsdp else self.base.model,
            encoding.examples,
            train,
            seed=seed,
            max_steps=self.max_steps(domain),
            out=draft / "adapter",
            progress=lambda k: tick(k * batches.examples_per_step(train)),
            checkpoints={step: draft / "checkpoints" / share for share, step in self._checkpoints(domain, seed).items()},
        )
        from holdfast.engine.packed import sizes

        body, head = sizes(self.base.model)
        flops = 4 * (record.num_computed * body + record.num_loss_tokens * head)  # forward, and the gradient of the input
        self.flops += flops
        summary = {
            **dataclasses.asdict(record),
            "flops": flops,
            "num_examples": len(encoding.examples),
            "num_dropped": encoding.num_dropped,
            "num_truncated": encoding.num_truncated,
        }
        (draft / "training.json").write_text(canonical(summary) + "\n", encoding="utf-8")

    @contextmanager
    def _keeping(self, keeps: bool) -> Iterator[None]:
        self.training = keeps
        try:
            yield
        finally:
            self.training = False

    def _sharded(self) -> Any:
        """A trainer over several processes, for which this one's base makes room."""
        import torch

        from holdfast.training import sharded

        processes, device = self.study.execution.fsdp, checkpoint.pick_device(self.study.execution.device)
        self.__dict__.pop("base", None)
        if device.type == "cuda":
            torch.cuda.empty_cache()
        threads = max(1, torch.get_num_threads() // processes)
        return partial(sharded.train, processes=processes, device=device.type, threads=threads,
                       checkpointing=self.study.execution.gradient_checkpointing)  # fmt: skip

    # --- trials ---------------------------------------------------------------------------------------------------------

    def weights(self, key: ModelKey, adapter: Path) -> Path:
        """The PEFT folder of a model, inside its adapter's cell."""
        return adapter / "checkpoints" / f"{key.dose:g}" if key.path == "steps" else adapter / "adapter"

    def trials_identity(self, key: ModelKey, adapter: Path | None, kind: str) -> dict[str, Any]:
        asked = self.materials.asked(kind)
        weights = f"{self.weights(key, adapter).relative_to(adapter).as_posix()}/" if adapter else ""
        return {
            "model": key.name,
            "base": self.base_digest,
            **self._precision,
            "adapter": {f.removeprefix(weights): d for f, d in self.store.files(adapter).items() if f.startswith(weights)}
            if adapter
            else None,
            "kind": kind,
            "style": asked.config.style,
            "options": asked.config.options,
            "items": asked.digest,
            "code": TRIALS_CODE,
            "versions": library_versions(),
            **({"scale": key.dose} if key.path == "scale" else {}),
        }

    def _trials_name(self, key: ModelKey, adapter: Path | None, kind: str) -> str:
        return self.store.name("trials", self.trials_identity(key, adapter, kind))

    def missing_trials(self, key: ModelKey, adapter: Path | None) -> list[str]:
        kinds = [i.kind for i in self.study.instruments]
        return [k for k in kinds if self.store.find(self._trials_name(key, adapter, k)) is None]

    def trials(self, key: ModelKey, tick: Tick = lambda _: None) -> list[Path]:
        """The cells of every instrument for one model, asked if they are not there."""
        from holdfast.engine.compiled import compiling
        from holdfast.models.adapters import adapted

        adapter = self.adapter(key.domain, key.seed, tick) if key.domain is not None else None
        missing = self.missing_trials(key, adapter)
        if missing:

            def ask(network: Any) -> None:
                engine = self.engine(network, self._token_cache)
                with compiling(network, self.study.execution.compile):
                    for kind in missing:
                        with self._timed(kind):
                            self._ask(engine, key, adapter, kind, tick)

            if adapter is None:
                ask(self.base.model)
            else:
                for kind in missing:
                    self._next_of_base(kind)
                scale = key.dose if key.path == "scale" else 1.0
                with adapted(self.base.model, self.weights(key, adapter), scale) as network:
                    ask(network)
        return [self.store.folder / self._trials_name(key, adapter, i.kind) for i in self.study.instruments]

    # --- which matrix multiply ------------------------------------------------------------------------------------------

    def _kernels_name(self) -> tuple[str, dict[str, Any]]:
        identity = {"base": self.base_digest, **self._precision, "versions": library_versions()}
        return self.store.name("kernels", identity), identity

    def settle_kernels(self, threads: int) -> None:
        """Decide once a run, before its first cell, which matrix multiply the base's linears use; kept, so that resuming changes nothing."""
        import torch

        from holdfast.engine import kernels

        name, identity = self._kernels_name()
        config = checkpoint.load_config(self.study.model)
        shapes = kernels.shapes_of(config)
        device = self.study.execution.device  # may be one that only the workers have
        cpu = device == "cpu" if device else not torch.cuda.is_available()
        small = not shapes or shapes[0][0] < kernels.SMALLEST
        if self.study.execution.linear != "auto" or not cpu or small or self.store.find(name):
            return
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        picked, measured = kernels.choose(shapes, getattr(torch, self.study.model.dtype))
        torch.set_num_threads(before)
        with self.store.making(name, identity) as draft:
            (draft / "kernels.json").write_text(canonical({**dataclasses.asdict(picked), "measured": measured}) + "\n", encoding="utf-8")

    @cached_property
    def kernels(self) -> Any:
        """What was decided; torch's own where nothing was, or where this machine lacks what was."""
        from holdfast.engine import kernels

        setting = self.study.execution.linear
        if setting == "auto":
            found = self.recorded_kernels()
            picked = kernels.Kernels(many=found.get("many", "torch"), few=found.get("few", "torch"))
        else:
            picked = kernels.Kernels(many=setting, few=setting)
        if "onednn" in (picked.many, picked.few) and not kernels.available():
            self.store.warn("execution.linear: onednn is not to be had on this machine; torch's own matrix multiply is used")
            return kernels.Kernels()
        return picked

    def used_kernels(self) -> dict[str, Any]:
        """The kernels in use, with what was measured where they were chosen by measuring."""
        measured = self.recorded_kernels().get("measured") if self.study.execution.linear == "auto" else None
        return {**dataclasses.asdict(self.kernels), **({"measured": measured} if measured else {})}

    def recorded_kernels(self) -> dict[str, Any]:
        """The stored decision with what was measured; empty where there is none."""
        place = self.store.find(self._kernels_name()[0])
        return json.loads((place / "kernels.json").read_text(encoding="utf-8")) if place else {}

    # --- what the audit asks of the machine -----------------------------------------------------------------------------

    def _invariance_name(self) -> tuple[str, dict[str, Any]]:
        identity = {
            "base": self.base_digest,
            **self._precision,
            "items": {i.kind: self.materials.asked(i.kind).digest for i in self.study.instruments},
            "code": TRIALS_CODE,
            "versions": library_versions(),
        }
        return self.store.name("invariance", identity), identity

    def batch_invariance(self) -> None:
        """Score a few prompts of every instrument together and alone, once for the base, and keep what differs."""
        if self.store.find(self._invariance_name()[0]) is None:
            self._keep_invariance(self.engine(self.base.model), lambda _: True, self.study.model.dtype)

    def _keep_invariance(self, engine: Any, wanted: Callable[[Prompt], bool], dtype: str) -> None:
        from holdfast.auditing.batching import difference, rounded

        prompts = [p for i in self.study.instruments for mine in self.materials.asked(i.kind).prompts[:2] for p in mine if wanted(p)]
        found = {**rounded(difference(engine, prompts)), "dtype": dtype}
        name, identity = self._invariance_name()
        with self.store.making(name, identity) as draft:
            (draft / "invariance.json").write_text(canonical(found) + "\n", encoding="utf-8")

    def recorded(self) -> dict[str, Any]:
        """Measurements kept for the audit; empty where none was made."""
        place = self.store.find(self._invariance_name()[0])
        return {"batch_invariance": json.loads((place / "invariance.json").read_text(encoding="utf-8"))} if place else {}

    def _first_condition(self, kind: str) -> list[Prompt]:
        """The prompts at whose answer slot an axis's drift is read, one an item; none for a benchmark."""
        asked = self.materials.asked(kind)
        if asked.instrument.kind != "axis":
            return []
        return [next(p for p in prompts if p.condition == asked.instrument.conditions[0]) for prompts in asked.prompts]

    def _next_of_base(self, kind: str) -> Any:
        prompts = self._first_condition(kind)
        if prompts and kind not in self._base_next:
            self._base_next[kind] = self.engine(self.base.model).next_logprobs(prompts)
        return self._base_next.get(kind)

    def _kl(self, engine: Any, kind: str, adapted: Any) -> list[float]:
        """KL(base || adapted) per item, nats; `adapted`: the next token's log-probabilities, if they were read while the items were asked."""
        prompts, base = self._first_condition(kind), self._base_next.get(kind)
        if not prompts or base is None:
            return []
        adapted = engine.next_logprobs(prompts) if adapted is None else adapted
        return (base.exp() * (base - adapted)).sum(-1).clamp_min(0).tolist()

    def _ask(self, engine: Any, key: ModelKey, adapter: Path | None, kind: str, tick: Tick) -> None:
        asked = self.materials.asked(kind)
        before = dataclasses.replace(engine.counters)
        flat = [p for prompts in asked.prompts for p in prompts]
        drift = {id(p) for p in self._first_condition(kind) if p.choices} if adapter else set()
        watch = [i for i, p in enumerate(flat) if id(p) in drift]
        answered, watched = put(asked, engine, tick, watch)
        identity = self.trials_identity(key, adapter, kind)
        with self.store.making(self.store.name("trials", identity), identity) as draft:
            write_trials(draft, key.name, kind, asked, answered, self._kl(engine, kind, watched) if adapter else [])
            spent = {name: getattr(engine.counters, name) - getattr(before, name) for name in ("asked", "computed", "read", "flops")}
            why = {"ordinary_calls": engine.fit.why_not} if engine.fit.why_not else {}
            (draft / account.FILE).write_text(canonical({**spent, **why}) + "\n", encoding="utf-8")
        self.flops += spent["flops"]


def environment() -> dict[str, Any]:
    """Versions and machine, for environment.json: no path, no variable, no secret."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "libraries": {**library_versions(), **{n: version(n) for n in ("numpy", "scipy", "pyarrow", "holdfast")}},
    }
