"""Trials -> findings. Names are loaded when first used: `rescored` needs no statistics library."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from holdfast.analysis.effects import raw_effects
    from holdfast.analysis.findings import analyze

__all__ = ["analyze", "raw_effects"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'holdfast.analysis' has no attribute {name!r}")
    from holdfast.analysis import effects, findings

    return getattr(findings if name == "analyze" else effects, name)
