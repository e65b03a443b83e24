"""Charts by Altair, colours told apart by the colour-blind (Okabe & Ito 2008); None where there is nothing to draw. `render` draws them."""

from __future__ import annotations

from typing import Any

import altair as alt

from holdfast.report.numbers import identified

COLOURS = {
    "raised": "#D55E00",
    "lowered": "#0072B2",
    "unchanged": "#009E73",
    "inconclusive": "#8a8a8a",
    "not_identified": "#CC79A7",
    "refused": "#7a5fb5",
}
MUTED = "#888888"  # lines of reference, seen on white and on dark
PALETTE = ["#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#7a5fb5", "#B8A000"]
GREYS = ["#555555", "#8a8a8a", "#bbbbbb"]


def cells(findings: dict[str, Any], part: str, bounded: bool = False) -> list[dict[str, Any]]:
    """Identified cells of `part` ("gains" or "shifts") as rows in percentage points; with `bounded` those of which only bounds are known, too,
    without a point.
    """
    rows = []
    for a in findings["adapters"]:
        for name, c in a[part].items():
            known = identified(c)
            if known or (bounded and c["bounds"]):
                low, high = (c["lower"], c["upper"]) if known else c["bounds"]
                rows.append(
                    {
                        "adapter": a["name"],
                        "role": a["role"],
                        "instrument": name,
                        "points": 100 * c["estimate"] if known else None,
                        "lower": 100 * (c["estimate"] if low is None else low),
                        "upper": 100 * (c["estimate"] if high is None else high),
                        "verdict": c["verdict"],
                    }
                )
    return rows


def adapter_colour(findings: dict[str, Any], base: bool = False, legend: bool = True) -> alt.Color:
    """One colour an adapter, the same in every chart; null adapters are grey. `base`: the base model is shown, too."""
    names = [a["name"] for a in findings["adapters"]]
    nulls = [a["name"] for a in findings["adapters"] if a["role"] == "null"]
    rest = [n for n in names if n not in nulls]
    of = {n: PALETTE[k % len(PALETTE)] for k, n in enumerate(rest)} | {n: GREYS[k % len(GREYS)] for k, n in enumerate(nulls)}
    if base:
        names, of = ["base", *names], {"base": "#777777", **of}
    return alt.Color(
        "adapter:N",
        scale=alt.Scale(domain=names, range=[of[n] for n in names]),
        legend=alt.Legend(orient="bottom", title=None, columns=6) if legend else None,
    )


def verdict_colour(part: str = "shifts") -> alt.Color:
    """Orange is the worse direction: a raised shift, a lowered gain."""
    of = dict(COLOURS)
    if part == "gains":
        of["raised"], of["lowered"] = of["lowered"], of["raised"]
    return alt.Color("verdict:N", scale=alt.Scale(domain=list(of), range=list(of.values())), legend=alt.Legend(orient="bottom", title=None))


def forest(findings: dict[str, Any], part: str = "shifts") -> Any:
    """One panel an instrument: estimate and 95 % interval of every adapter, the equivalence band shaded."""
    rows, band = cells(findings, part, bounded=True), 100 * findings["study"]["equivalence_band"]
    order = [a["name"] for a in findings["adapters"]]
    base = alt.Chart(alt.Data(values=rows))
    y = alt.Y("adapter:N", sort=order, title=None)
    zone = base.transform_calculate(a=f"{-band}", b=f"{band}").mark_rect(color=MUTED, opacity=0.015).encode(x="a:Q", x2="b:Q")
    title = "points (right: more sycophantic)" if part == "shifts" else "points, adapted - base"
    rule = base.mark_rule(size=2).encode(y=y, x=alt.X("lower:Q", title=title), x2="upper:Q", color=verdict_colour(part))
    point = base.mark_point(filled=True, size=60).encode(y=y, x="points:Q", color=verdict_colour(part))
    zero = base.mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(0))
    return (
        alt.layer(zone, zero, rule, point)
        .properties(width=250, height=24 * len(order))
        .facet(alt.Facet("instrument:N", title=None), columns=3 if part == "shifts" else 4)
        .resolve_scale(x="independent")
    )


