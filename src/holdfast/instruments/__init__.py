"""What is asked. A module in `benchmarks` or `axes` with an INSTRUMENT is found by its file: adding one is one new file."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

from holdfast.errors import ConfigError
from holdfast.instruments.base import Instrument
from holdfast.instruments.style import Style

__all__ = ["Instrument", "available", "build"]


def available() -> dict[str, type[Instrument]]:
    found = {}
    for package in ("benchmarks", "axes"):
        parent = importlib.import_module(f"holdfast.instruments.{package}")
        for module in pkgutil.iter_modules(parent.__path__):
            made = getattr(importlib.import_module(f"{parent.__name__}.{module.name}"), "INSTRUMENT", None)
            if made is not None:
                found[made.name] = made
    return found


def build(name: str, style: Style, **options: Any) -> Instrument:
    """The instrument of that name, putting its items in `style`. Raises ConfigError for an unknown name or option."""
    kinds = available()
    if name not in kinds:
        raise ConfigError(f"unknown instrument {name!r}; available: {', '.join(sorted(kinds))}")
    known = [p for p in inspect.signature(kinds[name].__init__).parameters if p not in ("self", "style")]
    for option in options:
        if option not in known:
            raise ConfigError(f"instruments.{name}.options: unknown option {option!r}; available: {', '.join(known) or 'none'}")
    return kinds[name](style, **options)
