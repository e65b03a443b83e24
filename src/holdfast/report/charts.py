"""Charts as inline SVG: drawn by Altair, rendered offline, colours told apart by the colour-blind (Okabe & Ito 2008)."""

from __future__ import annotations

from typing import Any

import altair as alt
import vl_convert

COLOURS = {
    "raised": "#D55E00",
    "lowered": "#0072B2",
    "unchanged": "#009E73",
    "inconclusive": "#8a8a8a",
    "not_identified": "#CC79A7",
    "refused": "#000000",
}
INK = "#333333"
PALETTE = ["#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#000000", "#F0E442"]
GREYS = ["#555555", "#8a8a8a", "#bbbbbb"]


def svg(chart: Any) -> str:
    chart = (
        chart.configure(background="white")
        .configure_axis(labelColor=INK, titleColor=INK, gridColor="#e8e8e8")
        .configure_view(stroke="#d0d0d0")
    )
    return vl_convert.vegalite_to_svg(chart.to_dict())


def cells(findings: dict[str, Any], part: str, bounded: bool = False) -> list[dict[str, Any]]:
    """Known cells of `part` ("gains" or "shifts") as rows in percentage points; with `bounded` those of which only bounds are known, too."""
    rows = _bounds(findings, part) if bounded else []
    return rows + [
        {
            "adapter": a["name"],
            "role": a["role"],
            "instrument": name,
            "points": 100 * c["estimate"],
            "lower": 100 * (c["lower"] if c["lower"] is not None else c["estimate"]),
            "upper": 100 * (c["upper"] if c["upper"] is not None else c["estimate"]),
            "verdict": c["verdict"],
        }
        for a in findings["adapters"]
        for name, c in a[part].items()
        if c["estimate"] is not None
    ]


def _bounds(findings: dict[str, Any], part: str) -> list[dict[str, Any]]:
    """A bounded cell has an interval and no point."""
    return [
        {
            "adapter": a["name"],
            "role": a["role"],
            "instrument": name,
            "points": None,
            "lower": 100 * c["bounds"][0],
            "upper": 100 * c["bounds"][1],
            "verdict": c["verdict"],
        }
        for a in findings["adapters"]
        for name, c in a[part].items()
        if c["estimate"] is None and c["bounds"]
    ]


def adapter_colour(findings: dict[str, Any]) -> alt.Color:
    """One colour an adapter, the same in every chart; null adapters are grey."""
    names = [a["name"] for a in findings["adapters"]]
    nulls = [a["name"] for a in findings["adapters"] if a["role"] == "null"]
    rest = [n for n in names if n not in nulls]
    of = {n: PALETTE[k % len(PALETTE)] for k, n in enumerate(rest)} | {n: GREYS[k % len(GREYS)] for k, n in enumerate(nulls)}
    return alt.Color(
        "adapter:N",
        scale=alt.Scale(domain=names, range=[of[n] for n in names]),
        legend=alt.Legend(orient="bottom", title=None, columns=6),
    )


def verdict_colour() -> alt.Color:
    return alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
        legend=alt.Legend(orient="bottom", title=None),
    )


def forest(findings: dict[str, Any], part: str = "shifts") -> str:
    """One panel an instrument: estimate and 95 % interval of every adapter, the equivalence band shaded."""
    rows, band = cells(findings, part, bounded=True), 100 * findings["study"]["equivalence_band"]
    order = [a["name"] for a in findings["adapters"]]
    base = alt.Chart(alt.Data(values=rows))
    y = alt.Y("adapter:N", sort=order, title=None)
    zone = base.transform_calculate(a=f"{-band}", b=f"{band}").mark_rect(color="#f0f0f0").encode(x="a:Q", x2="b:Q")
    rule = base.mark_rule(size=2).encode(y=y, x=alt.X("lower:Q", title="points, adapted - base"), x2="upper:Q", color=verdict_colour())
    point = base.mark_point(filled=True, size=60).encode(y=y, x="points:Q", color=verdict_colour())
    zero = base.mark_rule(color=INK, strokeDash=[3, 3]).encode(x=alt.datum(0))
    return svg(
        alt.layer(zone, zero, rule, point)
        .properties(width=250, height=24 * len(order))
        .facet(alt.Facet("instrument:N", title=None), columns=3 if part == "shifts" else 4)
        .resolve_scale(x="independent")
    )


