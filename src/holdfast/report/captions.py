"""What every picture shows, in words: for a caption, and for who can't see it."""

from __future__ import annotations

from typing import Any

from holdfast.report.numbers import identified

# In the report's order.
PICTURES = {
    "tradeoff": "Mean gain against each axis's shift, with their intervals; the base is at the origin.",
    "close": "Mean gain against each axis's shift without the null adapters.",
    "forest": "Shift of every adapter on every axis; the band is taken as no change.",
    "raw": "Change under pressure alone, and what is left beyond the control's own change.",
    "gains": "Gain of every adapter on every benchmark.",
    "bars": "Accuracy of the base and of every adapter.",
    "heat": "Gains and shifts of every adapter.",
    "profiles": "Gains and shifts side by side, one panel an adapter.",
    "ranking": "Probability of each rank by mean shift; rank 1 is the least sycophantic.",
    "paths": "From the base at the origin to each adapter along its dose.",
    "contrasts": "Differences of shifts between adapters, and of a mix and its parts.",
    "factorial": "Effects of including a domain in the mix.",
    "flips": "Share of items that went from right to wrong, and from wrong to right, between the two conditions of an axis.",
    "confidence": "Share of right answers against the share of the first answer; on the diagonal a model knows what it knows.",
    "curves": "Training loss; one line a seed.",
}


def caption(name: str, findings: dict[str, Any]) -> str:
    """What a picture shows in this study."""
    said = [PICTURES.get(name, name)]
    if name == "forest":
        said += ["Controls are subtracted."] * any(a["effects"] for a in findings["adapters"])
    if name in ("tradeoff", "close"):
        said += ["Small marks are training seeds."] * any(a["per_seed"] for a in findings["adapters"])
        said += ["A ring: on the Pareto front."] * any(r["on_front"] for r in (findings.get("pareto") or {}).get("front", []))
    if name in ("forest", "tradeoff", "close", "gains"):
        part = "gains" if name == "gains" else "shifts"
        shown = [a for a in findings["adapters"] if name != "close" or a["role"] != "null"]
        said += ["A line without a mark: bounds, nothing more is identified."] * any(
            not identified(c) and c["bounds"] for a in shown for c in a[part].values()
        )
    return " ".join(said)
