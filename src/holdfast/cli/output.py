"""What commands print and read: findings as a table or JSON, facts as lines, a run's JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError


def show(findings: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(findings, ensure_ascii=False))
        return
    from holdfast.report import terminal

    terminal.show(findings)


def lines(found: dict[str, Any]) -> list[str]:
    """name and value, nested ones one under the other; numbers with thousands apart."""
    out = []
    for name, value in found.items():
        if isinstance(value, dict):
            out += [name, *(f"  {k:32s} {_shown(v)}" for k, v in value.items())]
        elif isinstance(value, list):
            out += [name, *(f"  {v}" for v in value)]
        else:
            out.append(f"{name:34s} {_shown(value)}")
    return out


def _shown(value: Any) -> str:
    return "unknown" if value is None else f"{value:,}" if isinstance(value, int) else f"{value}"


def load_json(path: Path) -> Any:
    """Raises ConfigError if there is no such file or it isn't JSON."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; name the folder of a finished run") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{path}: not JSON; the run is damaged, run the study again") from None
