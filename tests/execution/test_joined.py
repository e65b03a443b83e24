"""A run's cells joined: every row once, whole row groups, and the same results as from the whole table in memory."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from benchmarks.large_store import write

from holdfast import pipeline
from holdfast.analysis import analyze
from holdfast.backends.local import LocalBackend
from holdfast.backends.trials import SCHEMA
from holdfast.config import load_study
from holdfast.errors import IncompleteError
from holdfast.execution import joined
from holdfast.facts import study_facts
from holdfast.results import AuditEntry
from holdfast.store import Store

STUDY = ["seeds=1", "dose={scales: [0.5], checkpoints: [], seeds: 1, domains: [maths]}"]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """(study, folder) with every cell, answers drawn."""
    study = load_study("embedded", STUDY)
    study = study.model_copy(update={"instruments": tuple(i.model_copy(update={"limit": 6}) for i in study.instruments)})
    folder = tmp_path_factory.mktemp("drawn")
    write(study, folder)
    return study, folder


@pytest.fixture(scope="module")
def parts(drawn):
    study, folder = drawn
    backend = LocalBackend(study, Store(folder / "cells"))
    kinds = [i.kind for i in study.instruments]
    return [(key, kind, place) for key, places in pipeline.finished_models(backend) for kind, place in zip(kinds, places, strict=True)]


def test_every_row_of_every_cell_is_there_once_in_order_under_its_model(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(joined, "ROW_GROUP", 200)
    joined.join_trials(parts, tmp_path / "t.parquet")
    whole = pq.read_table(tmp_path / "t.parquet")
    cells = [pq.read_table(place / "trials.parquet") for _, _, place in parts]
    assert whole.select(SCHEMA.names).to_pydict().__repr__() == pa.concat_tables(cells).to_pydict().__repr__()  # nan is nan
    owners = [
        (k.name, k.domain or "base", k.seed, k.dose, k.path, kind)
        for (k, kind, _), t in zip(parts, cells, strict=True)
        for _ in range(t.num_rows)
    ]
    assert list(zip(*(whole[f.name].to_pylist() for f in joined.OWNER), strict=True)) == owners
    assert {"maths/seed0@0.5-scale", "base"} <= set(whole["model"].to_pylist())
    groups = pq.read_metadata(tmp_path / "t.parquet")
    sizes = [groups.row_group(k).num_rows for k in range(groups.num_row_groups)]
    assert sum(sizes) == whole.num_rows and min(sizes[:-1]) >= 200 and max(sizes) < 200 + max(t.num_rows for t in cells)


def test_transcripts_are_those_of_the_cells_one_after_the_other(parts, tmp_path):
    joined.join_transcripts(parts, tmp_path / "all.gz")
    lines = [line for _, _, place in parts for line in gzip.open(place / "transcripts.jsonl.gz", "rt", encoding="utf-8")]
    assert gzip.open(tmp_path / "all.gz", "rt", encoding="utf-8").readlines() == lines and len(lines) > 1000


def test_collected_findings_are_those_of_the_whole_table_in_memory(drawn):
    study, folder = drawn
    pipeline.collect(study, folder, say=lambda _: None)
    audit = [e for e in json.loads((folder / "audit.json").read_text()) if e["check"] != "prose"]
    whole = pq.read_table(folder / "trials.parquet")
    findings = analyze(whole, study_facts(study), [AuditEntry.model_validate(e) for e in audit])
    assert findings.to_json() == (folder / "findings.json").read_bytes()


def test_damaged_cells_are_named_and_foreign_files_change_nothing(drawn):
    study, folder = drawn
    trials, adapter = (sorted((folder / "cells").glob(f"{kind}-*"))[0] for kind in ("trials", "adapter"))
    for place in (folder / "cells", trials, adapter, adapter / "adapter"):
        (place / "notes.txt").write_text("mine")
    said = []
    pipeline.collect(study, folder, say=said.append)
    assert not any("made again" in line for line in said)
    assert not list(folder.glob("adapters/*/notes.txt")) and (adapter / "adapter" / "notes.txt").read_text() == "mine"
    with (trials / "trials.parquet").open("r+b") as file:
        file.write(b"PAR2")
    with pytest.raises(IncompleteError, match="are missing"):
        pipeline.collect(study, folder, say=said.append)
    assert f"cell {trials.name} does not match its manifest; it is made again" in said
    assert not trials.exists() and (folder / "cells" / "notes.txt").read_text() == "mine"
    write(study, folder)
    assert trials.is_dir()
