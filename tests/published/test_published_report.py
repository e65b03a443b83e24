"""The report, the tables and the terminal's lines: complete, escaped, asking no address."""

import csv
import re

import pytest
from conftest_published import analyzed, edit_yaml
from rich.console import Console

from holdfast.report import write_report
from holdfast.results import StudyFindings
from holdfast_llama2_7b.output import summary, write

HOSTILE = "<script>alert('x')</script> | [a](javascript:b) \x1b[31m \u202e =1+1"


@pytest.fixture(scope="module")
def written(published, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    assert write(published.outcome, out) == out / "report.html"
    return out


def printed(findings, width=80):
    console = Console(width=width, no_color=True, force_terminal=False, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    console.print(summary(findings))
    console.file.close()
    return console.export_text()


@pytest.mark.slow
def test_the_report_holds_every_claim_point_and_correlation(published, written):
    page = (written / "report.html").read_text(encoding="utf-8")
    for c in published.findings["claims"]:
        assert f'id="claim-{c["id"]}"' in page and c["status"] in page
    assert all(f'id="point-{n}"' in page for n in range(1, 10))
    assert "five points, no claim" in page and page.count("critical +0.878") == 12
    assert "bounds 0.0 to 92.7 %" in page and "bounds 19.3 to 83.7 %" in page
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors and anchors <= set(re.findall(r'id="([^"]+)"', page))


def test_the_report_asks_no_address_and_names_no_path(written):
    page = re.sub(r"<script[^>]*>.*?</script>", "", (written / "report.html").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#)""", page) and str(written) not in page


@pytest.mark.slow
def test_every_file_is_there_and_written_again_byte_for_byte(published, written, tmp_path):
    names = {p.relative_to(written).as_posix() for p in written.rglob("*") if p.is_file()}
    assert {"findings.json", "audit.json", "report.html", "report.md", "tables/claims.csv", "tables/points.csv", "tables/levels.csv",
            "tables/correlations.csv", "tables/gains.csv", "tables/behaviour.csv"} <= names  # fmt: skip
    write(published.outcome, tmp_path / "again")
    for name in names - {"figures/tradeoff.svg", "report.html"}:
        assert (tmp_path / "again" / name).read_bytes() == (written / name).read_bytes(), name


def test_the_markdown_report_tells_claims_and_bounds(written):
    text = (written / "report.md").read_text(encoding="utf-8")
    assert "| average sycophancy +0.080 | not identified |" in text and "bounds [-73.3, +83.7]" in text


@pytest.mark.slow
def test_an_ordinary_study_has_no_part_on_claims(published, tmp_path):
    plain = {k: v for k, v in published.findings.items() if k not in ("claims", "points", "tables")}
    plain["study"] = {k: v for k, v in plain["study"].items() if k != "lead"}
    page = write_report(tmp_path, StudyFindings.model_validate(plain), published.outcome.audit, {}, None).read_text(encoding="utf-8")
    assert "Status of each claim" not in page and "Each adapter was trained" in page


@pytest.mark.slow
def test_hostile_text_of_the_tables_is_escaped_everywhere(copy, tmp_path):
    def spoil(f):
        f["claims"][0].update(text=HOSTILE, source=HOSTILE)
        f["facts_not_in_the_tables"]["feedback_keyword_cases_at_least"].update(source=HOSTILE)

    edit_yaml(copy / "claims.yaml", spoil)
    edit_yaml(copy / "settings.yaml", lambda f: f.update(base=HOSTILE))
    found = analyzed(copy)
    write(found.outcome, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert (
        "<script" not in re.sub(r"<script( type=.application/octet-stream.[^>]*)?>.*?</script>", "", page, flags=re.DOTALL)
        and HOSTILE not in page
    )
    assert "&lt;script&gt;" in page
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "<script" not in text.replace("\\<script", "") and "\x1b" not in text
    shown = printed(found.outcome.findings)
    assert "\x1b" not in shown and "\u202e" not in shown
    with (tmp_path / "out" / "tables" / "claims.csv").open(encoding="utf-8", newline="") as stream:
        assert not any(cell[:1] in ("=", "@", "+") for row in csv.reader(stream) for cell in row)


def test_the_terminal_tells_each_claim_at_eighty_columns(published):
    shown = printed(published.outcome.findings)
    assert max(map(len, shown.splitlines())) <= 80
    flat = re.sub(r"[\s│]+", " ", shown)
    assert (
        flat.count("not identified") == 7
        and "12 claims: 0 stand, 6 not identified, 5 contradicted by its own table, 1 cited defect" in flat
    )
    assert "183 numbers of its tables compared, 0 disagree" in flat and "9 points: 7 recomputed, 2 cited, 0 not findable" in flat
