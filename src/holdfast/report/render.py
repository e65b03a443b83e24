"""A chart as SVG, as a Vega specification for the page, as the rows of a table, or laid out for the columns of a paper."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from importlib import resources
from typing import TYPE_CHECKING, Any

import vl_convert

from holdfast.escape import short
from holdfast.redact import map_strings

if TYPE_CHECKING:
    from holdfast.report.charts import Chart, Datum

ChartSpec = dict[str, Any]  # a Vega-Lite specification, or a part of one
INK = "#333333"
VEGA_LITE = "6.4"  # the version Altair writes, of those vl-convert carries
# On paper; one unit of a picture is one point (1/72 inch).
WIDTH = {1: 234.0, 2: 486.0}  # points: 3.25 and 6.75 inches
FONT, LABEL, TITLE = "Liberation Sans", 7, 7.5  # the face vl-convert carries; sizes in points
NARROWEST = {"band": 60.0, "open": 96.0, "grid": 150.0}  # a panel of rows, of two quantities, of cells with numbers in them
MOST = {"band": 4, "open": 3, "grid": 1}  # panels side by side
CROWD, SMALL = 4, 58.0  # more panels of two quantities than this are small multiples, and may be this narrow
STEP, EM = 9.5, 0.52  # height of a row; width of a letter as a share of its size
MARKS = 0.4  # a mark's area on paper as a share of its area on a screen


def svg(chart: Any) -> str:
    """Black on white, for print and papers."""
    styled = (
        chart.configure(background="white")
        .configure_axis(labelColor=INK, titleColor=INK, gridColor="#e8e8e8")
        .configure_view(stroke="#d0d0d0")
    )
    return vl_convert.vegalite_to_svg(_cleaned(styled.to_dict(validate=False)), vl_version=VEGA_LITE)


def shown(chart: Chart) -> ChartSpec:
    """What the page shows of a chart: numbers to three decimals, texts that can be drawn. Tests validate the form of every chart."""
    return _cleaned(_rounded(chart.to_dict(validate=False)))


def vega(spec: ChartSpec) -> ChartSpec:
    """Compiled for the page's Vega runtime: without colours of ink, paper and grid (the page's theme sets them); hover shows a mark's numbers."""
    config = {k: v for k, v in spec.get("config", {}).items() if k != "axis"}
    config |= {"mark": {"tooltip": {"content": "data"}}, "view": {"stroke": None}, "background": None}
    return vl_convert.vegalite_to_vega({**spec, "config": config}, vl_version=VEGA_LITE)


def rows(spec: ChartSpec) -> list[Datum]:
    """Every distinct row of data a chart shows, in order."""
    found = data_rows(spec)
    return list({tuple(sorted((k, str(v)) for k, v in row.items())): row for row in found if row}.values())


def data_rows(part: Any) -> Iterator[Datum]:
    """The rows of data inside a specification."""
    if isinstance(part, dict):
        data = part.get("data")
        if isinstance(data, dict) and isinstance(data.get("values"), list):
            yield from (row for row in data["values"] if isinstance(row, dict))
    for inner in parts(part):
        yield from data_rows(inner)


def parts(part: Any) -> list[Any]:
    """What a piece of a specification holds, except its data."""
    if isinstance(part, dict):
        return [inner for name, inner in part.items() if name not in ("data", "datasets")]
    return part if isinstance(part, list) else []


def _rounded(part: Any) -> Any:
    """Numbers to three decimals: what a reader sees on hover."""
    if isinstance(part, dict):
        return {k: _rounded(v) for k, v in part.items()}
    if isinstance(part, list):
        return [_rounded(v) for v in part]
    return round(part, 3) if isinstance(part, float) else part


def _cleaned(spec: ChartSpec) -> ChartSpec:
    """A copy whose texts vl-convert can draw: it ends the process at a control character, and names are as long as they like."""
    return map_strings(spec, _drawable)


def _drawable(text: str) -> str:
    line = short(text)
    if line.isascii() or max(line) <= "\uffff":
        return line
    # Vega cuts labels between UTF-16 units: half a letter cannot be drawn. The font has none of these; a digest keeps names apart.
    shown = "".join(c if c <= "\uffff" else "\u25a1" for c in line)
    return f"{shown} {hashlib.sha256(line.encode()).hexdigest()[:4]}"


