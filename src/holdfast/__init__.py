"""holdfast: what a fine-tune did to a language model.

    import holdfast
    findings = holdfast.run("embedded", "runs/embedded")
    findings.to_pandas()

`__all__` is the whole public interface; nothing heavy is imported before one of its names is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast.processes import set_torch_env

if TYPE_CHECKING:
    from holdfast.api import analyze, audit, compare, doctor, plan, probe, recipes, rescore, run, summarize
    from holdfast.config import Study
    from holdfast.findings import Findings

__version__ = "0.2.0.dev0"
__all__ = ["Findings", "Study", "analyze", "audit", "compare", "doctor", "plan", "probe", "recipes", "rescore", "run", "summarize"]

set_torch_env()
_MODULES = {"Findings": "findings", "Study": "config"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'holdfast' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"holdfast.{_MODULES.get(name, 'api')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
