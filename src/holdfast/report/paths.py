"""Charts of the deeper questions: dose paths, contrasts between adapters, factorial effects, flips."""

from __future__ import annotations

from typing import Any

import altair as alt

from holdfast.report.charts import MUTED, adapter_colour, verdict_colour
from holdfast.report.numbers import identified


def dose_paths(findings: dict[str, Any]) -> Any:
    """Gain against shift from the base (origin) to every adapter; one panel an axis, the identified doses joined in order."""
    own = {a["name"]: a["own_benchmark"] for a in findings["adapters"]}
    rows = []
    for entry in findings["dose"]:
        for axis, cells in entry["shifts"].items():
            line = {"adapter": entry["name"], "axis": axis, "path": entry["path"]}
            rows.append({**line, "dose": 0.0, "gain": 0.0, "shift": 0.0})
            for k, (dose, cell) in enumerate(zip(entry["doses"], cells, strict=True)):
                gain = _gain(entry["gains"], own.get(entry["name"]), k)
                if gain is not None and identified(cell):
                    rows.append({**line, "dose": dose, "gain": 100 * gain, "shift": 100 * cell["estimate"]})
    if not rows:
        return None
    colour = adapter_colour(findings)
    panels = []
    for axis in dict.fromkeys(r["axis"] for r in rows):
        base = alt.Chart(alt.Data(values=[r for r in rows if r["axis"] == axis]), title=axis).encode(
            x=alt.X("gain:Q", title="gain, points"),
            y=alt.Y("shift:Q", title="shift, points (up: more sycophantic)"),
            color=colour,
            detail="path:N",
        )
        zero = alt.Chart(alt.Data(values=[{}])).mark_rule(color=MUTED, strokeDash=[3, 3]).encode(y=alt.datum(0))
        line = base.mark_line().encode(order="dose:Q", strokeDash=alt.StrokeDash("path:N", legend=alt.Legend(orient="bottom", title=None)))
        marks = base.mark_point(filled=True, size=45).encode(size=alt.Size("dose:Q", legend=None, scale=alt.Scale(range=[15, 90])))
        panels.append(alt.layer(zero, line, marks).properties(width=300, height=260))
    return alt.hconcat(*panels)


def _gain(gains: dict[str, list[dict[str, Any]]], own: str | None, k: int) -> float | None:
    if own in gains:
        return gains[own][k]["estimate"]
    known = [cells[k]["estimate"] for cells in gains.values() if cells[k]["estimate"] is not None]
    return sum(known) / len(known) if known else None


def _intervals(rows: list[dict[str, Any]], label: str, panel: str, columns: int, title: str) -> Any:
    """Estimates with 95 % intervals in points, one panel per value of `panel`."""
    if not rows:
        return None
    names = list(dict.fromkeys(r[label] for r in rows))
    base = alt.Chart(alt.Data(values=rows))
    y = alt.Y(f"{label}:N", sort=names, title=None, axis=alt.Axis(labelLimit=320))
    zero = base.mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(0))
    rule = base.mark_rule(size=2).encode(y=y, x=alt.X("lower:Q", title=title), x2="upper:Q", color=verdict_colour())
    point = base.mark_point(filled=True, size=50).encode(y=y, x="points:Q", color=verdict_colour())
    return (
        alt.layer(zero, rule, point)
        .properties(width=230, height=18 * len(names))
        .facet(alt.Facet(f"{panel}:N", title=None), columns=columns)
        .resolve_scale(x="independent")
    )


def _row(cell: dict[str, Any], **where: str) -> dict[str, Any] | None:
    """Of an identified cell in points; its table says the rest."""
    if not identified(cell) or cell["lower"] is None or cell.get("unit") == "nats":
        return None
    return {
        **where,
        **{k: 100 * cell[n] for k, n in (("points", "estimate"), ("lower", "lower"), ("upper", "upper"))},
        "verdict": cell["verdict"],
    }


def contrasts(findings: dict[str, Any]) -> Any:
    rows = [r for c in findings["contrasts"] if (r := _row(c, contrast=c["name"], axis=c["axis"]))]
    return _intervals(rows, "contrast", "axis", 3, "difference of shifts, points")


def factorial(findings: dict[str, Any]) -> Any:
    rows = [
        r
        for name, found in (findings["factorial"] or {}).items()
        for effect, c in found["effects"].items()
        if (r := _row(c, effect=effect, instrument=name))
    ]
    return _intervals(rows, "effect", "instrument", 3, "points")


