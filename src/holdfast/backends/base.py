"""The base model on this machine: its identity, weights and tokenizer, each read when first needed, and its matrix multiply."""

from __future__ import annotations

import dataclasses
import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from holdfast.backends.identity import JsonObject, library_versions
from holdfast.config import ModelConfig, Study
from holdfast.engine import kernels
from holdfast.models import checkpoint, quantized
from holdfast.models.chat import ChatFormat
from holdfast.models.template import DATE
from holdfast.store import Store, canonical

if TYPE_CHECKING:
    from torch import nn

    from holdfast.engine.fit import Fit


class LocalBase:
    """The base that a study names. `encoded` keeps the token ids of training rows for the next adapter."""

    def __init__(self, study: Study):
        self._config, self.execution = study.model, study.execution
        self._loaded: checkpoint.Base | None = None

    @cached_property
    def config(self) -> ModelConfig:
        """The model; of a hub id the commit that this process found, so that what it loads is what its cells are named by."""
        return checkpoint.pinned(self._config)

    @cached_property
    def identity(self) -> dict[str, str]:
        """What the base computes with, as part of every identity: files or commit, number format, the date that templates get."""
        return {
            "base": checkpoint.digest(self.config),
            "dtype": self.config.dtype,
            "template_date": DATE,
            **quantized.identity(self.config.quantization),
        }

    @property
    def model(self) -> nn.Module:
        if self._loaded is None:
            settings = self.execution
            self._loaded = checkpoint.load_base(
                self.config, checkpoint.pick_device(settings.device), settings.device_map, settings.max_memory
            )
        return self._loaded.model

    @property
    def chat(self) -> ChatFormat:
        """Tokenizer and template; the weights are not read for them."""
        return self._loaded.chat if self._loaded is not None else self._chat

    @cached_property
    def _chat(self) -> ChatFormat:
        return ChatFormat(checkpoint.load_tokenizer(self.config))

    def release(self) -> None:
        """Make room: the weights are read again when they are next needed."""
        self._loaded = None

    @cached_property
    def fit(self) -> Fit:
        """Whether the base, and with it every adapter on it, takes packed rows."""
        from holdfast.engine.fit import check_fit

        return check_fit(self.model)

    @property
    def memory_bytes(self) -> int | None:
        """What one process may hold, where the study says it or gives it a share of an accelerator."""
        settings = self.execution
        if settings.memory_gb is not None:
            return int(settings.memory_gb * 2**30)
        share = settings.gpus_per_worker or 0
        if settings.kind == "ray" and 0 < share < 1 and checkpoint.pick_device(settings.device).type == "cuda":
            import torch

            return int(torch.cuda.get_device_properties(0).total_memory * share)
        return None


class KernelChoice:
    """Which matrix multiply the base's linears use: measured once per run and kept, so that a resumed run does not choose again."""

    def __init__(self, base: LocalBase, store: Store):
        self.base, self.store = base, store
        self.setting: Literal["auto", "torch", "onednn"] = base.execution.linear

    @cached_property
    def _identity(self) -> JsonObject:
        return {**self.base.identity, "versions": library_versions()}

    @property
    def _place(self) -> Path | None:
        return self.store.find(self.store.name("kernels", self._identity))

    def measure(self, threads: int) -> None:
        """Decide before the run's first cell, where the choice is open and the model large enough for it to matter."""
        import torch

        shapes = kernels.shapes_of(checkpoint.load_config(self.base.config))
        device = self.base.execution.device  # may be one that only the workers have
        cpu = device == "cpu" if device else not torch.cuda.is_available()
        small = not shapes or shapes[0][0] < kernels.SMALLEST
        if self.setting != "auto" or not cpu or small or self._place:
            return
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        choice, measured = kernels.choose(shapes, getattr(torch, self.base.config.dtype))
        torch.set_num_threads(before)
        with self.store.making(self.store.name("kernels", self._identity), self._identity) as draft:
            (draft / "kernels.json").write_text(canonical({**dataclasses.asdict(choice), "measured": measured}) + "\n", encoding="utf-8")

    def recorded(self) -> JsonObject:
        """The kept decision with what was measured; empty if there is none."""
        place = self._place
        return json.loads((place / "kernels.json").read_text(encoding="utf-8")) if place else {}

    @cached_property
    def in_use(self) -> kernels.Kernels:
        """The decision; torch's own where there is none, or where this machine lacks the one that was decided on."""
        if self.setting == "auto":
            recorded = self.recorded()
            choice = kernels.Kernels(many=recorded.get("many", "torch"), few=recorded.get("few", "torch"))
        else:
            choice = kernels.Kernels(many=self.setting, few=self.setting)
        if "onednn" in (choice.many, choice.few) and not kernels.available():
            self.store.warn("execution.linear: onednn is not available on this machine; torch's own matrix multiply is used")
            return kernels.Kernels()
        return choice

    def summary(self) -> JsonObject:
        """The kernels in use, with what was measured where they were chosen by measuring."""
        measured = self.recorded().get("measured") if self.setting == "auto" else None
        return {**dataclasses.asdict(self.in_use), **({"measured": measured} if measured else {})}
