"""What of a cell may be shown, and fractions as people read them."""

from __future__ import annotations

from typing import Any


def identified(cell: dict[str, Any]) -> bool:
    """Whether its estimate may be shown; else its bounds, if it has them, say all that is known."""
    return cell["estimate"] is not None and cell["verdict"] != "not_identified"


def points(value: float | None) -> str:
    """A fraction as signed percentage points."""
    return "unknown" if value is None else f"{100 * value:+.1f}"


def share(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f}\u00a0%"
