"""A chart laid out for one or two columns of a paper: exact width, 7 to 8 point text, black on white. One unit of a picture is one point (1/72 inch)."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator
from typing import Any

import vl_convert

from holdfast.report.render import INK, VEGA_LITE

WIDTH = {1: 234.0, 2: 486.0}  # points: 3.25 and 6.75 inches
FONT, LABEL, TITLE = "Liberation Sans", 7, 7.5  # the face vl-convert carries; sizes in points
NARROWEST = {"band": 60.0, "open": 96.0, "grid": 150.0}  # a panel of rows, of two quantities, of cells with numbers in them
MOST = {"band": 4, "open": 3, "grid": 1}  # panels beside each other
CROWD, SMALL = 4, 58.0  # more panels of two quantities than this are small multiples, and may be this narrow
STEP, EM = 9.5, 0.52  # height of a row; width of a letter as a share of its size
MARKS = 0.4  # a mark's area on paper as a share of its area on a screen


def lay_out(chart: dict[str, Any], columns: int) -> tuple[str, float]:
    """A Vega-Lite chart as SVG exactly as wide as `columns` columns, its text as text in `FONT`; and its height in points."""
    width = WIDTH[columns]
    spec = _dressed(copy.deepcopy(chart), width)
    panels = _panels(spec)
    kind, many = _kind(panels[0]), _count(spec)
    crowd = kind == "open" and many > CROWD
    narrowest, most = (SMALL, CROWD) if crowd else (NARROWEST[kind], MOST[kind])
    for beside in range(min(many, most), 0, -1):
        svg, got, inner = _fitted(spec, panels, kind, beside, width)
        if beside == 1 or (inner >= narrowest and got <= width + 1):
            break
    return _on_paper(svg, got, width)


def _fitted(spec: dict[str, Any], panels: list[dict[str, Any]], kind: str, beside: int, width: float) -> tuple[str, float, float]:
    """SVG, its width, and that of a panel: the widest panels with which `beside` of them fill the paper's width."""
    inner = max(width / beside - 45, 25.0)
    for trial in range(7):
        svg, got = _drawn(spec, panels, kind, beside, inner)
        missing = width - got
        if abs(missing) < 0.6 or (trial > 2 and 0 <= missing < 0.03 * width) or inner + missing / beside < 20:
            break
        inner += missing / beside
    return svg, got, inner


def _on_paper(svg: str, got: float, width: float) -> tuple[str, float]:
    """The picture in the middle of a white canvas of the paper's width; one that is too wide for it is made smaller."""
    height = float(re.search(r'height="([\d.]+)"', svg)[1])  # type: ignore[index]
    whole = max(width, got)
    scale, left = width / whole, (got - whole) / 2
    svg = re.sub(r'<svg ([^>]*?) width="[\d.]+" height="[\d.]+" viewBox="[^"]*">',
                 rf'<svg \1 width="{width:g}" height="{height * scale:g}" viewBox="{left:g} 0 {whole:g} {height:g}">', svg, count=1)  # fmt: skip
    return re.sub(r'<rect width="[\d.]+" ', f'<rect x="{left:g}" width="{whole:g}" ', svg, count=1), height * scale


def _drawn(spec: dict[str, Any], panels: list[dict[str, Any]], kind: str, beside: int, inner: float) -> tuple[str, float]:
    """SVG with `beside` panels in a row, each `inner` wide; and its whole width."""
    if len(panels) > 1 or "facet" in spec or "concat" in spec:
        spec["columns"] = beside
    for panel in panels:
        panel["width"] = inner
        panel["height"] = _height(panel, kind, inner, beside, spec)
        _titles(panel, inner)
        _tilt(panel, kind, inner)
    svg = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    return svg, float(re.search(r'width="([\d.]+)"', svg)[1])  # type: ignore[index]


