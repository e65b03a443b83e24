"""A study on one accelerator of a stated size: what fits, how long it takes, and what to change where it does not fit."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import torch
from torch import nn

from holdfast.backends.keys import study_keys
from holdfast.config import ModelConfig, Study, TrainConfig
from holdfast.engine import memory, packed
from holdfast.errors import ModelError, ResourceError
from holdfast.models import quantized
from holdfast.planning.work import PlanRows, StudyWork, work
from holdfast.sources.materials import Materials

# Of the dense bf16 peak, as the vendors state it, and of the memory's bandwidth: (at least this many GiB, TFLOP/s, GB/s, name).
DEVICES = ((70, 312.0, 2039.0, "A100 80 GB"), (38, 312.0, 1555.0, "A100 40 GB"), (0, 165.0, 1008.0, "RTX 4090"))
TRAINING, READING, WRITING = 0.35, 0.40, 0.50  # shares of peak (of bandwidth, for writing) that are assumed to be reached
ADAPTER = 16  # bytes a trained parameter: itself, its gradient and Adam's two moments, in float32
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Architecture:
    """`model`: every module, on torch's meta device; `body`, `head`: weights of linears and of the output embedding."""

    model: nn.Module
    parameters: int
    body: int
    head: int
    source: str

    def trainable(self, config: TrainConfig) -> int:
        """Parameters of a LoRA adapter on `target_modules`: r (in + out) for every linear layer it names (Hu et al. 2022, section 4.1)."""
        head = self.model.get_output_embeddings()  # pyright: ignore[reportCallIssue]
        names = config.target_modules

        def wanted(name: str) -> bool:  # as PEFT reads it: a string is a pattern of whole names, a list holds their ends
            if isinstance(names, str):
                return names == "all-linear" or re.fullmatch(names, name) is not None
            return any(name == n or name.endswith(f".{n}") for n in names)

        return sum(
            config.r * (m.in_features + m.out_features)
            for name, m in self.model.named_modules()
            if isinstance(m, nn.Linear) and m is not head and wanted(name)
        )

    def needs(self, checkpointing: bool) -> memory.Needs:
        return memory.Needs.of(self.model, checkpointing)


@cache
def known() -> dict[str, dict[str, Any]]:
    """Configurations by hub id, as in their config.json, without what changes no shape."""
    return json.loads(resources.files("holdfast").joinpath("planning", "models.json").read_text(encoding="utf-8"))


def architecture(config: ModelConfig) -> Architecture:
    """Raises ModelError if the model is neither known nor found."""
    from transformers import AutoConfig, AutoModelForCausalLM

    from holdfast.models.checkpoint import load_config

    facts = known().get(config.name.partition("@")[0])
    if facts is not None:
        shape, source = AutoConfig.for_model(**facts), "facts shipped with holdfast"
    else:
        shape, source = load_config(config), "the model's own config.json"
    try:
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(shape, dtype=getattr(torch, config.dtype))
    except Exception as error:
        raise ModelError(
            f"model.name: {config.name!r}: no model has this configuration: {type(error).__name__}: {str(error)[:200]}"
        ) from None
    body, head = packed.sizes(model)
    parameters = sum(p.numel() for p in model.parameters())
    return Architecture(quantized.shrink_meta(model) if config.quantization else model, parameters, body, head, source)


def on_device(study: Study, materials: Materials, gib: float, tflops: float | None = None) -> PlanRows:
    """What `plan --device-memory` prints; nothing is loaded, and no network is needed for models whose facts are shipped.

    `gib`: the device's memory; `tflops`: its dense peak in the model's dtype, default: of a known device of that size.
    """
    shape, amount = architecture(study.model), work(study, materials)
    _, known_peak, bandwidth, name = next(d for d in DEVICES if gib >= d[0])
    peak = tflops or known_peak
    trainable = shape.trainable(study.train)
    memory_plan = _memory(study, shape, trainable, gib)
    slots = memory_plan.get("tokens in generation's slots") if memory_plan["fits"] == "yes" else None
    return {
        "device": f"{gib:g} GiB, {peak:g} TFLOP/s (" + ("stated" if tflops else f"as {name}") + ")",
        "model": f"{study.model.name}, {study.model.dtype}{', nf4' if study.model.quantization else ''} ({shape.source})",
        "parameters": shape.parameters,
        "trainable parameters": trainable,
        "models": len(study_keys(study)),
        "prompts per model": sum(amount.prompts.values()),
        **memory_plan,
        **_time(study, shape, amount, peak, bandwidth, slots if isinstance(slots, int) else None),
        "disk, GiB": round(_disk(study, shape, trainable, amount) / GIB, 1),
        "optimizer steps": amount.steps,
        "prompts": amount.prompts,
        "assumed": [
            f"{TRAINING:.0%} of the peak in training, {READING:.0%} in reading, {WRITING:.0%} of {bandwidth:g} GB/s in writing; "
            "attention's own work is left out",
            *amount.assumed,
        ],
    }


