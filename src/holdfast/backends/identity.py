"""What each cell of a study is made from: pure functions from settings and digests to the dict whose hash names the cell."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from holdfast.config import TrainConfig
from holdfast.models.template import DATE
from holdfast.sources.materials import InstrumentItems

# Raised when a change of code changes the numbers of a cell of that kind.
TRAINING_CODE = 4
TRIALS_CODE = 7
SERVED_CODE = 4  # of what is read from the same replies of a server
JsonObject = dict[str, Any]  # as it lies in a file of a run
Identity = JsonObject


@cache
def library_versions() -> dict[str, str]:
    """Versions that enter the identities of cells; read once per process."""
    return {name: version(name) for name in ("torch", "transformers", "peft", "tokenizers")}


def environment() -> JsonObject:
    """Versions and machine that a run's numbers depend on, for environment.json: no path, no variable, no secret."""
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "template_date": DATE,  # the date that chat templates get
        "libraries": {**library_versions(), **{n: version(n) for n in ("numpy", "scipy", "pyarrow", "holdfast")}},
    }


def worker_versions() -> dict[str, str]:
    """What must be equal on every machine of a cluster."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    return {**library_versions(), "holdfast": version("holdfast"), "python": python, "cells": f"{TRAINING_CODE}.{TRIALS_CODE}"}


def adapter(base: Mapping[str, str], train: TrainConfig, seed: int, data: Identity | None) -> Identity:
    """`data`: what it is trained on (`training_data`); None for the null adapter that changes nothing."""
    settings = train.model_dump(mode="json", exclude={"tokens_per_pass"})
    shared = {**base, "seed": seed, "versions": library_versions(), "code": TRAINING_CODE, "train": settings}
    return {**shared, **({"identity_adapter": True} if data is None else data)}


def training_data(examples: str, max_steps: int, checkpoints: Mapping[str, int], fsdp: int | None) -> Identity:
    """`examples`: their digest; `checkpoints`: {share of training: step after which the adapter is kept}."""
    data: Identity = {"examples": examples, "max_steps": max_steps}
    if checkpoints:
        data["checkpoints"] = dict(checkpoints)
    if fsdp:
        data["fsdp"] = {"processes": fsdp, "fsdp_version": 2, "wrapped": "decoder layers", "accelerate": version("accelerate")}
    return data


def trials(base: Mapping[str, str], model: str, weights: Mapping[str, str] | None, asked: InstrumentItems, scale: float | None) -> Identity:
    """`weights`: digests of the adapter's files, None for the base; `scale`: its strength, None at full strength."""
    return {
        "model": model,
        **base,
        "adapter": weights,
        **items(asked),
        "code": TRIALS_CODE,
        "versions": library_versions(),
        **({"scale": scale} if scale is not None else {}),
    }


def items(asked: InstrumentItems) -> Identity:
    """What decides the items of one instrument."""
    return {"kind": asked.config.kind, "style": asked.config.style, "options": asked.config.options, "items": asked.digest}
