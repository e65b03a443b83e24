"""The adapters of a study, trained on this machine; each lies in a cell of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from holdfast.backends import identity
from holdfast.backends.base import KernelChoice, LocalBase
from holdfast.backends.keys import ModelKey, adapter_keys
from holdfast.backends.protocol import Meter
from holdfast.backends.trials import Tick
from holdfast.config import Study
from holdfast.errors import Interrupted
from holdfast.models import checkpoint
from holdfast.sources.materials import Materials
from holdfast.store import Store, canonical, digest
from holdfast.training import batches


def weights(key: ModelKey, cell: Path) -> Path:
    """The PEFT folder of a model, inside its adapter's cell."""
    return cell / "checkpoints" / f"{key.dose:g}" if key.path == "steps" else cell / "adapter"


class Adapters:
    """Finds and trains a study's adapters."""

    def __init__(self, study: Study, store: Store, materials: Materials, base: LocalBase, kernels: KernelChoice, meter: Meter):
        self.study, self.store, self.materials = study, store, materials
        self.base, self.kernels, self.meter = base, kernels, meter
        self.encoded: dict[int, tuple[list[int], int]] = {}  # token ids of rows, for the next adapter
        self.examples_digest: Callable[[str], str] = cache(lambda domain: digest(materials.examples(domain)))
        self._stopping = self._keeps_state = False

    def request_stop(self) -> bool:
        """Whether a training is under way that will keep its state and then raise Interrupted."""
        self._stopping = self._keeps_state
        return self._stopping

    def max_steps(self, domain: str) -> int:
        examples = self.materials.examples(self.study.domain(domain).match_steps_of or domain)
        return batches.num_steps(len(examples), self.study.train)

    def _checkpoints(self, domain: str, seed: int) -> dict[str, int]:
        """{share of training: optimizer step after which the adapter is kept}"""
        shares = [k.dose for k in adapter_keys(self.study, domain, seed) if k.path == "steps"]
        steps = self.max_steps(domain)
        return {f"{share:g}": max(1, round(share * steps)) for share in shares}

    def identity(self, domain: str, seed: int) -> identity.Identity:
        data = None
        if not self.study.domain(domain).identity:
            kept, fsdp = self._checkpoints(domain, seed), self.study.execution.fsdp
            data = identity.training_data(self.examples_digest(domain), self.max_steps(domain), kept, fsdp)
        return identity.adapter(self.base.identity, self.study.train, seed, data)

    def find(self, domain: str, seed: int) -> Path | None:
        return self.store.find(self.store.name("adapter", self.identity(domain, seed)))

    def make(self, domain: str, seed: int, tick: Tick = lambda _: None) -> Path:
        """The adapter's cell, trained if it is missing. Raises Interrupted after a stop was requested."""
        made_from = self.identity(domain, seed)
        name = self.store.name("adapter", made_from)
        place = self.store.find(name)
        if place is None:
            self._keeps_state = self.study.train.trainer != "trl" and not self.study.execution.fsdp
            try:
                with self.store.making(name, made_from) as draft, self.meter.timed("training"):
                    self.train(domain, seed, draft, name, tick)
            finally:
                self._keeps_state = False
            place = self.store.find(name)
            assert place is not None
            if self._stopping:
                raise Interrupted
        return place

    def train(self, domain: str, seed: int, draft: Path, name: str, tick: Tick) -> None:
        """Write an adapter, its checkpoints and training.json into `draft`. `name`: of the cell, under which an unfinished state is kept."""
        from holdfast.engine.packed import sizes
        from holdfast.training import lora

        train = self.study.train
        if self.study.domain(domain).identity:
            lora.identity(self.base.model, train, seed, draft / "adapter")
            (draft / "training.json").write_text(canonical({"num_steps": 0, "identity": True}) + "\n", encoding="utf-8")
            return
        encoding = batches.encode(self.materials.examples(domain), self.base.chat, train, self.encoded)
        record = self._trainer(f"{domain}/seed{seed}", name)(
            encoding.examples,
            train,
            seed=seed,
            max_steps=self.max_steps(domain),
            out=draft / "adapter",
            progress=lambda k: tick(k * batches.examples_per_step(train)),
            checkpoints={step: draft / "checkpoints" / share for share, step in self._checkpoints(domain, seed).items()},
        )
        body, head = sizes(self.base.model)
        flops = 4 * (record.num_computed * body + record.num_loss_tokens * head)  # forward, and the gradient of the input
        self.meter.flops += flops
        summary = {
            **dataclasses.asdict(record),
            "flops": flops,
            "num_examples": len(encoding.examples),
            "num_dropped": encoding.num_dropped,
            "num_truncated": encoding.num_truncated,
        }
        (draft / "training.json").write_text(canonical(summary) + "\n", encoding="utf-8")

    def _trainer(self, label: str, name: str) -> Callable[..., Any]:
        """The trainer that the study names, bound to its base."""
        settings, base = self.study.execution, self.base
        if self.study.train.trainer == "trl":
            from holdfast.training import reference

            return partial(reference.train, base.model)
        if settings.fsdp:  # over several processes, for which this one's base makes room
            import torch

            from holdfast.training import sharded

            device = checkpoint.pick_device(settings.device)
            base.release()
            if device.type == "cuda":
                torch.cuda.empty_cache()
            threads = max(1, torch.get_num_threads() // settings.fsdp)
            return partial(sharded.train, base.config, processes=settings.fsdp, device=device.type, threads=threads,
                           checkpointing=settings.gradient_checkpointing)  # fmt: skip
        from holdfast.training import lora
        from holdfast.training.snapshot import Snapshots

        snapshots = Snapshots(
            self.store.partial(name),
            f"{name} on {next(base.model.parameters()).device.type}",
            minutes=settings.checkpoint_minutes,
            say=lambda text: self.store.warn(f"{label}: {text}"),
            leaving=lambda: self._stopping,
        )
        return partial(
            lora.train, base.model, kernel=self.kernels.in_use.many, memory_bytes=base.memory_bytes, fit=base.fit, snapshots=snapshots,
            checkpointing=settings.gradient_checkpointing,
        )  # fmt: skip