def _memory(study: Study, shape: Architecture, trainable: int, gib: float) -> PlanRows:
    """Peaks of training and of asking, and what does not fit."""
    checkpointing = study.execution.gradient_checkpointing
    needs, wrong = shape.needs(checkpointing), []
    adapter = ADAPTER * trainable
    try:
        most = memory.bounds(shape.model, study.train.tokens_per_pass, int(gib * GIB) - adapter, 1, checkpointing, "cuda")
        slots = memory.bounds(shape.model, study.execution.tokens_per_batch, int(gib * GIB) - adapter, 1, device="cuda")
    except ResourceError:
        need = (needs.weights + adapter + memory.CONTEXT) / GIB
        smaller = "take a larger device or a smaller model" + (", or model.dtype=bfloat16" if study.model.dtype == "float32" else "")
        smaller += "" if study.model.quantization else ", or model.quantization=nf4"
        return {
            "fits": "no",
            "memory, GiB": {"weights": round(needs.weights / GIB, 2), "adapter, gradient, Adam": round(adapter / GIB, 2)},
            "change": [f"weights, adapter and context take {need:.1f} GiB of {gib:g}: {smaller}"],
        }
    longest = study.train.max_length
    if most.pass_tokens < longest:
        change = "lower train.max_length" if checkpointing else "set execution.gradient_checkpointing=true, or lower train.max_length"
        wrong.append(f"a pass in training holds {most.pass_tokens} tokens, fewer than train.max_length ({longest}): {change}")
    elif most.pass_tokens < study.train.tokens_per_pass:
        wrong.append(
            f"passes in training are made {most.pass_tokens} tokens long instead of {study.train.tokens_per_pass}; that changes only rounding and time"
        )
    if slots.slot_tokens < 2048:
        wrong.append(f"generation holds {slots.slot_tokens} tokens at once, which is slow: take a larger device")
    parts = {
        "weights": needs.weights, "adapter, gradient, Adam": adapter, "activations of a training pass": needs.a_pass * most.pass_tokens,
        "keys and values when asking": needs.keys * slots.slot_tokens, "activations when asking": needs.row * slots.row_tokens, "context": memory.CONTEXT,
    }  # fmt: skip
    training = parts["weights"] + adapter + parts["activations of a training pass"] + memory.CONTEXT
    asking = parts["weights"] + 4 * trainable + parts["keys and values when asking"] + parts["activations when asking"] + memory.CONTEXT
    return {
        "fits": "no" if most.pass_tokens < longest else "yes",
        "memory, GiB": {name: round(size / GIB, 2) for name, size in parts.items()},
        "peak in training, GiB": round(training / GIB, 1),
        "peak in asking, GiB": round(asking / GIB, 1),
        "tokens in a training pass": most.pass_tokens,
        "tokens in generation's slots": slots.slot_tokens,
        "change": wrong or ["nothing"],
    }


def _time(study: Study, shape: Architecture, amount: StudyWork, peak: float, bandwidth: float, slots: int | None) -> PlanRows:
    """`slots`: tokens that generation holds at once; None if the study does not fit."""
    again = 2 * shape.body if study.execution.gradient_checkpointing else 0
    per_seed = sum((4 * shape.body + again) * amount.trained[d.name] + 4 * shape.head * amount.loss[d.name] for d in study.domains)
    training = study.seeds * per_seed
    models = len(study_keys(study))
    reading = models * 2 * shape.body * sum(amount.asked.values())
    writing = models * 2 * (shape.body + shape.head) * sum(amount.written.values())
    at_once = max(1, (slots or 0) // 512)  # replies written at once, at 512 tokens each
    turns = models * sum(amount.written.values()) / at_once
    hours = {
        "training": training / (TRAINING * peak * 1e12) / 3600,
        "reading prompts": reading / (READING * peak * 1e12) / 3600,
        "writing replies": turns * shape.needs(False).weights / (WRITING * bandwidth * 1e9) / 3600,
    }
    return {
        "training tokens": study.seeds * sum(amount.trained.values()),
        "tokens read": models * sum(amount.asked.values()),
        "tokens written, at most": models * sum(amount.written.values()),
        "PFLOP": round((training + reading + writing) / 1e15, 1),
        "hours": {name: round(h, 2) for name, h in (hours | {"all": sum(hours.values())}).items()} if slots is not None else None,
    }


def _disk(study: Study, shape: Architecture, trainable: int, amount: StudyWork) -> float:
    """Bytes: the base once, every adapter and its kept moments twice (cell and folder), some 400 bytes a trial."""
    keys = study_keys(study)
    adapters = sum(k.domain is not None and k.path != "scale" for k in keys)
    return shape.needs(False).weights + 2 * adapters * 4 * trainable + 400 * len(keys) * sum(amount.prompts.values())
