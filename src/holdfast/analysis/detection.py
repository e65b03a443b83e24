"""d' and c per axis that declares hits and false alarms: the base's own, and each adapter's difference to it."""

from __future__ import annotations

from typing import Any

import numpy as np

from holdfast.analysis.panel import Panel
from holdfast.errors import StatisticsError
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
        hit, false_alarm = (lambda m, k=k: panel.get(m, *declared[k]) for k in ("hit", "false_alarm"))  # noqa: B023
        try:
            own = sdt.detection(hit(base), false_alarm(base), panel.clusters)
        except StatisticsError:
            continue  # none of the base's answers is known
        rows = [{"model": "base", "d_prime": _cell(own.d_prime), "c": _cell(own.criterion)}]
        for d in adapters:
            models = [m for m, _ in seeds[d["name"]]]
            try:
                moved = sdt.detection_shift(
                    np.array([hit(m) for m in models]),
                    np.array([false_alarm(m) for m in models]),
                    hit(base),
                    false_alarm(base),
                    panel.clusters,
                )
            except StatisticsError:
                continue  # no outcome that both models have
            rows.append({"model": d["name"], "d_prime": _cell(moved.d_prime), "c": _cell(moved.criterion)})
        out[axis["name"]] = rows
    return out


def _cell(interval: Any) -> dict[str, Any]:
    known = lambda x: None if x != x else float(x)  # noqa: E731
    return {k: known(getattr(interval, k)) for k in ("estimate", "lower", "upper")}
