"""Findings as an object: a table for analysis, a table for a notebook, and the way to the report."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigError
from holdfast.frozen import canonical_json
from holdfast.report.finished import records_of
from holdfast.results import SHIFT_PARTS, AuditEntry, StudyFindings
from holdfast.run_files import verify_files
from holdfast.store import read_json

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "estimate", "lower", "upper", "level", "se", "df", "p", "p_holm", "mde", "verdict", "n", "num_clusters", "num_seeds", "coverage", "contrast",
)  # fmt: skip
WORDS = ("adapter", "role", "kind", "instrument", "verdict", "contrast")


class Findings(Mapping[str, Any]):
    """The results of a study; a mapping with the keys of findings.json. Fractions, adapted - base; positive deference is worse.

    `document`: the same as typed records. `audit`: what may not be concluded and why, as dicts; `audit_entries`: the same as records.
    `folder`: of the run, or None for a table's findings.
    """

    def __init__(
        self,
        data: StudyFindings | Mapping[str, Any],
        *,
        audit: Sequence[AuditEntry | Mapping[str, Any]] | None = None,
        folder: Path | None = None,
    ):
        self._data: dict[str, Any] = json.loads(data.to_json()) if isinstance(data, StudyFindings) else dict(data)
        self.audit = [json.loads(canonical_json(e)) if isinstance(e, AuditEntry) else dict(e) for e in audit or ()]
        self.folder = folder

    @classmethod
    def load(cls, folder: str | Path) -> Findings:
        """Findings of a finished run. Raises ConfigError if the folder holds none, or what it holds is damaged."""
        folder = Path(folder)
        with verify_files(folder, "findings.json", "audit.json"):
            data, audit = read_json(folder / "findings.json"), read_json(folder / "audit.json")
        if not isinstance(data, dict) or not isinstance(audit, list) or not all(isinstance(e, dict) for e in audit):
            raise ConfigError(f"{folder}: its findings or audit are not what a run writes; run the study again")
        return cls(data, audit=audit, folder=folder)

    @cached_property
    def document(self) -> StudyFindings:
        """The findings as typed records. Raises ConfigError if they are not what a run writes."""
        return self._records[0]

    @cached_property
    def audit_entries(self) -> list[AuditEntry]:
        """The audit as typed records. Raises ConfigError if it is not what a run writes."""
        return self._records[1]

    @cached_property
    def _records(self) -> tuple[StudyFindings, list[AuditEntry]]:
        return records_of(self._data, self.audit, str(self.folder or "findings"))

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    def __repr__(self) -> str:
        names = ", ".join(a["name"] for a in self["adapters"])
        return f"<holdfast.Findings of {self['study']['name']!r}: {names}>"

    @property
    def report(self) -> Path | None:
        """The run's report.html, if there is one."""
        page = self.folder and self.folder / "report.html"
        return page if page and page.is_file() else None

    def rows(self) -> list[dict[str, Any]]:
        """One row per adapter, instrument and kind (gain; behaviour, firmness or deference of a shift), with its numbers; None is unknown."""
        return [
            {"adapter": a["name"], "role": a["role"], "kind": kind, "instrument": instrument, **{c: effect.get(c) for c in COLUMNS}}
            | dict(zip(("lowest", "highest"), effect.get("bounds") or (None, None), strict=True))
            for a in self["adapters"]
            for kind, instrument, effect in (
                *(("gain", name, gain) for name, gain in a["gains"].items()),
                *((part, name, s[part]) for name, s in a["shifts"].items() for part in SHIFT_PARTS if s.get(part)),
            )
        ]

    def to_pandas(self) -> pd.DataFrame:
        """`rows` as a DataFrame (nan: unknown; lowest and highest: what unread answers allow). Raises ConfigError without pandas."""
        try:
            import pandas as pd
        except ImportError:
            raise ConfigError("Findings.to_pandas: pandas is not installed: pip install pandas; Findings.rows() needs nothing") from None
        frame = pd.DataFrame(self.rows())
        return frame.astype({c: float for c in frame.columns if c not in WORDS})

    def _repr_html_(self) -> str:
        from holdfast.report.page import notebook_table

        return notebook_table(self.document, self.audit_entries, self.report)