def lay_out(chart: ChartSpec, columns: int) -> tuple[str, float]:
    """A Vega-Lite chart as SVG exactly as wide as `columns` columns, its text as text in `FONT`; and its height in points."""
    width = WIDTH[columns]
    spec = _styled(_cleaned(chart), width)
    panels = _panels(spec)
    kind, many = _kind(panels[0]), _count(spec)
    narrowest, most = (SMALL, CROWD) if kind == "open" and many > CROWD else (NARROWEST[kind], MOST[kind])
    beside = min(many, most)
    svg, drawn, inner = _fit(spec, panels, kind, beside, width)
    while beside > 1 and (inner < narrowest or drawn > width + 1):
        beside -= 1
        svg, drawn, inner = _fit(spec, panels, kind, beside, width)
    return _on_paper(svg, drawn, width)


def _fit(spec: ChartSpec, panels: list[ChartSpec], kind: str, beside: int, width: float) -> tuple[str, float, float]:
    """SVG, its width, and that of a panel: the widest panels with which `beside` of them fill the paper's width."""
    inner, trial = max(width / beside - 45, 25.0), 0
    while True:
        svg, drawn = _draw(spec, panels, kind, beside, inner)
        missing = width - drawn
        if abs(missing) < 0.6 or (trial > 2 and 0 <= missing < 0.03 * width) or inner + missing / beside < 20:
            return svg, drawn, inner
        inner, trial = inner + missing / beside, trial + 1
        if trial == 7:
            return svg, drawn, inner


def _number(pattern: str, svg: str) -> float:
    match = re.search(pattern, svg)
    assert match, "vl-convert writes width and height"
    return float(match[1])


def _on_paper(svg: str, drawn: float, width: float) -> tuple[str, float]:
    """The picture in the middle of a white canvas of the paper's width; one that is too wide for it is made smaller."""
    height = _number(r'height="([\d.]+)"', svg)
    whole = max(width, drawn)
    scale, left = width / whole, (drawn - whole) / 2
    svg = re.sub(r'<svg ([^>]*?) width="[\d.]+" height="[\d.]+" viewBox="[^"]*">',
                 rf'<svg \1 width="{width:g}" height="{height * scale:g}" viewBox="{left:g} 0 {whole:g} {height:g}">', svg, count=1)  # fmt: skip
    return re.sub(r'<rect width="[\d.]+" ', f'<rect x="{left:g}" width="{whole:g}" ', svg, count=1), height * scale


def _draw(spec: ChartSpec, panels: list[ChartSpec], kind: str, beside: int, inner: float) -> tuple[str, float]:
    """SVG with `beside` panels in a row, each `inner` wide; and its whole width."""
    if len(panels) > 1 or "facet" in spec or "concat" in spec:
        spec["columns"] = beside
    for panel in panels:
        panel["width"] = inner
        panel["height"] = _height(panel, kind, inner, beside, spec)
        _titles(panel, inner)
        _tilt(panel, kind, inner)
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    return svg, _number(r'width="([\d.]+)"', svg)


def _panels(spec: ChartSpec) -> list[ChartSpec]:
    """The parts that have a width: of a facet its one specification, of a concatenation every part."""
    if "hconcat" in spec:
        spec["concat"] = spec.pop("hconcat")
    if "concat" in spec:
        return spec["concat"]
    return [spec["spec"]] if "facet" in spec else [spec]


def _count(spec: ChartSpec) -> int:
    if "facet" not in spec:
        return len(spec.get("concat", [spec]))
    name = spec["facet"]["field"]
    return max(1, len({row[name] for row in data_rows(spec) if name in row}))


def _encodings(part: Any) -> Iterator[tuple[str, ChartSpec]]:
    """Yield every channel of every layer with what it encodes."""
    if isinstance(part, dict) and isinstance(part.get("encoding"), dict):
        yield from ((channel, e) for channel, e in part["encoding"].items() if isinstance(e, dict))
    for inner in parts(part):
        yield from _encodings(inner)


def _axis(panel: ChartSpec, channel: str) -> ChartSpec:
    """The first encoding of a position that names a field."""
    return next((e for name, e in _encodings(panel) if name == channel and "field" in e), {})


def _kind(panel: ChartSpec) -> str:
    banded = [_axis(panel, c).get("type") in ("nominal", "ordinal") for c in ("x", "y")]
    return "grid" if all(banded) else "band" if any(banded) else "open"


def _height(panel: ChartSpec, kind: str, inner: float, beside: int, spec: ChartSpec) -> float:
    """Height of a panel: as many rows as there are names, or three quarters of the width."""
    if kind == "open":
        return round(min(0.78 * inner, 150.0 if beside > 1 else 105.0), 1)
    field, rows = _axis(panel, "y")["field"], [*data_rows(panel), *data_rows(spec)]
    names = {row[field] for row in rows if row.get(field) is not None}
    step = STEP + 3 if kind == "grid" else STEP
    if offset := _axis(panel, "yOffset").get("field"):
        step = max(STEP, 3.5 + 4.5 * len({row[offset] for row in rows if offset in row}))
    return step * max(1, len(names))


