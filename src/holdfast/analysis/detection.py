"""d' and c per axis that declares hits and false alarms: the base's own, and each adapter's difference to it."""

from __future__ import annotations

from typing import Any

from holdfast.analysis.panel import Panel
from holdfast.stats import detection as sdt


def detections(
    panels: dict[str, Panel], axes: list[dict[str, Any]], adapters: list[dict[str, Any]], seeds: dict[str, Any], base: str
) -> dict[str, list[dict[str, Any]]]:
    """{axis: [{model, d_prime, c}]}: level of the base first, then shifts adapted - base on the same items."""
    out = {}
    for axis in axes:
        declared, panel = axis.get("detection"), panels[axis["name"]]
        if not declared or not panel.has(declared["hit"][0]) or not panel.has(declared["false_alarm"][0]):
            continue
        read = lambda model: tuple(panel.get(model, *declared[k]) for k in ("hit", "false_alarm"))  # noqa: E731, B023
        own = sdt.detection(*read(base), panel.clusters)
        rows = [{"model": "base", "d_prime": _cell(own.d_prime), "c": _cell(own.c)}]
        for d in adapters:
            moved = sdt.detection_shift(read(base), [read(m) for m, _ in seeds[d["name"]]], panel.clusters)
            rows.append({"model": d["name"], "d_prime": _cell(moved.d_prime), "c": _cell(moved.c)})
        out[axis["name"]] = rows
    return out


def _cell(interval: Any) -> dict[str, Any]:
    known = lambda x: None if x != x else float(x)  # noqa: E731
    return {k: known(getattr(interval, k)) for k in ("estimate", "lower", "upper")}
