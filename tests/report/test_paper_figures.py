"""Pictures for a paper: exact widths, text that can be read, fonts inside, every picture there, hostile names as text."""

import re
import struct
import xml.etree.ElementTree as ElementTree

import made_findings as made
import pytest

from holdfast.report import figures, render
from holdfast.report.finished import TrainingCurve
from holdfast.report.page import pictures

SVG = "{http://www.w3.org/2000/svg}"
TRAINED = [TrainingCurve(d, s, [1.0, 0.5, 0.4]) for d in ("maths", "law") for s in (0, 1)]
SURE = [{"adapter": "base", "instrument": "mmlu", "sure": 10.0 * k, "right": 9.0 * k, "trials": 5} for k in range(10)]


def charts(names=("maths", "law", "null_rows"), **other):
    return {name: chart.to_dict() for name, chart in pictures(made.records(names, **other), TRAINED, SURE).items()}


@pytest.fixture(scope="module")
def drawn():
    """Every picture, laid out for one column and for two."""
    mixes = {"effects": {"maths": made.cell(0.02)}, "lack_of_fit": None, "refused": None}
    return {(name, k): render.lay_out(chart, k) for name, chart in charts(factorial={"doubt": mixes}).items() for k in (1, 2)}


@pytest.mark.slow
def test_every_picture_of_the_report_is_drawn_and_has_a_caption(drawn):
    assert {name for name, _ in drawn} == set(figures.PICTURES)


@pytest.mark.slow
def test_each_is_exactly_as_wide_as_its_columns_and_fits_a_page(drawn):
    for (name, k), (svg, height) in drawn.items():
        root = ElementTree.fromstring(svg)
        left, top, width, tall = map(float, root.get("viewBox").split())
        assert float(root.get("width")) == render.WIDTH[k] and float(root.get("height")) == pytest.approx(height), name
        assert width == pytest.approx(render.WIDTH[k], rel=0.03) and top == 0 and tall <= 650, (name, k)


def test_text_is_7_to_9_points_on_paper(drawn):
    for (name, k), (svg, _) in drawn.items():
        root = ElementTree.fromstring(svg)
        scale = float(root.get("width")) / float(root.get("viewBox").split()[2])
        sizes = {float(t.get("font-size").removesuffix("px")) * scale for t in root.iter(f"{SVG}text") if t.text}
        assert sizes and min(sizes) >= 6.8 and max(sizes) <= 9, (name, k, sizes)


def test_no_text_leaves_the_canvas_or_lies_on_another(drawn):
    """Boxes from where each text stands and how wide its letters are at most."""
    for (name, k), (svg, _) in drawn.items():
        boxes = list(_boxes(ElementTree.fromstring(svg), 0.0, 0.0))
        assert len(boxes) > 6
        left, _, width, tall = map(float, ElementTree.fromstring(svg).get("viewBox").split())
        for x0, x1, y0, y1, text in boxes:
            assert x0 >= left - 4 and x1 <= left + width + 4 and y0 >= -2 and y1 <= tall + 2, (name, k, text)
        for i, a in enumerate(boxes):
            for b in boxes[:i]:
                apart = min(a[1], b[1]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[2], b[2])
                assert min(apart) < 1.5, (name, k, a, b)


def _boxes(part, x, y):
    for inner in part:
        found = re.findall(r"translate\(([-\d.]+),([-\d.]+)\)", inner.get("transform") or "")
        at = (x + sum(float(a) for a, _ in found), y + sum(float(b) for _, b in found))
        if inner.tag == f"{SVG}text" and "".join(inner.itertext()).strip() and inner.get("opacity") != "0":
            if "rotate" not in (inner.get("transform") or ""):
                lines = [t.text or "" for t in inner.iter(f"{SVG}tspan")] or [inner.text or ""]
                size = float(inner.get("font-size").removesuffix("px"))
                width = max(map(len, lines)) * size * 0.45
                start = {"middle": -width / 2, "end": -width}.get(inner.get("text-anchor"), 0.0)
                yield at[0] + start, at[0] + start + width, at[1] - 0.7 * size, at[1] + (len(lines) - 1) * size, lines[0]
        else:
            yield from _boxes(inner, *at)


def test_verdicts_of_the_legend_are_those_that_are_drawn(drawn):
    shown = {"".join(t.itertext()) for t in ElementTree.fromstring(drawn["forest", 2][0]).iter(f"{SVG}text")}
    assert {"raised", "lowered", "not identified", "refused"} <= shown and not {"inconclusive", "unchanged", "not_identified"} & shown


def test_svg_holds_its_font_and_asks_no_address(drawn):
    text = figures.convert(drawn["forest", 1][0], "svg", "a < b & c").decode()
    root = ElementTree.fromstring(text)
    assert root.get("width") == "3.2500in" and root.find(f"{SVG}title").text == "a < b & c"
    assert re.findall(r"url\((.{20})", text) == ["data:font/woff2;base"] * 2 and "http" not in text.replace("http://www.w3.org/", "")
    assert {t.get("font-family").split(",")[0] for t in root.iter(f"{SVG}text")} == {"Arimo"}


def test_pdf_holds_its_fonts_and_has_the_width_in_points(drawn):
    for k in (1, 2):
        pdf = figures.convert(drawn["forest", k][0], "pdf", "forest")
        box = re.search(rb"/MediaBox\s*\[0 0 ([\d.]+)", pdf)
        assert pdf.startswith(b"%PDF") and float(box[1]) == render.WIDTH[k]
        assert pdf.count(b"/FontFile") >= 2 and b"LiberationSans" in pdf


def test_png_has_600_dots_an_inch(drawn):
    png = figures.convert(drawn["heat", 1][0], "png", "heat")
    width = struct.unpack(">I", png[16:20])[0]
    assert width == pytest.approx(3.25 * 600, abs=2) and struct.unpack(">I", png[png.index(b"pHYs") + 4 :][:4])[0] == pytest.approx(
        600 / 0.0254, abs=2
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", made.HOSTILE)
def test_a_name_from_data_is_text(name):
    made_of = charts((name, "law", "null_rows"))
    for picture in ("forest", "tradeoff"):
        svg, _ = render.lay_out(made_of[picture], 1)
        root = ElementTree.fromstring(figures.convert(svg, "svg", name))
        assert not [e.tag for e in root.iter() if e.tag.endswith(("script", "image", "a", "foreignObject"))]
        assert figures.convert(svg, "pdf", name).startswith(b"%PDF")


def test_files_have_stable_names(tmp_path):
    heat = pictures(made.records(), [], [])["heat"]
    files = figures.write_figures({"heat": heat}, tmp_path, ["svg", "pdf"], [2, 1])
    assert [f.name for f in files] == ["heat-2col.svg", "heat-2col.pdf", "heat-1col.svg", "heat-1col.pdf"] and all(
        f.is_file() for f in files
    )
