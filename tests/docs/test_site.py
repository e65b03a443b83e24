"""The pages build strictly without a network, make no network requests, and the reference matches the code."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest
import typer

from holdfast.cli.app import app
from holdfast.config import Study
from holdfast.execution.joined import JOINED
from holdfast.results import CorrelationCell, StudyFindings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Built in a process whose sockets are blocked."""
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", str(place)], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return place


class Page(HTMLParser):
    """What a page loads by itself, and its text."""

    def __init__(self, file: Path):
        super().__init__()
        self.loads: list[str] = []
        self.words: list[str] = []
        self.feed(file.read_text(encoding="utf-8"))
        self.text = re.sub(r"\s+", " ", "".join(self.words))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag in ("script", "img", "iframe", "source", "video", "audio"):
            self.loads.append(given.get("src") or "")
        elif tag == "link" and given.get("rel") != "canonical":
            self.loads.append(given.get("href") or "")

    def handle_data(self, data):
        self.words.append(data)


@pytest.mark.slow
def test_the_site_is_whole_and_loads_nothing_from_elsewhere(site):
    files = [f for f in site.rglob("*.html")]
    assert {f.stem for f in DOCS.glob("*.md")} <= {f.stem for f in files}
    for file in files:
        away = [x for x in Page(file).loads if re.match(r"(?:[a-z]+:)?//", x)]
        assert not away, f"{file.name}: {away}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import)\s*['\"]?https?:", sheet.read_text(encoding="utf-8")), sheet.name
    assert not list(site.rglob("*.py"))


def test_every_picture_of_the_report_that_a_page_shows_is_there(site):
    shown = {src.split("#")[0] for src in Page(site / "tutorial-report.html").loads if "pictures/" in src}
    assert len(shown) >= 4 and all((site / s).is_file() for s in shown)


def test_every_command_and_option_stands_in_the_reference(site):
    text = Page(site / "reference-commands.html").text
    for name, command in typer.main.get_command(app).commands.items():
        assert f"holdfast {name}" in text and command.epilog.removeprefix("Example: ") in text
        for p in command.params:
            said = " ".join((p.help or "").split())
            assert said in text and (p.param_type_name == "argument" or all(o in text for o in p.opts)), (name, p.name)


def keys(model, prefix=""):
    from hooks import _part_of

    for name, field in model.model_fields.items():
        yield name, field.description
        if part := _part_of(field.annotation):
            yield from keys(part)


def test_every_key_of_a_study_stands_in_the_reference(site, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    text = Page(site / "reference-study.html").text
    found = list(keys(Study))
    assert len(found) > 80
    for name, description in found:
        assert name in text and " ".join((description or "").replace("`", "").split()) in text, name


def test_every_instrument_recipe_check_and_public_name_stands_in_the_reference(site):
    import pkgutil

    import holdfast
    import holdfast.auditing
    from holdfast.auditing import advice
    from holdfast.config import recipe_names
    from holdfast.instruments import available

    text = Page(site / "reference-instruments.html").text
    for name, made in available().items():
        assert name in text and all(c in text for c in made.conditions) and all(c.name in text for c in made.contrasts)
    checks = [m.name for m in pkgutil.iter_modules(holdfast.auditing.__path__) if advice(m.name)]
    audit = Page(site / "reference-audit.html").text
    assert len(checks) > 15 and all(c in audit and " ".join(str(advice(c)).split()) in audit for c in checks)
    rows = Page(site / "how-to-real-benchmarks.html").text
    assert all(name in rows for name in recipe_names())
    python = Page(site / "reference-python.html").text
    assert all(name in python for name in holdfast.__all__) and "Train what is missing of a study" in python


def rows_of(page: str) -> dict[str, str]:
    """{first cell without backticks: second cell} of every table row of a page."""
    lines = re.findall(r"^\| `([^|`]+)` \| (.+) \|$", (DOCS / page).read_text(encoding="utf-8"), re.M)
    return {key: told.replace("\\|", "|") for key, told in lines}


def test_every_column_of_the_trials_is_described_with_its_type():
    told = {k: v.split(" | ", 1) for k, v in rows_of("reference-trials.md").items()}
    types = {"string": "text", "list<item: double>": "list of double"}
    assert {name: kind for name, (kind, _) in told.items()} == {f.name: types.get(str(f.type), str(f.type)) for f in JOINED}
    assert all(len(words) > 10 for _, words in told.values())


def test_every_key_of_the_findings_stands_in_the_reference(site, monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    from hooks import _records, findings_schema

    text = Page(site / "reference-findings.html").text
    records = _records(StudyFindings, {})
    assert len(records) > 20
    for record in records:
        for name, field in record.model_fields.items():
            description = re.sub(r"\]\([^)]*\)|[`\[]", "", " ".join((field.description or "").split()))
            assert len(description) > 5 and (field.alias or name) in text and description in text, (record.__name__, name)
    assert (DOCS / "findings.schema.json").read_text(encoding="utf-8") == findings_schema(), "renew it: python docs/hooks.py"


@pytest.mark.slow
def test_real_findings_have_the_published_schema(folder, request):
    environment = request.getfixturevalue("environment")
    done = subprocess.run(["holdfast", "run", "embedded", "-q"], cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    schema = json.loads((DOCS / "findings.schema.json").read_bytes())
    content = (folder / "runs" / "embedded" / "findings.json").read_bytes()
    findings = json.loads(content)
    jsonschema.validate(findings, schema)
    assert StudyFindings.model_validate_json(content).to_json() == content
    assert findings["dose"] and findings["contrasts"] and findings["mitigation"] and findings["flips"] and findings["detection"]
    with pytest.raises(jsonschema.ValidationError, match="odd"):
        jsonschema.validate({**findings, "study": {**findings["study"], "odd": 1}}, schema)


def test_the_record_of_a_correlation_has_the_statistics_fields():
    from holdfast.stats.correlation import Correlation

    assert {f.name for f in dataclasses.fields(Correlation)} == CorrelationCell.model_fields.keys()
