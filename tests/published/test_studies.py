"""A published study is any installed package that offers one under the entry point group; holdfast knows none of them by name."""

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from typer.testing import CliRunner

from holdfast import api, studies
from holdfast.cli.app import app
from holdfast.errors import ConfigError

TOY = """
from dataclasses import dataclass, field

from holdfast.results import AuditEntry, BaseLevels, Correlation, PublishedClaim, StudyFindings, StudySummary

CLAIM = PublishedClaim(id="c", text="it works", source="blog", status="cited defect", reason="no", values={}, evidence=(), rule=3)


@dataclass
class Outcome:
    findings: StudyFindings
    audit: list = field(default_factory=list)


class Toy:
    def analyze(self, data_root=None):
        summary = StudySummary(name="published:toy", base=data_root, domains=(), instruments=(), estimands={}, equivalence_band=0.03)
        findings = StudyFindings(
            study=summary, base=BaseLevels(name="base", benchmarks={}, axes={}), adapters=(), contrasts=(), claims=(CLAIM,),
            correlation=Correlation(num_mixes=0, description={}, cells=()),
        )
        return Outcome(findings, [AuditEntry(check="toy", level="ok", claim="a toy", evidence={})])

    def write(self, outcome, out):
        out.mkdir(parents=True)
        (out / "findings.json").write_bytes(outcome.findings.to_json())
        return out / "findings.json"

    def summary(self, findings):
        return f"a toy with {len(findings.claims)} claim"


STUDY = Toy()
"""


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A second study, installed beside the shipped one."""
    site = tmp_path / "site"
    info = site / "holdfast_toy-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "holdfast_toy.py").write_text(TOY)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: holdfast-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[holdfast.studies]\ntoy = holdfast_toy:STUDY\n")
    monkeypatch.syspath_prepend(str(site))


def test_a_study_of_another_package_is_found_and_analyzed_by_the_command(toy, tmp_path):
    assert studies.available() == ["llama2-7b", "toy"]
    done = CliRunner().invoke(app, ["analyze", "published:toy", "-o", str(tmp_path / "out"), "--data-root", "rows", "--strict"])
    assert done.exit_code == 1 and "a toy with 1 claim" in done.output
    written = json.loads((tmp_path / "out" / "findings.json").read_text())
    assert written["study"]["name"] == "published:toy" and written["study"]["base"] == "rows"


def test_it_is_analyzed_from_python_too(toy):
    found = api.analyze("published:toy")
    assert found["claims"][0]["status"] == "cited defect" and found.audit[0]["check"] == "toy"


def test_an_unknown_study_is_named_with_those_there_are(toy):
    with pytest.raises(ConfigError, match="published:other: no such study; available: llama2-7b, toy"):
        studies.load_study("other")


def test_the_library_names_no_study():
    names = {point.value.partition(":")[0].partition(".")[0] for point in entry_points(group=studies.GROUP)}
    assert names == {"holdfast_llama2_7b"}
    sources = Path(studies.__file__).parent.rglob("*.py")
    assert not [str(file) for file in sources if any(name in file.read_text(encoding="utf-8") for name in names)]
