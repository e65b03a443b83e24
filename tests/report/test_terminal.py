"""The verdict table: a stored page (renewed by `python tests/report/test_terminal.py`), 80 columns whatever the names are, nothing that moves a cursor."""

import io
from pathlib import Path

import made_findings as made
import pytest
from rich.cells import cell_len
from rich.console import Console

from holdfast.report.terminal import result_table, show, text

GOLDEN = Path(__file__).parent / "golden" / "result_table.txt"


def test_the_table_is_the_stored_one():
    assert text(made.records()) + "\n" == GOLDEN.read_text(encoding="utf-8")


def test_no_line_is_wider_than_80_columns_and_every_number_is_there():
    names = ("combined_matched", "a_domain_with_a_name_of_more_than_sixteen", "null_rows")
    f = made.findings(names)
    for k in range(4):
        f["base"]["benchmarks"][f"another_benchmark_{k}"] = made.cell(0.5)
        for a in f["adapters"]:
            a["gains"][f"another_benchmark_{k}"] = made.cell(-0.565, 0.1, "inconclusive")
    page = text(made.record(f))
    assert max(map(cell_len, page.splitlines())) <= 80
    assert page.count("-56.5 inconclusive") == 12 and page.count("[-66.5, -46.5]") == 12


def test_an_effect_that_is_not_identified_shows_its_bounds_and_no_estimate():
    page = text(made.records())
    assert "not identified" in page and "(-31.0, +12.3)" in page and "worst-case bounds" in page
    assert "unchanged*" not in page and "raised*" in page and "inside +-3 points" in page


@pytest.mark.parametrize("name", made.HOSTILE)
def test_a_name_from_data_is_plain_text(name):
    page = text(made.records((name, "law", "null_rows")))
    assert not any(ord(c) < 32 and c != "\n" or c in "\x7f\x9b\u202e\ud800" for c in page)
    assert max(map(cell_len, page.splitlines())) <= 80
    page.encode()


def test_a_pipe_gets_80_plain_columns_and_a_wide_terminal_more():
    pipe = io.StringIO()
    show(made.records(), pipe)
    assert pipe.getvalue() == GOLDEN.read_text(encoding="utf-8")
    f = made.findings()
    f["base"]["axes"] |= {"third": made.cell(0.1), "fourth": made.cell(0.1)}
    wide = Console(width=120, record=True, file=io.StringIO())
    wide.print(result_table(made.record(f), wide.width))
    assert any({"doubt", "imitation", "third", "fourth"} <= set(line.split()) for line in wide.export_text().splitlines())


if __name__ == "__main__":
    GOLDEN.write_text(text(made.records()) + "\n", encoding="utf-8")
