"""A published study of five adapters of Llama-2-7B-Chat, analyzed from its own tables: what they show and what becomes of each claim."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Group

    from holdfast.results import StudyFindings
    from holdfast.studies import PublishedOutcome


class _Study:
    """What `holdfast.studies` finds by this package's entry point."""

    def analyze(self, data_root: str | None = None) -> PublishedOutcome:
        from holdfast_llama2_7b.analysis import analyze

        return analyze(data_root)

    def write(self, outcome: PublishedOutcome, out: Path) -> Path:
        from holdfast_llama2_7b.output import write

        return write(outcome, out)

    def summary(self, findings: StudyFindings) -> Group:
        from holdfast_llama2_7b.output import summary

        return summary(findings)


STUDY = _Study()
