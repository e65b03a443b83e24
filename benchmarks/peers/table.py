"""The goals, each with what was measured; and what fell since a stored run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

TOLERANCE = 0.15


def _dig(found: dict[str, Any], *path: str) -> Any:
    for name in path:
        found = found.get(name, {}) if isinstance(found, dict) else {}
    return found if not isinstance(found, dict) or found else None


# (row, part, path with {} for "same kernel" or "best kernel", ratio, goal of the same kernel 2M, 100M, of the best 2M, 100M)
GOALS: tuple[tuple[str, str, tuple[str, ...], str, tuple[float, float, float, float]], ...] = (
    ("scoring suite / lm-eval", "scoring", ("suite", "holdfast, {}"), "times", (2.4, 3.2, 3.4, 6)),
    ("paired answers / lm-eval", "scoring", ("tasks", "paired answers", "holdfast, {}"), "times", (3.2, 4.2, 4, 8)),
    ("suite, adapter unmerged / lm-eval", "scoring", ("suite", "holdfast, adapter, {}"), "times", (2.28, 3.04, 3.23, 5.7)),
    ("generation / HF one by one", "generation", ("all", "holdfast, {}"), "times", (2.4, 2.3, 3, 4.3)),
    ("generation / HF batched", "generation", ("all", "holdfast, {}"), "times_batched", (1.6, 1.6, 2, 2.6)),
    ("LoRA, all tokens / Trainer + PEFT", "training", ("ways", "holdfast, all tokens, {}"), "times_trainer", (1.4, 1.2, 1.9, 2)),
    ("LoRA, completions / TRL packed", "training", ("ways", "holdfast, completions, {}"), "times_trl", (1.5, 1.4, 2, 2.5)),
    ("five adapters / PEFT + lm-eval", "adapters", ("holdfast, {}",), "times", (3, 3.5, 4.5, 8)),
)


def _entries(found: dict[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any], str, float]]:
    """(row, size, kernel, entry, name of its ratio, goal)"""
    for row, part, path, ratio, goals in GOALS:
        for k, kernel in enumerate(("same kernel", "best kernel")):
            for s, size in enumerate(("2M", "100M")):
                entry = _dig(found, "sizes", size, part, *(name.format(kernel) for name in path))
                if entry:
                    yield row, size, kernel, entry, ratio, goals[2 * k + s]


def drawn(found: dict[str, Any]) -> str:
    """Markdown: ratio, goal, and the share of this machine's matrix-multiply peak (the faster of both kernels)."""
    machine = found["machine"]
    peak = max(machine["fp32_torch_gflops"], machine["fp32_onednn_gflops"])
    lines = [
        f"{machine['processor']}, fp32, one thread; matrix multiply {machine['fp32_torch_gflops']} GF/s (torch), "
        f"{machine['fp32_onednn_gflops']} GF/s (oneDNN, reordered); rows: {found['rows']}",
        "",
        "| work | size | kernel | times | goal | of peak |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row, size, kernel, entry, ratio, goal in _entries(found):
        name = {"same kernel": "torch", "best kernel": "oneDNN"}[kernel]
        share = f"{entry['gflops'] / peak:.2f}" if "gflops" in entry else ""
        lines.append(f"| {row} | {size} | {name} | {entry[ratio]:.2f} | {goal:g}{'' if entry[ratio] >= goal else ' missed'} | {share} |")
    for size, parts in found["sizes"].items():
        if "startup" in parts:
            lines.append(f"| first score / lm-eval (wall) | {size} | torch | {parts['startup']['holdfast']['times']:.2f} | 1 | |")
    for size, parts in found["sizes"].items():
        if "scoring" in parts:
            lines += ["", f"{size}, one token's log-probability, largest difference: {parts['scoring']['exactness']}"]
        if "generation" in parts:
            same = {task: entry["holdfast, same kernel"]["identical"] for task, entry in parts["generation"]["tasks"].items()}
            lines += [f"{size}, replies identical to one by one: {same}"]
        if "training" in parts:
            lines += [f"{size}, first loss against Trainer's, relative difference: {parts['training']['first_loss_relative_difference']}"]
    return "\n".join(lines)


def fallen(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Ratios more than the tolerance under the stored ones."""
    stored = {(row, size, kernel): entry[ratio] for row, size, kernel, entry, ratio, _ in _entries(before)}
    out = []
    for row, size, kernel, entry, ratio, _ in _entries(now):
        was = stored.get((row, size, kernel))
        if was is not None and entry[ratio] < (1 - TOLERANCE) * was:
            out.append(f"{row}, {size}, {kernel}: {entry[ratio]:.2f}, was {was:.2f}")
    return out


def slug(processor: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", processor.lower()).strip("-")
