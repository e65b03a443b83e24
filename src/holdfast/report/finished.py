"""What figures, tables and comparisons are made of: a finished run's folder, or a published study analysed from its own tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.errors import ConfigError, HoldfastError
from holdfast.escape import plain

PUBLISHED = "published:"
ABSENT: dict[str, Any] = {
    "refused": [],
    "dose": [],
    "mitigation": [],
    "factorial": None,
    "detection": {},
    "flips": {},
    "pareto": None,
    "ranking": [],
}


@dataclass(frozen=True, slots=True)
class Finished:
    """`folder`: None for a published study; `out`: where files of it go if no other place is named."""

    source: str
    findings: dict[str, Any]
    audit: list[dict[str, Any]]
    folder: Path | None
    out: Path


def load(source: str) -> Finished:
    """Findings and audit of a source, their texts made plain. Raises ConfigError where there are none, or they are damaged."""
    if source.startswith(PUBLISHED):
        from holdfast.studies import load_study

        name = source.removeprefix(PUBLISHED)
        outcome = load_study(name).analyze()
        return Finished(
            source, {**ABSENT, **plain_texts(outcome.findings)}, plain_texts(outcome.audit), None, Path("runs") / f"published-{name}"
        )
    folder = Path(source)
    findings = _read(folder / "findings.json")
    audit = _read(folder / "audit.json") if (folder / "audit.json").is_file() else []
    if not isinstance(findings, dict) or not isinstance(findings.get("adapters"), list) or not isinstance(audit, list):
        raise ConfigError(f"{folder}: its findings or audit are not what a run writes; run the study again")
    return Finished(source, {**ABSENT, **plain_texts(findings)}, plain_texts(audit), folder, folder)


@contextmanager
def reading(source: str) -> Iterator[None]:
    """What damaged findings raise on the way becomes one line."""
    from jinja2 import UndefinedError
    from jsonschema.exceptions import ValidationError

    try:
        yield
    except (HoldfastError, OSError):
        raise
    except (LookupError, TypeError, AttributeError, ValueError, ArithmeticError, RecursionError, UndefinedError, ValidationError) as error:
        raise ConfigError(
            f"{source}: its findings or audit are not what a run writes ({type(error).__name__}: {str(error)[:100]}); run the study again"
        ) from error


def made(folder: Path) -> Path:
    """The folder, there. Raises ConfigError where it can't be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"-o/--out: {folder}: cannot be made ({error.strerror}); name another folder") from None
    return folder


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{file}: no such file; name the folder of a finished run, or published:NAME") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{file}: not JSON; the run is damaged, run the study again") from None


def plain_texts(value: Any) -> Any:
    """Every text without what moves a cursor, turns the line or no UTF-8 holds."""
    if isinstance(value, dict):
        return {plain(k): plain_texts(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_texts(v) for v in value]
    return plain(value) if isinstance(value, str) else value
