"""Tables for a paper: complete, well formed in LaTeX for any name, captions that say unit, sign, interval, seeds, items and what may not be concluded."""

import csv
import io
import re
import shutil
import subprocess

import made_findings as made
import pytest

from holdfast.report.table_contents import caption, tables_of
from holdfast.report.tables import LINES, breakable, prose, write_tables
from holdfast.report.tables import latex_table as table

NAMES = ("gains", "behaviour", "deference", "contrasts", "additivity", "dose-gains", "dose-deference", "audit")


@pytest.fixture(scope="module")
def found():
    return {t.name: t for t in tables_of(made.records(), made.ENTRIES)}


def said(t, findings=None):
    return caption(t, findings or made.records(), lambda word: f"<{word}>")


def test_every_table_is_there(found):
    assert tuple(found) == NAMES
    claims = {
        "id": "one",
        "text": "all is well",
        "status": "not identified",
        "reason": "no",
        "source": "p. 1",
        "evidence": ["points/1"],
        "values": {},
        "rule": 1,
    }
    assert "claims" in {t.name for t in tables_of(made.records(claims=[claims]), made.ENTRIES)}


def test_captions_say_unit_sign_level_seeds_items_and_families(found):
    shifts, gains = said(found["deference"]), said(found["gains"])
    assert "Percentage points, adapted minus base; positive is more sycophantic." in shifts and "a positive gain is more capable" in gains
    for words in (
        "95 % intervals over training seeds and items",
        "5 training seeds, 400 items",
        "Holm over the domain adapters",
        "Base made:0",
    ):
        assert words in shifts
    assert "one Holm family" in said(found["contrasts"]) and "Benjamini-Hochberg" in said(found["dose-deference"])


def test_captions_explain_the_marks_in_use_and_no_others(found):
    shifts = said(found["deference"])
    assert "<not_identified> not identified, round brackets hold worst-case bounds" in shifts and "<refused> refused by the audit" in shifts
    assert "<negligible> inside +/-3 points" in shifts and "<unchanged>" not in shifts and "<unchanged>" in said(found["gains"])


def test_captions_say_what_may_not_be_concluded(found):
    shifts = said(found["deference"])
    assert (
        "May not be concluded: a direction where an effect is not identified and its bounds include 0; anything from a refused cell; "
        in shifts
    )
    assert "that gain and shift go together (two points, no claim: at least 8 domain mixes are needed)" in shifts
    assert "that an inconclusive effect is absent" in said(found["gains"])


def test_one_training_run_is_called_one():
    f = made.findings()
    for a in f["adapters"]:
        for c in (*a["gains"].values(), *(s[part] for s in a["shifts"].values() for part in ("behaviour", "deference"))):
            c["num_seeds"] = 1
    text = said(tables_of(made.record(f), [])[0], made.record(f))
    assert "over items only" in text and "that another training run would give the same" in text and "Holm" not in text


