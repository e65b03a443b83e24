"""The pages build strictly without a network, ask nothing of anybody, and the reference says what the code says."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

from holdfast.cli.app import app
from holdfast.config import Study
from holdfast.execution.joined import JOINED

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
    types = {"string": "text"}
    assert {name: kind for name, (kind, _) in told.items()} == {f.name: types.get(str(f.type), str(f.type)) for f in JOINED}
    assert all(len(words) > 10 for _, words in told.values())


RECORDS = ("Estimate", "Level", "Seed", "Cell")


def undescribed(value, told: dict[str, str], at: str = "") -> list[str]:
    """Places of `value` for which no row of the page stands; `*` in a row stands for any name, and a record's keys for a record."""
    if at in told:
        record = next((r for r in RECORDS if told[at].startswith(f"*{r}*")), None)
        if record is None and not (isinstance(value, (dict, list)) and any(k.startswith((f"{at}.", f"{at}[]")) for k in told)):
            return []
        if record and isinstance(value, dict):
            own = [k for k in value if f"{at}.{k}" not in told and f"{record}.{k}" not in told]
            return [f"{at}.{k}" for k in own]
    if isinstance(value, list):
        return sorted({x for v in value for x in undescribed(v, told, f"{at}[]")})
    if isinstance(value, dict):
        out: set[str] = set()
        for k, v in value.items():
            inner = f"{at}.{k}".lstrip(".")
            star = f"{at}.*".lstrip(".")
            known = inner in told or any(key.startswith((f"{inner}.", f"{inner}[]")) for key in told)
            out.update(undescribed(v, told, inner if known else star if any(key.startswith(star) for key in told) else f"?{inner}"))
        return sorted(out)
    return [] if value is None and any(k.startswith(at) for k in told) else [at]


@pytest.mark.slow
def test_every_key_of_real_findings_is_described(folder, request):
    environment = request.getfixturevalue("environment")
    done = subprocess.run(["holdfast", "run", "embedded", "-q"], cwd=folder, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr[-2000:]
    findings = json.loads((folder / "runs" / "embedded" / "findings.json").read_bytes())
    told = rows_of("reference-findings.md")
    assert undescribed(findings, told) == []
    assert findings["dose"] and findings["contrasts"] and findings["mitigation"] and findings["flips"] and findings["detection"]
    one = findings["adapters"][0]
    for record, real in (("Estimate", next(iter(one["shifts"].values()))), ("Level", next(iter(findings["base"]["axes"].values()))),
                         ("Seed", next(iter(one["per_seed"][0]["gains"].values())))):  # fmt: skip
        assert {k.split(".")[1] for k in told if k.startswith(f"{record}.")} == {*real}
    assert undescribed({**findings, "new": 1}, told) == ["?new"]
    assert undescribed({**findings, "study": {**findings["study"], "odd": 1}}, told) == ["?study.odd"]


def test_the_factorial_and_correlation_records_are_described():
    from holdfast.stats.correlation import Correlation

    told = rows_of("reference-findings.md")
    assert {f"correlation.cells.*.{f.name}" for f in dataclasses.fields(Correlation)} <= told.keys()
