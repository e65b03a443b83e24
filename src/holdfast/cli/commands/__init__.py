"""Commands found by their file: a module here with a function `register(app)` adds one. Nothing heavy is imported at the top of one."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

# The order of `holdfast --help`; a command that is not named here comes after these, by its name.
ORDER = ("init", "run", "plan", "collect", "report", "figures", "tables", "compare", "analyze", "audit", "probe", "rescore", "judge")


def register_all(app: Any) -> None:
    names = sorted(m.name for m in pkgutil.iter_modules(__path__))
    for module in sorted(names, key=lambda n: ORDER.index(n) if n in ORDER else len(ORDER)):
        importlib.import_module(f"{__name__}.{module}").register(app)
