"""Fractions as people read them."""

from __future__ import annotations


def points(value: float | None) -> str:
    """A fraction as signed percentage points."""
    return "unknown" if value is None else f"{100 * value:+.1f}"


def share(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f}\u00a0%"
