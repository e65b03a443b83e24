"""Published studies, analysed again from their own tables. Each is a package of its own, found by its entry point in the group `holdfast.studies`."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from holdfast.errors import ConfigError

PREFIX = "published:"
GROUP = "holdfast.studies"


class PublishedOutcome(Protocol):
    """Findings (with the points and the claims) and the audit of one published study."""

    @property
    def findings(self) -> Any: ...

    @property
    def audit(self) -> Any: ...

    @property
    def refused(self) -> Any:
        """Claims that do not stand."""


class PublishedStudy(Protocol):
    """What a study's package offers under its entry point."""

    def analyze(self, data_root: str | None = None) -> Any:
        """Its findings and audit. With `data_root`, what needs the study's rows is counted from them, else from the shipped counts."""

    def write(self, outcome: Any, out: Path) -> Path:
        """findings.json, audit.json, report and tables under `out`; returns the report's path."""

    def summary(self, findings: Any) -> Any:
        """What a terminal shows: a rich renderable."""


def available() -> list[str]:
    """Names of the installed published studies."""
    return sorted(entry_points(group=GROUP).names)


def load_study(name: str) -> PublishedStudy:
    """The study of that name. Raises ConfigError if none is installed under it."""
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    raise ConfigError(f"published:{name}: no such study; available: {', '.join(available()) or 'none'}")
