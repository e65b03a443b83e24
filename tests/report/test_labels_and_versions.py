"""Findings as pages show them: an interval over items only, of a study with one training seed, is labelled so wherever it is shown (docs/metrics.md, section 4, rule 2)."""

import pytest
from made_findings import ENTRIES, findings, record

from holdfast.errors import ConfigError
from holdfast.report import terminal
from holdfast.report.finished import records_of
from holdfast.report.page import notebook_table, write_report


def made(num_seeds: int):
    tree = findings()
    for adapter in tree["adapters"]:
        parts = [shift[part] for shift in adapter["shifts"].values() for part in ("behaviour", "firmness", "deference")]
        for effect in (*adapter["gains"].values(), *parts):
            effect["num_seeds"] = num_seeds
    return record(tree)


@pytest.mark.slow
@pytest.mark.parametrize("num_seeds, labelled", [(1, True), (2, False), (5, False)])
def test_the_label_stands_beside_intervals_of_one_seed_only(tmp_path, num_seeds, labelled):
    study = made(num_seeds)
    assert ("of one training seed: over items only" in terminal.text(study)) == labelled
    assert ("over items only (one seed)" in notebook_table(study, ENTRIES, None)) == labelled
    page = write_report(tmp_path, study, ENTRIES, {}, None).read_text(encoding="utf-8")
    assert ("over items only (one training seed)" in page) == labelled and ("over items and seeds" in page) != labelled
    assert ("over items only (one seed)" in (tmp_path / "report.md").read_text(encoding="utf-8")) == labelled


@pytest.mark.parametrize(
    "change, said",
    [
        (
            lambda tree: {**tree, "schema_version": 99},
            "schema_version: 99: this holdfast reads version 2 only; use the holdfast that wrote it",
        ),
        (lambda tree: {**tree, "schema_version": 0}, "schema_version: 0: this holdfast reads version 2 only"),
        (lambda tree: [tree], r"\(the file: must be an object\)"),
        (lambda tree: {**tree, "base": []}, r"\(base: must be an object\)"),
    ],
)
def test_findings_that_cannot_be_read_are_refused_in_words(change, said):
    with pytest.raises(ConfigError, match=said):
        records_of(change(findings()), [], "runs/x")


@pytest.mark.slow
def test_a_citation_of_an_adapter_that_is_not_there_is_refused(tmp_path):
    cited = {**findings(), "recommendation": [{"text": "maths", "cells": ["adapters/0/shifts/doubt"]}]}
    assert write_report(tmp_path, record(cited), ENTRIES, {}, None).is_file()
    with pytest.raises(ConfigError, match="findings.json: recommendation cites adapters/0/shifts/doubt, which is not there"):
        write_report(tmp_path, record({**cited, "adapters": []}), ENTRIES, {}, None)
