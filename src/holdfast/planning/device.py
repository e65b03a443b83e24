"""A study on one accelerator of a stated size: what fits, for how long, and what to change where it does not."""

from __future__ import annotations

from typing import Any

from holdfast.config import Study
from holdfast.engine import memory
from holdfast.errors import ResourceError
from holdfast.execution.keys import study_keys
from holdfast.planning.architecture import Architecture, architecture
from holdfast.planning.work import Work, work

# Of the dense bf16 peak, as the vendors state it, and of the memory's bandwidth: (at least this many GiB, TFLOP/s, GB/s, name).
DEVICES = ((70, 312.0, 2039.0, "A100 80 GB"), (38, 312.0, 1555.0, "A100 40 GB"), (0, 165.0, 1008.0, "RTX 4090"))
TRAINING, READING, WRITING = 0.35, 0.40, 0.50  # shares of peak (of bandwidth, for writing) that are assumed to be reached
ADAPTER = 16  # bytes a trained parameter: itself, its gradient and Adam's two moments, in float32
GIB = 2**30


def on_device(study: Study, materials: Any, gib: float, tflops: float | None = None) -> dict[str, Any]:
    """Everything `plan --device-memory` says; nothing is loaded, and no network is needed for models whose facts are shipped.

    `gib`: the device's memory; `tflops`: its dense peak in the model's dtype, default a known device of that size.
    """
    shape, amount = architecture(study.model), work(study, materials)
    _, peak, bandwidth, name = next(d for d in DEVICES if gib >= d[0])
    peak = tflops or peak
    trainable = shape.trainable(study.train)
    found: dict[str, Any] = {
        "device": f"{gib:g} GiB, {peak:g} TFLOP/s (" + ("stated" if tflops else f"as {name}") + ")",
        "model": f"{study.model.name}, {study.model.dtype}{', nf4' if study.model.quantization else ''} ({shape.source})",
        "parameters": shape.parameters,
        "trainable parameters": trainable,
        "models": len(study_keys(study)),
        "prompts per model": sum(amount.prompts.values()),
    }
    found |= _memory(study, shape, trainable, gib)
    found |= _time(study, shape, amount, peak, bandwidth, found)
    found["disk, GiB"] = round(_disk(study, shape, trainable, amount) / GIB, 1)
    found["optimiser steps"], found["prompts"] = amount.steps, amount.prompts
    found["assumed"] = [
        f"{TRAINING:.0%} of the peak in training, {READING:.0%} in reading, {WRITING:.0%} of {bandwidth:g} GB/s in writing; attention's own work is left out",
        *amount.assumed,
    ]
    return found


def _memory(study: Study, shape: Architecture, trainable: int, gib: float) -> dict[str, Any]:
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
            f"passes in training are made {most.pass_tokens} tokens long instead of {study.train.tokens_per_pass}; that changes rounding and time alone"
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


def _time(study: Study, shape: Architecture, amount: Work, peak: float, bandwidth: float, found: dict[str, Any]) -> dict[str, Any]:
    again = 2 * shape.body if study.execution.gradient_checkpointing else 0
    per_seed = sum((4 * shape.body + again) * amount.trained[d.name] + 4 * shape.head * amount.loss[d.name] for d in study.domains)
    training = study.seeds * per_seed
    models = len(study_keys(study))
    reading = models * 2 * shape.body * sum(amount.asked.values())
    writing = models * 2 * (shape.body + shape.head) * sum(amount.written.values())
    slots = max(1, found.get("tokens in generation's slots", 0) // 512)  # replies written side by side, at 512 tokens each
    turns = models * sum(amount.written.values()) / slots
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
        "hours": {**{name: round(h, 2) for name, h in hours.items()}, "all": round(sum(hours.values()), 2)}
        if found["fits"] == "yes"
        else None,
    }


def _disk(study: Study, shape: Architecture, trainable: int, amount: Work) -> float:
    """Bytes: the base once, every adapter and its kept moments twice (cell and folder), some 400 bytes a trial."""
    keys = study_keys(study)
    adapters = sum(k.domain is not None and k.path != "scale" for k in keys)
    return shape.needs(False).weights + 2 * adapters * 4 * trainable + 400 * len(keys) * sum(amount.prompts.values())