@pytest.mark.parametrize("columns", [1, 2])
def test_every_estimate_interval_bound_n_and_coverage_is_in_the_latex(found, columns):
    text = table(found["deference"], made.records(), columns)
    assert r"$+5.1$ & [$+3.1$, $+7.1$]$^{\uparrow}$ & 400 & 98.7" in text and r"[$+4.1$, $+8.1$]$^{\uparrow\circ}$" in text
    assert r" & ($-31.0$, $+12.3$)$^{\dagger}$ & --- & 40.0" in text and r"^{\ddagger}" in text
    assert (r"\begin{table*}" in text) == (columns == 2)


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("names", [("maths", "law", "null_rows"), *((n, "law", "null_rows") for n in made.HOSTILE)])
def test_every_row_has_as_many_cells_as_the_table(names, columns):
    for t in tables_of(
        made.records(names), [*made.ENTRIES, *made.entries([{"check": names[0], "level": "warn", "claim": names[0], "evidence": {}}])]
    ):
        text = table(t, made.records(names), columns)
        for spec, body in re.findall(r"\\begin\{tabular\}(\{@\{\}.*@\{\}\})\n(.*?)\\end\{tabular\}", text, re.DOTALL):
            bare = re.sub(
                r"@\{[^{}]*(?:\{[^{}]*\})*[^{}]*\}|>\{[^{}]*(?:\{[^{}]*\})*[^{}]*\}|p\{[^{}]*\}",
                lambda m: "p" if m[0].startswith("p{") else "",
                spec,
            )
            width = len(re.findall("[plr]", bare))
            for line in body.splitlines():
                if not line.endswith((r"\\", r"\\*", "pt]")) or line.startswith("\\cmidrule"):
                    continue
                wide = sum(int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
                cells = len(re.findall(r"(?<!\\)&", line)) + 1 - len(re.findall(r"\\multicolumn", line))
                assert cells + wide == width, (t.name, spec, line)


def test_long_names_may_break_and_a_minus_is_a_minus():
    assert breakable("x" * 30) == r"\allowbreak{}".join(["x" * 12, "x" * 12, "x" * 6]) and breakable("a_b") == r"a\_\allowbreak{}b"
    assert prose("fell by -5.6 [-9, -2] (-1); 30-40, a-b") == r"fell by $-$5.6 {[}$-$9{,} $-$2{]} ($-$1); 30{-}40{,} a{-}b"


def test_a_one_column_table_is_no_longer_than_a_page():
    many = tuple(f"domain_{k}" for k in range(60))
    text = table(tables_of(made.records(many), [])[0], made.records(many), 1)
    parts = text.split(r"\begin{table}")[1:]
    assert (
        len(parts) > 1
        and all(p.count(r"\\") - 2 <= LINES for p in parts)
        and "continued" in parts[1]
        and text.count("domain\\_\\allowbreak{}59") == 1
    )


def test_an_audit_finding_is_written_once_with_its_cells(found):
    audit = tables_of(made.records(), made.ENTRIES * 2)[-1]
    assert [r[0] for r in audit.rows] == ["refuse", "warn", "ok"] and audit.rows[0][3].startswith("null_rows x doubt")
    text = table(found["audit"], made.records(), 2)
    assert "Passed without a finding: answer" in text and text.count("overlap") == 1


def test_csv_and_markdown_hold_every_cell(tmp_path, found):
    write_tables(made.records(), made.ENTRIES, tmp_path, ["csv", "markdown"])
    assert {p.name for p in tmp_path.iterdir()} == {f"{n}.{e}" for n in NAMES for e in ("csv", "md")}
    for name in NAMES[:-1]:
        rows = list(csv.DictReader(io.StringIO((tmp_path / f"{name}.csv").read_text(encoding="utf-8"), newline="")))
        assert len(rows) == len(found[name].effects()) and {r["verdict"] for r in rows} == {c.verdict for c in found[name].effects()}
    shifts = (tmp_path / "deference.md").read_text(encoding="utf-8")
    assert (
        "+5.1 [+3.1, +7.1] raised; n 400, covered 98.7 %" in shifts and "(-31.0, +12.3) not identified; n unknown, covered 40.0 %" in shifts
    )
    bounds = [r for r in csv.DictReader(io.StringIO((tmp_path / "deference.csv").read_text(encoding="utf-8"))) if r["bound_low"]]
    assert [(r["adapter"], r["bound_low"], r["estimate"]) for r in bounds] == [("law", "-0.31", "")]


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex with booktabs and caption")
@pytest.mark.parametrize("names", [("maths", "law", "null_rows"), tuple(made.HOSTILE)])
def test_every_table_and_the_paper_compile(tmp_path, names):
    findings = made.records(names)
    files = write_tables(findings, made.ENTRIES, tmp_path, ["latex"])
    paper = (tmp_path / "paper.tex").read_text(encoding="utf-8")
    every = "\n".join(rf"\input{{{f.stem}}}\clearpage" for f in files if f.stem != "paper")
    (tmp_path / "every.tex").write_text(paper[: paper.index(r"\twocolumn[")] + every + "\n\\end{document}\n", encoding="utf-8")
    for name in ("paper", "every"):
        done = subprocess.run(
            ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", f"{name}.tex"], cwd=tmp_path, capture_output=True, timeout=120
        )
        log = (tmp_path / f"{name}.log").read_text(encoding="utf-8", errors="replace")
        wide = [float(w) for w in re.findall(r"Overfull \\hbox \(([\d.]+)pt too wide", log)]
        assert done.returncode == 0 and "\n!" not in log, log[-1500:]
        assert max(wide, default=0) < 6 and "Float too large" not in log, (name, wide)
