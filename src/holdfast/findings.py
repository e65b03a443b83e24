"""Findings as an object: a table for analysis, a table for a notebook, and the way to the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "estimate", "lower", "upper", "level", "se", "df", "p", "p_holm", "mde", "verdict", "n", "num_clusters", "num_seeds", "coverage", "contrast",
)  # fmt: skip


class Findings(Mapping[str, Any]):
    """What a study came to; a mapping with the keys of findings.json. Fractions; gains and shifts are adapted - base, a positive shift is worse.

    `audit`: what may not be concluded and why; `folder`: of the run, or None for a table's findings.
    """

    def __init__(self, data: Mapping[str, Any], *, audit: list[dict[str, Any]] | None = None, folder: Path | None = None):
        self._data = dict(data)
        self.audit = list(audit or [])
        self.folder = folder

    @classmethod
    def load(cls, folder: str | Path) -> Findings:
        """Findings of a finished run. Raises ConfigError if the folder holds none."""
        from holdfast.cli.output import load_json

        folder = Path(folder)
        return cls(load_json(folder / "findings.json"), audit=load_json(folder / "audit.json"), folder=folder)

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
        page = self.folder / "report.html" if self.folder is not None else None
        return page if page is not None and page.is_file() else None

    def rows(self) -> list[dict[str, Any]]:
        """One row for every adapter and instrument: adapter, role, kind (gain or shift), instrument, then the numbers; None is unknown."""
        return [
            {"adapter": a["name"], "role": a["role"], "kind": part[:-1], "instrument": instrument, **{c: effect.get(c) for c in COLUMNS}}
            | dict(zip(("lowest", "highest"), effect.get("bounds") or (None, None), strict=True))
            for a in self["adapters"]
            for part in ("gains", "shifts")
            for instrument, effect in a[part].items()
        ]

    def to_pandas(self) -> pd.DataFrame:
        """`rows` as a DataFrame (nan: unknown; lowest and highest: bounds of an effect that is not identified). Raises ConfigError without pandas."""
        try:
            import pandas as pd
        except ImportError:
            raise ConfigError("Findings.to_pandas: pandas is not installed: pip install pandas; Findings.rows() needs nothing") from None
        rows = self.rows()
        frame = pd.DataFrame(rows)
        words = ("adapter", "role", "kind", "instrument", "verdict", "contrast")
        return frame.astype({c: float for c in frame.columns if c not in words})

    def _repr_html_(self) -> str:
        from holdfast.report.notebook import table

        return table(self)
