"""Published studies, analyzed from their own tables. Each is a package of its own, found by its entry point in the group `holdfast.studies`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from holdfast.errors import ConfigError
from holdfast.report.finished import Finished, cleaned, read_folder
from holdfast.results import AuditEntry, StudyFindings

if TYPE_CHECKING:
    from rich.console import RenderableType

PREFIX = "published:"
GROUP = "holdfast.studies"


@dataclass(frozen=True, slots=True)
class PublishedOutcome:
    """What the analysis of one published study came to."""

    findings: StudyFindings
    audit: Sequence[AuditEntry]


class PublishedStudy(Protocol):
    """What a study's package offers under its entry point."""

    def analyze(self, data_root: str | None = None) -> PublishedOutcome:
        """Findings and audit. With `data_root`, what needs the study's rows is counted from them, else from the shipped counts."""
        ...

    def write(self, outcome: PublishedOutcome, out: Path) -> Path:
        """findings.json, audit.json, report and tables under `out`; returns the report's path."""
        ...

    def summary(self, findings: StudyFindings) -> RenderableType:
        """What a terminal shows."""
        ...


def available() -> list[str]:
    """Names of the installed published studies."""
    return sorted(entry_points(group=GROUP).names)


def load_study(name: str) -> PublishedStudy:
    """The study of that name. Raises ConfigError if none is installed under it."""
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    raise ConfigError(f"published:{name}: no such study; available: {', '.join(available()) or 'none'}")


def load_source(source: str) -> Finished:
    """What figures, tables and comparisons are made from: a finished run's folder, or `published:NAME`, analyzed from its own tables.

    Raises ConfigError where there are no findings, or they are damaged.
    """
    if not source.startswith(PREFIX):
        return read_folder(source)
    name = source.removeprefix(PREFIX)
    outcome = load_study(name).analyze()
    return cleaned(source, outcome.findings, outcome.audit, Path("runs") / f"published-{name}")