def _titles(panel: ChartSpec, inner: float) -> None:
    """Titles of axes in as many lines as the axis is long for."""
    for channel, room in (("x", inner + 8), ("y", panel["height"])):
        for name, e in _encodings(panel):
            if name == channel and (title := e.get("title")):
                e["title"] = _wrap(" ".join(title) if isinstance(title, list) else title, room)


def _tilt(panel: ChartSpec, kind: str, inner: float) -> None:
    """Names under columns that are narrower than they are lean."""
    if kind != "grid":
        return
    x = _axis(panel, "x")
    names = {str(row[x["field"]]) for row in data_rows(panel) if row.get(x["field"]) is not None}
    narrow = names and max(map(len, names)) * LABEL * EM > inner / len(names)
    for name, e in _encodings(panel):
        if name == "x" and e.get("field") == x["field"]:
            angle = {"labelAngle": -35, "labelAlign": "right"} if narrow else {"labelAngle": 0, "labelAlign": "center"}
            e["axis"] = {**(e.get("axis") or {}), **angle, "labelOverlap": False}


def _wrap(text: str, room: float) -> list[str]:
    most, lines = max(8, int(room / (TITLE * EM))), [""]
    head, bracket, tail = text.partition(" (")
    if bracket and len(text) > most and max(len(head), len(tail) + 1) <= most:
        return [head, f"({tail}"]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _styled(spec: ChartSpec, width: float) -> ChartSpec:
    """Fonts, inks and lines of print; marks, legends and labels of its size."""
    style = json.loads(resources.files("holdfast").joinpath("report", "paper_style.json").read_text(encoding="utf-8"))
    limits = {"axis": (0.56 if width < 300 else 0.3) * width, "legend": 0.6 * width, "header": 0.45 * width}
    spec.setdefault("config", {}).update(style | {part: style[part] | {"labelLimit": limit} for part, limit in limits.items()})
    spec.pop("spacing", None)
    _marks(spec)
    for channel, e in _encodings(spec):
        if channel == "size" and "range" in (scale := e.get("scale") or {}):
            scale["range"] = [MARKS * v for v in scale["range"]]
        _legend(e, spec, width)
        if isinstance(axis := e.get("axis"), dict):
            axis.pop("labelLimit", None)
    return spec


def _marks(part: Any) -> None:
    """Marks as large, and lines as thick, as they are on paper."""
    if isinstance(part, dict) and isinstance(mark := part.get("mark"), dict):
        _mark(mark)
    for inner in parts(part):
        _marks(inner)


def _mark(mark: ChartSpec) -> None:
    kind = mark.get("type")
    if kind == "point":
        if "size" in mark:
            mark["size"] *= MARKS
        if not mark.get("filled"):
            mark.setdefault("strokeWidth", 1)
    elif kind == "rule" and "size" in mark:
        mark["size"] = 1
    elif kind == "text":
        mark["fontSize"] = LABEL
    if "strokeWidth" in mark:
        mark["strokeWidth"] = max(0.5, 0.6 * mark["strokeWidth"])
    if kind == "rule" and "strokeDash" in mark:
        mark.update(strokeDash=[2, 2], strokeWidth=0.5)


def _legend(encoding: ChartSpec, spec: ChartSpec, width: float) -> None:
    """Put as many legend entries in a row as fit, and only those that are shown."""
    named = encoding.get("type") in ("nominal", "ordinal") and ("scale" in encoding or "legend" in encoding)
    if not named or encoding.get("legend", 0) is None:
        return
    legend = encoding.setdefault("legend", {})
    shown = {row[encoding["field"]] for row in data_rows(spec) if row.get(encoding["field"]) is not None}
    domain = (encoding.get("scale") or {}).get("domain")
    entries = [v for v in domain if v in shown] if isinstance(domain, list) else sorted(shown, key=str)
    if len(entries) == 1 and encoding["field"] != "verdict":
        encoding["legend"] = None  # there is nothing to distinguish
    if not entries or encoding["legend"] is None:
        return
    if isinstance(domain, list):
        legend["values"] = entries
    legend["labelExpr"] = "replace(datum.label, '_', ' ')" if encoding["field"] == "verdict" else "datum.label"
    longest = max(len(str(v)) for v in entries)
    legend["columns"] = max(1, min(len(entries), math.floor((width - 12) / (longest * LABEL * EM + 18))))
    legend.pop("orient", None)
