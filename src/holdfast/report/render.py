"""A chart as SVG text, as a Vega specification for the page, or as the rows of a table."""

from __future__ import annotations

from typing import Any

import vl_convert

INK = "#333333"
VEGA_LITE = "6.4"  # of the versions vl-convert carries, the one Altair writes


def svg(chart: Any) -> str:
    """Black on white, for print and papers."""
    dressed = (
        chart.configure(background="white")
        .configure_axis(labelColor=INK, titleColor=INK, gridColor="#e8e8e8")
        .configure_view(stroke="#d0d0d0")
    )
    return vl_convert.vegalite_to_svg(dressed.to_dict(validate=False), vl_version=VEGA_LITE)


def vega(chart: Any) -> dict[str, Any]:
    """Compiled for the page's Vega runtime: no colours of ink, paper and grid in it (the page's theme gives them), hover shows a mark's numbers."""
    spec = _rounded(chart.to_dict())  # here its form is checked; a chart is not checked again for print and tables
    spec.setdefault("config", {}).update({"mark": {"tooltip": {"content": "data"}}, "view": {"stroke": None}, "background": None})
    spec["config"].pop("axis", None)
    return vl_convert.vegalite_to_vega(spec, vl_version=VEGA_LITE)


def rows(chart: Any) -> list[dict[str, Any]]:
    """Every distinct row of data a chart shows, in order; columns that all rows share come first."""
    found: list[dict[str, Any]] = []
    _collect(_rounded(chart.to_dict(validate=False)), found)
    distinct = list({tuple(sorted((k, str(v)) for k, v in row.items())): row for row in found if row}.values())
    return distinct


def _collect(part: Any, found: list[dict[str, Any]]) -> None:
    if isinstance(part, dict):
        values = (part.get("data") or {}).get("values") if isinstance(part.get("data"), dict) else None
        if isinstance(values, list):
            found += [v for v in values if isinstance(v, dict)]
        for name, inner in part.items():
            if name != "data":
                _collect(inner, found)
    elif isinstance(part, list):
        for inner in part:
            _collect(inner, found)


def _rounded(part: Any) -> Any:
    """Numbers of the data to three decimals: what a reader sees on hover."""
    if isinstance(part, dict):
        return {k: _rounded(v) for k, v in part.items()}
    if isinstance(part, list):
        return [_rounded(v) for v in part]
    return round(part, 3) if isinstance(part, float) else part
