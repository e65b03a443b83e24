"""What the settings say of the training: steps, warm-up, and what the last, held-out part of each set holds."""

from __future__ import annotations

from dataclasses import dataclass

from holdfast.errors import DataError
from holdfast_llama2_7b.tables import Tables


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """`steps`: optimiser steps by adapter, from rows, the held-out part, the batch and the epochs; `stated`: as the notes have them.

    `held_out_alone`: adapters of several benchmarks whose held-out rows are all of one; only where nothing was shuffled.
    """

    steps: dict[str, int]
    stated: dict[str, int]
    held_out: dict[str, int]
    held_out_alone: dict[str, str]
    inside_warmup: tuple[str, ...]
    warmup_steps: int | None
    seeds: int | None


def training_of(tables: Tables) -> Training:
    settings, notes = tables.settings, tables.facts.get("training") or {}
    rows, form = settings.get("rows") or {}, settings.get("training") or {}
    try:
        epochs = int(form["num_train_epochs"])
        batch = int(form["per_device_train_batch_size"]) * int(form["gradient_accumulation_steps"])
        share = float(form["held_out"])
        sizes = {a: {b: int(n) for b, n in rows[a].items()} for a in tables.adapters}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"settings.yaml: {error}: rows of every adapter and training settings must be whole numbers") from None
    kept = {a: int((1 - share) * sum(s.values())) for a, s in sizes.items()}
    steps = {a: kept[a] // batch * epochs for a in sizes}  # the trainer drops an epoch's unfinished accumulation
    held_out = {a: sum(s.values()) - kept[a] for a, s in sizes.items()}
    alone = {}
    for a, s in sizes.items():
        last = list(s)[-1]
        if len(s) > 1 and notes.get("combined_shuffled") is False and held_out[a] <= s[last]:
            alone[a] = last
    warmup = notes.get("warmup_steps")
    return Training(
        steps=steps,
        stated=_stated(sizes, notes),
        held_out=held_out,
        held_out_alone=alone,
        inside_warmup=tuple(a for a in steps if warmup is not None and steps[a] < warmup),
        warmup_steps=warmup,
        seeds=notes.get("seeds"),
    )


def _stated(sizes: dict[str, dict[str, int]], notes: dict[str, object]) -> dict[str, int]:
    """The notes give the steps of the combined set, of TruthfulQA, and of the single benchmarks otherwise."""

    def field(adapter: str) -> str:
        if len(sizes[adapter]) > 1:
            return "combined_steps"
        return "truthfulqa_steps" if list(sizes[adapter]) == ["truthfulqa"] else "single_task_steps"

    return {a: int(notes[field(a)]) for a in sizes if isinstance(notes.get(field(a)), int)}  # type: ignore[call-overload]
