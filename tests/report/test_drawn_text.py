"""Text from data reaches the drawing library cleaned: it ends the process at a control character. Every picture, one of each such character."""

import re
import xml.etree.ElementTree as ElementTree

import made_findings as made
import pytest

from holdfast.errors import ConfigError
from holdfast.escape import plain, short
from holdfast.report import charts, figures, page, render
from holdfast.report.finished import TrainingCurve, records_of
from holdfast.report.terminal import text
from holdfast.results import StudyFindings

CONTROL = [*range(0x20), 0x7F, *range(0x80, 0xA0)]  # C0, DEL, C1
OTHERS = [
    0x061C,
    0x200E,
    0x200F,
    0x2028,
    0x2029,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
    0xD800,
    0xDBFF,
    0xDC00,
    0xDFFF,
    0xFFFE,
    0xFFFF,
]
UNSAFE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]")


def records(names) -> StudyFindings:
    """Findings whose texts were not cleaned by whoever read them."""
    return StudyFindings.model_validate(made.findings(names))


def drawn(findings):
    chart = charts.forest(findings)
    return render.svg(chart), chart


@pytest.mark.parametrize("codes", [CONTROL, OTHERS], ids=["controls", "others"])
def test_a_name_with_any_such_character_is_drawn_without_it(codes):
    names = [f"a{chr(code)}b{code:x}" for code in codes]
    svg, chart = drawn(records((*names, "law", "null_rows")))
    assert not UNSAFE.search(svg) and ElementTree.fromstring(svg) is not None
    shown = {row["adapter"] for row in render.rows(render.shown(chart))}
    assert {plain(name) for name in names} <= shown and "law" in svg


NAMES = [
    "x" * 100_000,
    "\u202e" * 500,
    "\x00" * 9,
    "é" * 3000,
    "👩‍🔬" * 400,
    "]]>&lt;<b>",
    "a\nb",
    "\ud83d",
    "datum.x",
    "'; drop",
    '"',
    "\\",
    "[0]",
    "a.b",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_odd_and_long_names_are_drawn_for_screen_and_paper(name):
    chart = charts.forest(records((name, f"{name}2", "null_rows")))
    assert not UNSAFE.search(render.svg(chart)) and render.vega(render.shown(chart))
    svg, _ = render.lay_out(chart.to_dict(validate=False), 1)
    assert len(figures.convert(svg, "pdf", "a picture")) > 1000


@pytest.mark.slow
def test_every_picture_is_drawn_of_names_with_every_control_character():
    name = "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1bPq\x1b\\" + "".join(map(chr, CONTROL + OTHERS))
    findings = records((name, f"{name}2", "null_rows"))
    loss = [TrainingCurve(name, 0, [2.0, 1.0], 10, 0, 0, 2, 20, 30)]
    sure = [{"adapter": name, "instrument": name, "sure": 50.0, "right": 40.0, "trials": 3}]
    for chart in page.pictures(findings, loss, sure).values():
        assert not UNSAFE.search(render.svg(chart))
    assert not UNSAFE.search(text(findings).replace("\n", ""))


def test_two_long_names_stay_two():
    names = ("x" * 500 + "a", "x" * 500 + "b", "null_rows")
    assert len({row["adapter"] for row in render.rows(render.shown(drawn(records(names))[1]))}) == 3
    assert short("x" * 120) == "x" * 120 and len(short("x" * 121)) == 120


def test_names_that_differ_in_nothing_that_can_be_shown_are_refused():
    with pytest.raises(ConfigError, match="two adapters are called 'a b'"):
        records_of(made.findings(("a\x01b", "a\x02b", "null_rows")), [], "x", clean=True)


@pytest.mark.slow
def test_no_text_of_ours_is_long_enough_to_be_cut():
    longest = []
    for chart in page.pictures(made.records(), [], []).values():
        render.map_strings(chart.to_dict(validate=False), lambda t: longest.append(len(t)) or t)
    assert max(longest) < 100