def flips(findings: dict[str, Any]) -> Any:
    """Share of items that went right to wrong (up) and wrong to right (down), mean over an adapter's seeds."""
    rows = []
    for axis, found in findings["flips"].items():
        shares: dict[str, list[dict[str, Any]]] = {}
        for r in found:
            shares.setdefault(r["model"].split("/")[0], []).append(r)
        for adapter, mine in shares.items():
            counted = [r for r in mine if r["n"]]
            for way, sign in (("right to wrong", 1), ("wrong to right", -1)):
                values = [100 * sign * r[way.replace(" ", "_")] / r["n"] for r in counted]
                if values:
                    rows.append({"axis": axis, "adapter": adapter, "way": way, "share": sum(values) / len(values)})
    if not rows:
        return None
    order = list(dict.fromkeys(r["adapter"] for r in rows))
    scale = alt.Scale(domain=["right to wrong", "wrong to right"], range=["#D55E00", "#0072B2"])
    return (
        alt.Chart(alt.Data(values=rows))
        .mark_bar()
        .encode(
            x=alt.X("share:Q", title="% of items asked under both"),
            y=alt.Y("adapter:N", sort=order, title=None),
            color=alt.Color("way:N", scale=scale, legend=alt.Legend(orient="bottom", title=None)),
        )
        .properties(width=230, height=18 * len(order))
        .facet(alt.Facet("axis:N", title=None), columns=3)
    )


def raw(findings: dict[str, Any]) -> Any:
    """Per axis: each adapter's change under pressure alone beside what is left without its control's own change."""
    rows = []
    for a in findings["adapters"]:
        for axis, effects in a["effects"].items():
            for way, cell in (("raw", effects.get(f"raw_{axis}")), ("beyond control", a["shifts"].get(axis))):
                if cell and identified(cell) and cell["lower"] is not None:
                    values = {k: 100 * cell[n] for k, n in (("points", "estimate"), ("lower", "lower"), ("upper", "upper"))}
                    rows.append({"adapter": a["name"], "axis": axis, "way": way, **values})
    axes = [x for x in dict.fromkeys(r["axis"] for r in rows) if len({r["way"] for r in rows if r["axis"] == x}) == 2]
    rows = [r for r in rows if r["axis"] in axes]
    if not rows:
        return None
    order = [a["name"] for a in findings["adapters"]]
    colour = alt.Color(
        "way:N",
        scale=alt.Scale(domain=["raw", "beyond control"], range=["#8a8a8a", "#0072B2"]),
        legend=alt.Legend(orient="bottom", title=None),
    )
    plain = alt.Chart(alt.Data(values=rows))
    base = plain.encode(y=alt.Y("adapter:N", sort=order, title=None), yOffset=alt.YOffset("way:N", sort=["raw", "beyond control"]))
    zero = plain.mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(0))
    rule = base.mark_rule(size=2).encode(x=alt.X("lower:Q", title="points (right: more sycophantic)"), x2="upper:Q", color=colour)
    point = base.mark_point(filled=True, size=45).encode(x="points:Q", color=colour)
    return (
        alt.layer(zero, rule, point)
        .properties(width=250, height=26 * len(order))
        .facet(alt.Facet("axis:N", title=None), columns=3)
        .resolve_scale(x="independent")
    )


def confidence(findings: dict[str, Any], rows: list[dict[str, Any]]) -> Any:
    """Share of right answers against how sure the model was of them, one panel an instrument; the diagonal is a model that knows what it knows."""
    known = {"base", *(a["name"] for a in findings["adapters"] if a["role"] == "domain")}
    rows = [r for r in rows if r["adapter"] in known]
    if not rows:
        return None
    axis = alt.Scale(domain=[0, 100])
    colour = adapter_colour(findings, base=True)
    panels = []
    for kind in dict.fromkeys(r["instrument"] for r in rows):
        chart = alt.Chart(alt.Data(values=[r for r in rows if r["instrument"] == kind]), title=kind)
        ends = alt.Chart(alt.Data(values=[{"a": 0, "b": 0}, {"a": 100, "b": 100}]))
        panels.append(
            alt.layer(
                ends.mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1).encode(
                    x=alt.X("a:Q", scale=axis), y=alt.Y("b:Q", scale=axis)
                ),
                chart.mark_line(strokeWidth=1.5, opacity=0.8).encode(
                    x=alt.X("sure:Q", scale=axis, title="share of the first answer, %"),
                    y=alt.Y("right:Q", scale=axis, title="right, %"),
                    color=colour,
                    order="sure:Q",
                ),
                chart.mark_point(filled=True, opacity=0.9).encode(
                    x="sure:Q", y="right:Q", color=colour, size=alt.Size("trials:Q", legend=None, scale=alt.Scale(range=[8, 90]))
                ),
            ).properties(width=210, height=190)
        )
    return alt.concat(*panels, columns=4)
