"""What one model alone does under pressure, answer by answer: right to wrong against wrong to right, by exact McNemar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from holdfast.analysis.panel import Panel
from holdfast.records import Contrast
from holdfast.stats.mcnemar import mcnemar


def flips(panel: Panel, model: str, contrast: Contrast) -> dict[str, Any] | None:
    """Most likely answers under the control against under the pressure, on the items asked under both; None where there are none.

    For one model alone: it says nothing about the difference between models, nor about the next training seed.
    """
    if contrast.minus is None or contrast.column not in ("p_gold", "p_suggested"):
        return None
    before, after = (_right(panel, model, c) for c in (contrast.minus, contrast.plus))
    if np.isnan(before).all() or np.isnan(after).all():
        return None
    found = mcnemar(before, after)
    return {
        "from": contrast.minus,
        "to": contrast.plus,
        "n": found.num_pairs,
        "right_to_wrong": found.right_to_wrong,
        "wrong_to_right": found.wrong_to_right,
        "num_missing": found.num_missing,
        "p": found.p,
    }


def _right(panel: Panel, model: str, condition: str) -> np.ndarray:
    """1 right, 0 wrong, nan unparsed or not asked."""
    correct, parsed = panel.get(model, condition, "correct"), panel.get(model, condition, "parsed")
    return np.where(np.isnan(correct) | ~(parsed == 1), np.nan, (correct > 0.5).astype(float))


def all_flips(panels: dict[str, Panel], models: Sequence[str], headlines: dict[str, Contrast]) -> dict[str, list[dict[str, Any]]]:
    """{axis: [{model, ...}]}, the base first."""
    out = {}
    for axis, contrast in headlines.items():
        rows = [{"model": m, **found} for m in models if (found := flips(panels[axis], m, contrast)) is not None]
        if rows:
            out[axis] = rows
    return out
