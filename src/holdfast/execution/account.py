"""Where the work of a run went: tokens asked and computed, time, and the share of this machine's matrix-multiply peak.

Counts lie in the cells and are those of the whole run, however often it was broken off; times are of the last session that made cells.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FILE = "engine.json"


def account(
    trials: Iterable[tuple[str, Path]], adapters: Iterable[Path], kernels: Mapping[str, Any], timing: Mapping[str, Any]
) -> dict[str, Any]:
    """`trials`: (instrument, its cell) of every model; `adapters`: their cells; `kernels`: those in use; `timing`: timing.json's.

    `ordinary_calls`: why the model was not asked through packed rows, if it was not.
    `shared`: share of the asked tokens that was not computed, because another prompt or choice had computed them.
    """
    tokens: dict[str, dict[str, Any]] = {}
    flops, trained, passed, ordinary = 0, 0, 0, set()
    for kind, place in trials:
        found = _read(place / FILE)
        mine = tokens.setdefault(kind, {"asked": 0, "computed": 0})
        for name in mine:
            mine[name] += found.get(name, 0)
        flops += found.get("flops", 0)
        ordinary |= {found["ordinary_calls"]} if "ordinary_calls" in found else set()
    for mine in tokens.values():
        mine["shared"] = round(1 - mine["computed"] / mine["asked"], 4) if mine["asked"] else None
    for place in adapters:
        record = _read(place / "training.json")
        trained += record.get("num_tokens", 0)
        passed += record.get("num_computed", 0)
        flops += record.get("flops", 0)
    return {
        "matrix_multiply": dict(kernels),
        "tokens": dict(sorted(tokens.items())),
        "training_tokens": trained,
        "training_computed": passed,
        "nominal_flops": flops,
        **({"ordinary_calls": sorted(ordinary)} if ordinary else {}),
        **{name: timing[name] for name in ("process_seconds", "peak_gflops", "fraction_of_peak") if name in timing},
    }


def of_peak(flops: float, seconds: float, threads: int) -> dict[str, float]:
    """This machine's matrix-multiply rate with so many threads, and the share of it that `flops` in `seconds` of a process came to."""
    import torch

    from holdfast.engine.kernels import peak_gflops

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    peak = peak_gflops()
    torch.set_num_threads(before)
    return {"peak_gflops": round(peak, 1), "fraction_of_peak": round(flops / seconds / peak / 1e9, 3)} if seconds else {}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
