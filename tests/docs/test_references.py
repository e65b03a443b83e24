"""Every reference to a section or rule of docs/metrics.md names one that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("src", "studies", "experiments", "tests", "docs", "benchmarks")
REFERENCE = re.compile(r"metrics(?:\.md)?,? \(?section (\d+)((?:, rules? [\d, andto]+)?)", re.I)


def references() -> list[tuple[str, str, list[str]]]:
    """(file, section, rules) of every reference in code and pages."""
    out = []
    for path in sorted(p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".md", ".yaml")):
        if path == Path(__file__):
            continue
        text = re.sub(r"\s*\n[#\s]*", " ", path.read_text(encoding="utf-8"))
        out += [(str(path.relative_to(ROOT)), m[1], re.findall(r"\d+", m[2])) for m in REFERENCE.finditer(text)]
    return out


def sections() -> dict[str, set[str]]:
    """{section: its numbered rules} of docs/metrics.md."""
    text = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (\d+)\. .*$", text.split("\n## Differences")[0], flags=re.M)[1:]
    return {number: set(re.findall(r"^(\d+)\. ", body, re.M)) for number, body in zip(parts[::2], parts[1::2], strict=True)}


def test_the_specification_has_its_sections_and_rules():
    known = sections()
    assert [*known] == ["1", "2", "3", "4", "5"] and known["4"] == known["5"] | {"10"} == {str(n) for n in range(1, 11)}


@pytest.mark.parametrize(("file", "section", "rules"), references())
def test_a_reference_to_the_specification_resolves(file, section, rules):
    known = sections()
    assert section in known, f"{file}: docs/metrics.md has no section {section}"
    assert set(rules) <= known[section], f"{file}: section {section} has no rule {rules}"


def test_no_reference_names_a_file_outside_the_repository():
    code = [p for folder in FOLDERS for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".md", ".yaml") and p != Path(__file__)]
    assert not [
        str(p.relative_to(ROOT)) for p in code if re.search(r"\bMETRICS\b(?:\.md)?(?:,| section| \()", p.read_text(encoding="utf-8"))
    ]