def _panels(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts that have a width: of a facet its one specification, of a concatenation every part."""
    if "hconcat" in spec:
        spec["concat"] = spec.pop("hconcat")
    if "concat" in spec:
        return spec["concat"]
    return [spec["spec"]] if "facet" in spec else [spec]


def _count(spec: dict[str, Any]) -> int:
    if "concat" in spec:
        return len(spec["concat"])
    if "facet" not in spec:
        return 1
    name = spec["facet"]["field"]
    return max(1, len({row[name] for row in _rows(spec) if name in row}))


def _encodings(part: Any) -> Iterator[dict[str, Any]]:
    """Every channel that has a field, a value or a datum, of every layer."""
    if isinstance(part, dict):
        for name, inner in part.items():
            if name == "encoding":
                yield from ({"channel": c, "of": e} for c, e in inner.items() if isinstance(e, dict))
            elif name != "data" and name != "datasets":
                yield from _encodings(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _encodings(inner)


def _rows(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, dict):
        data = part.get("data")
        if isinstance(data, dict) and isinstance(data.get("values"), list):
            yield from (row for row in data["values"] if isinstance(row, dict))
        for name, inner in part.items():
            if name != "data":
                yield from _rows(inner)
    elif isinstance(part, list):
        for inner in part:
            yield from _rows(inner)


def _axis(panel: dict[str, Any], channel: str) -> dict[str, Any]:
    """The first encoding of a position that names a field."""
    return next((e["of"] for e in _encodings(panel) if e["channel"] == channel and "field" in e["of"]), {})


def _kind(panel: dict[str, Any]) -> str:
    banded = [_axis(panel, c).get("type") in ("nominal", "ordinal") for c in ("x", "y")]
    return "grid" if all(banded) else "band" if any(banded) else "open"


def _height(panel: dict[str, Any], kind: str, inner: float, beside: int, spec: dict[str, Any]) -> float:
    """As many rows as there are names, or three quarters of the width."""
    if kind == "open":
        return round(min(0.78 * inner, 150.0 if beside > 1 else 105.0), 1)
    y = _axis(panel, "y")
    names = {row[y["field"]] for row in (*_rows(panel), *_rows(spec)) if row.get(y["field"]) is not None}
    beside_each = next((e["of"].get("field") for e in _encodings(panel) if e["channel"] == "yOffset"), None)
    step = STEP + 3 if kind == "grid" else STEP
    if beside_each:
        step = max(STEP, 3.5 + 4.5 * len({row[beside_each] for row in (*_rows(panel), *_rows(spec)) if beside_each in row}))
    return step * max(1, len(names))


def _titles(panel: dict[str, Any], inner: float) -> None:
    """Titles of axes in as many lines as the axis is long for."""
    for channel, room in (("x", inner + 8), ("y", panel["height"])):
        for e in _encodings(panel):
            title = e["of"].get("title")
            if e["channel"] == channel and title:
                words = " ".join(title) if isinstance(title, list) else title
                e["of"]["title"] = _wrapped(words, room)


def _tilt(panel: dict[str, Any], kind: str, inner: float) -> None:
    """Names under columns that are narrower than they are lean."""
    if kind != "grid":
        return
    x = _axis(panel, "x")
    names = {str(row[x["field"]]) for row in _rows(panel) if row.get(x["field"]) is not None}
    narrow = names and max(map(len, names)) * LABEL * EM > inner / len(names)
    for e in _encodings(panel):
        if e["channel"] == "x" and e["of"].get("field") == x["field"]:
            e["of"]["axis"] = {
                **(e["of"].get("axis") or {}),
                "labelAngle": -35 if narrow else 0,
                "labelAlign": "right" if narrow else "center",
                "labelOverlap": False,
            }


def _wrapped(text: str, room: float) -> list[str]:
    most, lines = max(8, int(room / (TITLE * EM))), [""]
    head, bracket, tail = text.partition(" (")
    if bracket and len(text) > most and max(len(head), len(tail) + 1) <= most:
        return [head, f"({tail}"]
    for word in text.split():
        if lines[-1] and len(lines[-1]) + 1 + len(word) > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def _dressed(spec: dict[str, Any], width: float) -> dict[str, Any]:
    """Fonts, inks and lines of print; marks, legends and labels of its size."""
    config = spec.setdefault("config", {})
    config.update(
        {
            "background": "white", "font": FONT, "padding": 2,
            "axis": {"labelFontSize": LABEL, "titleFontSize": TITLE, "titleFontWeight": "normal", "labelColor": INK, "titleColor": INK, "gridColor": "#e8e8e8",
                     "gridWidth": 0.5, "domainWidth": 0.5, "tickWidth": 0.5, "tickSize": 3, "labelPadding": 2, "titlePadding": 3, "tickCount": 4,
                     "labelLimit": 0.56 * width if width < 300 else 0.3 * width, "labelOverlap": "greedy", "labelSeparation": 4, "domainColor": "#999999", "tickColor": "#999999"},
            "axisY": {"labelOverlap": False}, "axisXDiscrete": {"labelAngle": 0},
            "legend": {"orient": "bottom", "labelFontSize": LABEL, "titleFontSize": LABEL, "titleFontWeight": "normal", "symbolSize": 30, "rowPadding": 1,
                       "columnPadding": 6, "labelOffset": 2, "labelLimit": 0.6 * width, "gradientLength": 100, "gradientThickness": 6, "offset": 4, "padding": 0,
                       "layout": {"bottom": {"direction": "vertical", "anchor": "middle", "center": True, "margin": 3}}},
            "header": {"labelFontSize": TITLE, "labelFontWeight": "bold", "labelPadding": 2, "labelLimit": 0.45 * width, "labelColor": INK},
            "title": {"fontSize": TITLE, "fontWeight": "bold", "offset": 3, "color": INK},
            "view": {"stroke": "#d0d0d0", "strokeWidth": 0.5}, "facet": {"spacing": {"row": 8, "column": 8}}, "concat": {"spacing": 8},
            "rule": {"strokeWidth": 0.8}, "line": {"strokeWidth": 0.9}, "bar": {"continuousBandSize": 5},
        }
    )  # fmt: skip
    spec.pop("spacing", None)
    _marks(spec)
    for e in _encodings(spec):
        _legend(e["of"], spec, width)
        axis = e["of"].get("axis")
        if isinstance(axis, dict):
            axis.pop("labelLimit", None)
    return spec


def _marks(part: Any) -> None:
    if isinstance(part, dict):
        mark = part.get("mark")
        if isinstance(mark, dict):
            if mark.get("type") == "point" and "size" in mark:
                mark["size"] *= MARKS
            if mark.get("type") == "rule" and "size" in mark:
                mark["size"] = 1
            elif mark.get("type") == "text":
                mark["fontSize"] = LABEL
            if mark.get("type") == "point" and not mark.get("filled"):
                mark.setdefault("strokeWidth", 1)
            if "strokeWidth" in mark:
                mark["strokeWidth"] = max(0.5, 0.6 * mark["strokeWidth"])
            if mark.get("type") == "rule" and "strokeDash" in mark:
                mark.update(strokeDash=[2, 2], strokeWidth=0.5)
        size = (part.get("encoding") or {}).get("size") if isinstance(part.get("encoding"), dict) else None
        if isinstance(size, dict) and isinstance(size.get("scale"), dict) and "range" in size["scale"]:
            size["scale"]["range"] = [MARKS * v for v in size["scale"]["range"]]
        for name, inner in part.items():
            if name != "data":
                _marks(inner)
    elif isinstance(part, list):
        for inner in part:
            _marks(inner)


def _legend(encoding: dict[str, Any], spec: dict[str, Any], width: float) -> None:
    """As many entries in a row as fit, and only those that are shown."""
    if (
        encoding.get("legend", 0) is None
        or encoding.get("type") not in ("nominal", "ordinal")
        or "scale" not in encoding
        and "legend" not in encoding
    ):
        return
    legend = encoding.setdefault("legend", {})
    shown = {row[encoding["field"]] for row in _rows(spec) if row.get(encoding["field"]) is not None}
    domain = (encoding.get("scale") or {}).get("domain")
    entries = [v for v in domain if v in shown] if isinstance(domain, list) else sorted(shown, key=str)
    if len(entries) == 1 and encoding["field"] != "verdict":
        encoding["legend"] = None  # nothing is told apart
    if not entries or encoding["legend"] is None:
        return
    if isinstance(domain, list):
        legend["values"] = entries
    legend["labelExpr"] = "replace(datum.label, '_', ' ')" if encoding["field"] == "verdict" else "datum.label"
    longest = max(len(str(v)) for v in entries)
    legend["columns"] = max(1, min(len(entries), math.floor((width - 12) / (longest * LABEL * EM + 18))))
    legend.pop("orient", None)
