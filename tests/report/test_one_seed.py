"""An interval over items only, of a study with one training seed, is labeled so wherever it is shown (docs/metrics.md, section 4, rule 2)."""

import pytest
from made_findings import ENTRIES, findings, record

from holdfast.report import terminal
from holdfast.report.page import notebook_table, write_report


def made(num_seeds: int):
    tree = findings()
    for adapter in tree["adapters"]:
        for part in ("gains", "shifts"):
            for effect in adapter[part].values():
                effect["num_seeds"] = num_seeds
    return record(tree)


@pytest.mark.parametrize("num_seeds, labeled", [(1, True), (2, False), (5, False)])
def test_the_label_stands_beside_intervals_of_one_seed_only(tmp_path, num_seeds, labeled):
    study = made(num_seeds)
    assert ("of one training seed: over items only" in terminal.text(study)) == labeled
    assert ("over items only (one seed)" in notebook_table(study, ENTRIES, None)) == labeled
    page = write_report(tmp_path, study, ENTRIES, {}, None).read_text(encoding="utf-8")
    assert ("over items only (one training seed)" in page) == labeled and ("over items and seeds" in page) != labeled
    assert ("over items only (one seed)" in (tmp_path / "report.md").read_text(encoding="utf-8")) == labeled