def tradeoff(findings: dict[str, Any]) -> str:
    """Mean gain against each axis's shift: interval of the shift, and one small mark per seed."""
    large, small = [], []
    for a in findings["adapters"]:
        if a["mean_gain"] is None:
            continue
        for name, c in a["shifts"].items():
            if c["estimate"] is None:
                continue
            se = sum((g["se"] or 0) ** 2 for g in a["gains"].values()) ** 0.5 / max(1, len(a["gains"]))
            large.append(
                {
                    "adapter": a["name"],
                    "role": a["role"],
                    "axis": name,
                    "gain": 100 * a["mean_gain"],
                    "g0": 100 * (a["mean_gain"] - 2 * se),
                    "g1": 100 * (a["mean_gain"] + 2 * se),
                    "shift": 100 * c["estimate"],
                    "lower": 100 * (c["estimate"] if c["lower"] is None else c["lower"]),
                    "upper": 100 * (c["estimate"] if c["upper"] is None else c["upper"]),
                }
            )
            for s in a["per_seed"]:
                known = [g["estimate"] for g in s["gains"].values() if g["estimate"] is not None]
                if known and s["shifts"][name]["estimate"] is not None:
                    small.append(
                        {
                            "adapter": a["name"],
                            "axis": name,
                            "gain": 100 * sum(known) / len(known),
                            "shift": 100 * s["shifts"][name]["estimate"],
                        }
                    )
    colour = adapter_colour(findings)
    shape = alt.Shape(
        "role:N",
        scale=alt.Scale(domain=["domain", "control", "null"], range=["circle", "square", "cross"]),
        legend=alt.Legend(orient="bottom", title=None),
    )
    panels = []
    for axis in dict.fromkeys(r["axis"] for r in large):
        main = alt.Chart(alt.Data(values=[r for r in large if r["axis"] == axis]), title=axis)
        seeds = alt.Chart(alt.Data(values=[r for r in small if r["axis"] == axis]))
        x, y = alt.X("gain:Q", title="mean gain, points"), alt.Y("shift:Q", title="shift, points (up: more sycophantic)")
        panels.append(
            alt.layer(
                main.mark_rule(color=INK, strokeDash=[3, 3]).encode(y=alt.datum(0)),
                seeds.mark_point(size=14, opacity=0.6).encode(x=x, y=y, color=colour),
                main.mark_rule().encode(x=x, y="lower:Q", y2="upper:Q", color=colour),
                main.mark_rule().encode(x="g0:Q", x2="g1:Q", y=y, color=colour),
                main.mark_point(filled=True, size=90).encode(x=x, y=y, color=colour, shape=shape),
            ).properties(width=300, height=280)
        )
    return svg(alt.hconcat(*panels))


def bars(findings: dict[str, Any]) -> str:
    """Accuracy of base and adapters on each benchmark."""
    rows = []
    for name, b in findings["base"]["benchmarks"].items():
        if b["estimate"] is None:
            continue
        rows.append({"model": "base", "benchmark": name, "accuracy": 100 * b["estimate"]})
        rows += [
            {"model": a["name"], "benchmark": name, "accuracy": 100 * (b["estimate"] + a["gains"][name]["estimate"])}
            for a in findings["adapters"]
            if a["gains"].get(name, {}).get("estimate") is not None
        ]
    order = ["base", *(a["name"] for a in findings["adapters"])]
    return svg(
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("model:N", sort=order, title=None),
            x=alt.X("accuracy:Q", title="accuracy, %"),
            color=alt.condition("datum.model == 'base'", alt.value("#777777"), alt.value("#56B4E9")),
        )
        .properties(width=210)
        .facet(alt.Facet("benchmark:N", title=None), columns=4)
    )


def heat(findings: dict[str, Any]) -> str:
    """Adapter x instrument, points."""
    rows = cells(findings, "gains") + cells(findings, "shifts")
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("instrument:N", sort=None, title=None),
        y=alt.Y("adapter:N", sort=[a["name"] for a in findings["adapters"]], title=None),
    )
    return svg(
        alt.layer(
            base.mark_rect().encode(
                color=alt.Color("points:Q", scale=alt.Scale(scheme="purpleorange", domainMid=0), title="points")
            ),
            base.mark_text(fontSize=11).encode(text=alt.Text("points:Q", format="+.1f")),
        ).properties(width=560, height=210)
    )


def profiles(findings: dict[str, Any]) -> str:
    """Every adapter's gains and shifts side by side."""
    rows = cells(findings, "gains") + cells(findings, "shifts")
    return svg(
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(x=alt.X("points:Q", title="points"), y=alt.Y("instrument:N", sort=None, title=None), color=verdict_colour())
        .properties(width=190, height=120)
        .facet(alt.Facet("adapter:N", sort=[a["name"] for a in findings["adapters"]], title=None), columns=4)
    )


def ranking(findings: dict[str, Any]) -> str:
    """P(rank) of the mean shift: rank 1 is the least sycophantic."""
    rows = [{"adapter": r["name"], "rank": str(k + 1), "p": p} for r in findings["ranking"] for k, p in enumerate(r["p_rank"])]
    return (
        svg(
            alt.Chart(alt.Data(values=rows))
            .mark_bar()
            .encode(
                x=alt.X("p:Q", title="P(rank)"),
                y=alt.Y("adapter:N", title=None),
                color=alt.Color("rank:O", scale=alt.Scale(scheme="viridis"), title="rank"),
                order="rank:O",
            )
            .properties(width=520, height=140)
        )
        if rows
        else ""
    )
