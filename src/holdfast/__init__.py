"""holdfast: what a fine-tune did to a model's backbone.

    import holdfast
    findings = holdfast.run("embedded", "runs/embedded")
    findings.to_pandas()

`__all__` is the whole public face; nothing heavy is imported before one of its names is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.processes import before_torch

if TYPE_CHECKING:
    from holdfast.api import analyze, audit, probe, run
    from holdfast.config import Study
    from holdfast.findings import Findings

__version__ = "0.1.0"
__all__ = ["Findings", "Study", "analyze", "audit", "probe", "run"]

before_torch()
_PLACES = {"Findings": "findings", "Study": "config"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    import importlib

    found = getattr(importlib.import_module(f"holdfast.{_PLACES.get(name, 'api')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
