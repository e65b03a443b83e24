"""Checks that qualify or refuse a claim. A module with a function `check(context)` is found by its file."""

from __future__ import annotations

import importlib
import pkgutil

from holdfast.auditing.context import AuditContext
from holdfast.results import AuditEntry

__all__ = ["AuditContext", "advice", "run_audit"]


def run_audit(context: AuditContext) -> list[AuditEntry]:
    """Every check's entries, in the order of the checks' names."""
    out: list[AuditEntry] = []
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        check = getattr(importlib.import_module(f"{__name__}.{module}"), "check", None)
        if check is not None:
            out += check(context)
    return out


def advice(check: str) -> str | None:
    """What to do about a check's warnings and refusals, in one sentence (its module's NEXT); None for an unknown check."""
    if check not in {m.name for m in pkgutil.iter_modules(__path__)}:
        return None
    return getattr(importlib.import_module(f"{__name__}.{check}"), "NEXT", None)