def tradeoff(findings: dict[str, Any], nulls: bool = True) -> Any:
    """Mean gain against each axis's shift, with both intervals, and one small mark per seed; a shift that is not identified is a dashed line
    between its bounds. `nulls`: null adapters are shown, too.
    """
    large, small = [], []
    for a in findings["adapters"]:
        if a["mean_gain"] is None or (a["role"] == "null" and not nulls):
            continue
        for name, c in a["shifts"].items():
            known = identified(c)
            low, high = (c["lower"], c["upper"]) if known else c["bounds"] or (None, None)
            if not known and low is None:
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
                    "shift": 100 * c["estimate"] if known else None,
                    "lower": 100 * (c["estimate"] if low is None else low),
                    "upper": 100 * (c["estimate"] if high is None else high),
                }
            )
            for s in a["per_seed"] if known else []:
                gains = [g["estimate"] for g in s["gains"].values() if g["estimate"] is not None]
                if gains and s["shifts"][name]["estimate"] is not None:
                    small.append(
                        {
                            "adapter": a["name"],
                            "axis": name,
                            "gain": 100 * sum(gains) / len(gains),
                            "shift": 100 * s["shifts"][name]["estimate"],
                            "seed": s["seed"],
                        }
                    )
    colour = adapter_colour(findings)
    shape = alt.Shape(
        "role:N",
        scale=alt.Scale(domain=["domain", "control", "null"], range=["circle", "square", "cross"]),
        legend=alt.Legend(orient="bottom", title=None),
    )
    front = {r["name"] for r in (findings.get("pareto") or {}).get("front", []) if r["on_front"]}
    panels = []
    for axis in dict.fromkeys(r["axis"] for r in large):
        main = alt.Chart(alt.Data(values=[r for r in large if r["axis"] == axis]), title=axis)
        known, unknown = main.transform_filter("datum.shift !== null"), main.transform_filter("datum.shift === null")
        seeds = alt.Chart(alt.Data(values=[r for r in small if r["axis"] == axis]))
        x, y = alt.X("gain:Q", title="mean gain, points"), alt.Y("shift:Q", title="shift, points (up: more sycophantic)")
        panels.append(
            alt.layer(
                main.mark_rule(color=MUTED, strokeDash=[3, 3]).encode(y=alt.datum(0)),
                _rings(large, axis, front, x, y),
                alt.Chart(alt.Data(values=[{"adapter": "base", "gain": 0, "shift": 0}]))
                .mark_point(shape="diamond", filled=True, size=80, color=MUTED)
                .encode(x=x, y=y),
                seeds.mark_point(size=14, opacity=0.6).encode(x=x, y=y, color=colour),
                known.mark_rule().encode(x=x, y="lower:Q", y2="upper:Q", color=colour),
                unknown.mark_rule(strokeDash=[2, 3]).encode(x=x, y="lower:Q", y2="upper:Q", color=colour),
                known.mark_rule().encode(x="g0:Q", x2="g1:Q", y=y, color=colour),
                known.mark_point(filled=True, size=90).encode(x=x, y=y, color=colour, shape=shape),
            ).properties(width=300, height=280)
        )
    return alt.hconcat(*panels) if panels else None


def _rings(rows: list[dict[str, Any]], axis: str, front: set[str], x: Any, y: Any) -> Any:
    """Adapters of the Pareto front are ringed."""
    ringed = [
        {k: r[k] for k in ("adapter", "axis", "gain", "shift")}
        for r in rows
        if r["axis"] == axis and r["adapter"] in front and r["shift"] is not None
    ]
    return alt.Chart(alt.Data(values=ringed)).mark_point(size=260, color=MUTED, strokeWidth=1.5).encode(x=x, y=y)


def bars(findings: dict[str, Any]) -> Any:
    """Accuracy of base and adapters on each benchmark."""
    rows = []
    for name, b in findings["base"]["benchmarks"].items():
        if b["estimate"] is None:
            continue
        rows.append({"adapter": "base", "benchmark": name, "accuracy": 100 * b["estimate"]})
        rows += [
            {"adapter": a["name"], "benchmark": name, "accuracy": 100 * (b["estimate"] + a["gains"][name]["estimate"])}
            for a in findings["adapters"]
            if name in a["gains"] and identified(a["gains"][name])
        ]
    order = ["base", *(a["name"] for a in findings["adapters"])]
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            y=alt.Y("adapter:N", sort=order, title=None),
            x=alt.X("accuracy:Q", title="accuracy, %"),
            color=adapter_colour(findings, base=True, legend=False),
        )
        .properties(width=210)
        .facet(alt.Facet("benchmark:N", title=None), columns=4)
    )


def heat(findings: dict[str, Any]) -> Any:
    """Adapter x instrument, points."""
    rows = cells(findings, "gains") + cells(findings, "shifts")
    widest = max((abs(r["points"]) for r in rows), default=1.0)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("instrument:N", sort=None, title=None), y=alt.Y("adapter:N", sort=[a["name"] for a in findings["adapters"]], title=None)
    )
    return alt.layer(
        base.mark_rect().encode(
            color=alt.Color("points:Q", scale=alt.Scale(scheme="purpleorange", domain=[-widest, 0, widest]), title="points")
        ),
        base.mark_text(fontSize=11).encode(
            text=alt.Text("points:Q", format="+.1f"),
            color=alt.condition(f"abs(datum.points) > {0.6 * widest:.3f}", alt.value("#ffffff"), alt.value("#1d2329")),
        ),
    ).properties(width=560, height=210)


def profiles(findings: dict[str, Any]) -> Any:
    """Every adapter's gains and shifts side by side."""
    rows = cells(findings, "gains") + cells(findings, "shifts")
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("points:Q", title="points"),
            y=alt.Y("instrument:N", sort=None, title=None),
            color=adapter_colour(findings, legend=False),
        )
        .properties(width=190, height=120)
        .facet(alt.Facet("adapter:N", sort=[a["name"] for a in findings["adapters"]], title=None), columns=4)
    )


def ranking(findings: dict[str, Any]) -> Any:
    """P(rank) of the mean shift: rank 1 is the least sycophantic."""
    rows = [{"adapter": r["name"], "rank": str(k + 1), "p": p} for r in findings["ranking"] for k, p in enumerate(r["p_rank"])]
    return (
        (
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
        else None
    )
