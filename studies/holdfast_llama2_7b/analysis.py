"""The study's tables -> its findings and audit."""

from __future__ import annotations

from pathlib import Path

from holdfast.errors import DataError
from holdfast.studies import PublishedOutcome
from holdfast_llama2_7b.claims import judge
from holdfast_llama2_7b.defects import find_defects
from holdfast_llama2_7b.derive import counts_of
from holdfast_llama2_7b.findings import audit_of, findings_of
from holdfast_llama2_7b.points import points_of
from holdfast_llama2_7b.readers import ADAPTERS, READERS
from holdfast_llama2_7b.study import Study
from holdfast_llama2_7b.tables import DATA, read_tables


def analyze(data_root: str | None = None, folder: Path = DATA) -> PublishedOutcome:
    """Findings and audit from a folder of the study's tables. With `data_root`, what needs the study's rows is counted from them."""
    tables = read_tables(folder)
    if missing := [a for a in ADAPTERS if a not in tables.adapters]:
        raise DataError(f"complete_results.csv: adapter_name: no row {missing[0]!r}; the claims speak of {', '.join(ADAPTERS)}")
    study = Study(tables=tables, counts=counts_of(tables.derived, data_root))
    defects = find_defects(study)
    claims = judge(study, defects, READERS)
    return PublishedOutcome(findings_of(study, defects, points_of(study), claims), audit_of(defects, claims))
