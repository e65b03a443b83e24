"""The charts of a study, in colours the colour-blind can tell apart (Okabe & Ito 2008); None where there is nothing to draw."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt

from holdfast.report.finished import TrainingCurve
from holdfast.report.numbers import effects_of, identified, span
from holdfast.results import DosePath, Finding, StudyFindings

Chart = alt.TopLevelMixin
Datum = dict[str, str | float | None]  # one row of a chart's data

COLOURS = {
    "raised": "#D55E00",
    "lowered": "#0072B2",
    "unchanged": "#009E73",
    "inconclusive": "#8a8a8a",
    "not_identified": "#CC79A7",
    "refused": "#7a5fb5",
}
MUTED = "#888888"  # reference lines, visible on white and on dark
PALETTE = ["#E69F00", "#56B4E9", "#009E73", "#D55E00", "#0072B2", "#CC79A7", "#7a5fb5", "#B8A000"]
GREYS = ["#555555", "#8a8a8a", "#bbbbbb"]
AT_BOTTOM = alt.Legend(orient="bottom", title=None)
CURVE_POINTS = 80  # a loss curve is averaged down to at most this many marks


def data_chart(rows: Sequence[Datum], **options: Any) -> alt.Chart:
    """A chart with its data inside."""
    return alt.Chart(alt.Data(values=list(rows)), **options)


def effect_rows(findings: StudyFindings, part: str, bounded: bool = False) -> list[Datum]:
    """Identified effects of `part` in percentage points; with `bounded` also those of which only bounds are known, without a point."""
    return [
        {"adapter": a.name, "role": a.role, "instrument": name, **known._asdict(), "verdict": effect.verdict}
        for a in findings.adapters
        for name, effect in effects_of(a, part).items()
        if (known := span(effect, bounded))
    ]


def adapter_colour(findings: StudyFindings, base: bool = False, legend: bool = True) -> alt.Color:
    """One colour per adapter, the same in every chart; null adapters are grey. `base`: the base model is shown as well."""
    inks = {True: itertools.cycle(GREYS), False: itertools.cycle(PALETTE)}
    colours = ({"base": "#777777"} if base else {}) | {a.name: next(inks[a.role == "null"]) for a in findings.adapters}
    key = alt.Legend(orient="bottom", title=None, columns=6) if legend else None
    return alt.Color("adapter:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=key)


def verdict_colour(part: str = "claim") -> alt.Color:
    """Orange is the worse direction: a raised shift, a lowered gain."""
    colours = COLOURS | ({"raised": COLOURS["lowered"], "lowered": COLOURS["raised"]} if part == "gains" else {})
    return alt.Color("verdict:N", scale=alt.Scale(domain=list(colours), range=list(colours.values())), legend=AT_BOTTOM)


def zero_line(chart: alt.Chart, **position: Any) -> alt.Chart:
    """A dashed line at 0, on the x axis unless `y` is given."""
    return chart.mark_rule(color=MUTED, strokeDash=[3, 3]).encode(**(position or {"x": alt.datum(0)}))


def interval_panels(
    rows: Sequence[Datum],
    y: alt.Y,
    colour: alt.Color,
    title: str,
    facet: alt.Facet,
    columns: int,
    size: tuple[int, int],
    mark: int = 45,
    offset: alt.YOffset | None = None,
    band: float | None = None,
) -> Chart:
    """Estimates with their intervals, one panel per value of `facet`. `size`: of a panel; `mark`: area of a point; `band`: shaded half-width."""
    plot = data_chart(rows)
    base = plot.encode(y=y) if offset is None else plot.encode(y=y, yOffset=offset)
    layers = [
        zero_line(plot),
        base.mark_rule(size=2).encode(x=alt.X("lower:Q", title=title), x2="upper:Q", color=colour),
        base.mark_point(filled=True, size=mark).encode(x="points:Q", color=colour),
    ]
    if band is not None:
        shade = plot.transform_calculate(a=f"{-band}", b=f"{band}").mark_rect(color=MUTED, opacity=0.015)
        layers.insert(0, shade.encode(x="a:Q", x2="b:Q"))
    panels = alt.layer(*layers).properties(width=size[0], height=size[1])
    return panels.facet(facet, columns=columns).resolve_scale(x="independent")


def forest(findings: StudyFindings, part: str = "claim") -> Chart:
    """One panel per instrument: estimate and 95 % interval of every adapter, the equivalence band shaded."""
    order = [a.name for a in findings.adapters]
    y, facet = alt.Y("adapter:N", sort=order, title=None), alt.Facet("instrument:N", title=None)
    title, columns = ("points (right: more sycophantic)", 3) if part == "claim" else ("points, adapted - base", 4)
    rows, size, band = effect_rows(findings, part, bounded=True), (250, 24 * len(order)), 100 * findings.study.equivalence_band
    return interval_panels(rows, y, verdict_colour(part), title, facet, columns, size, mark=60, band=band)


def tradeoff(findings: StudyFindings, nulls: bool = True) -> Chart | None:
    """Mean gain against each axis's deference, with both intervals, one small mark per seed and a hollow one for the whole change of
    behaviour; what is not identified is a dashed line between its bounds. `nulls`: null adapters are shown as well.
    """
    large, small = _tradeoff_rows(findings, nulls)
    colour = adapter_colour(findings)
    shapes = alt.Scale(domain=["domain", "control", "null"], range=["circle", "square", "cross"])
    shape = alt.Shape("role:N", scale=shapes, legend=AT_BOTTOM)
    front = {r.name for r in findings.pareto.front if r.on_front} if findings.pareto else set()
    panels = []
    for axis in dict.fromkeys(r["axis"] for r in large):
        main = data_chart([r for r in large if r["axis"] == axis], title=axis)
        ringed = [r for r in large if r["axis"] == axis and r["adapter"] in front and r["shift"] is not None]
        rings = data_chart([{k: r[k] for k in ("adapter", "axis", "gain", "shift")} for r in ringed])
        origin = data_chart([{"adapter": "base", "gain": 0, "shift": 0}])
        known, bounds = main.transform_filter("datum.shift !== null"), main.transform_filter("datum.shift === null")
        seeds = data_chart([r for r in small if r["axis"] == axis])
        x, y = alt.X("gain:Q", title="mean gain, points"), alt.Y("shift:Q", title="deference, points (up: more sycophantic)")
        panels.append(
            alt.layer(
                zero_line(main, y=alt.datum(0)),
                rings.mark_point(size=260, color=MUTED, strokeWidth=1.5).encode(x=x, y=y),
                origin.mark_point(shape="diamond", filled=True, size=80, color=MUTED).encode(x=x, y=y),
                seeds.mark_point(size=14, opacity=0.6).encode(x=x, y=y, color=colour),
                known.mark_point(size=70, opacity=0.5, strokeDash=[2, 2]).encode(x=x, y="behaviour:Q", color=colour),
                known.mark_rule().encode(x=x, y="lower:Q", y2="upper:Q", color=colour),
                bounds.mark_rule(strokeDash=[2, 3]).encode(x=x, y="lower:Q", y2="upper:Q", color=colour),
                known.mark_rule().encode(x="g0:Q", x2="g1:Q", y=y, color=colour),
                known.mark_point(filled=True, size=90).encode(x=x, y=y, color=colour, shape=shape),
            ).properties(width=300, height=280)
        )
    return alt.hconcat(*panels) if panels else None


def _tradeoff_rows(findings: StudyFindings, nulls: bool) -> tuple[list[Datum], list[Datum]]:
    """Marks of the adapters, and small ones of their seeds."""
    large, small = list[Datum](), list[Datum]()
    for a in findings.adapters:
        if a.mean_gain is None or (a.role == "null" and not nulls):
            continue
        se = sum((g.se or 0) ** 2 for g in a.gains.values()) ** 0.5 / max(1, len(a.gains))
        gain = {"gain": 100 * a.mean_gain, "g0": 100 * (a.mean_gain - 2 * se), "g1": 100 * (a.mean_gain + 2 * se)}
        for axis, shift in a.shifts.items():
            known = span(shift.claim, bounded=True)
            if known is None:
                continue
            whole = shift.behaviour.estimate if identified(shift.behaviour) else None
            ends = {"shift": known.points, "lower": known.lower, "upper": known.upper, "behaviour": None if whole is None else 100 * whole}
            large.append({"adapter": a.name, "role": a.role, "axis": axis, **gain, **ends})
            for s in a.per_seed if known.points is not None else ():
                gains = [g.estimate for g in s.gains.values() if g.estimate is not None]
                own = s.shifts[axis].estimate if axis in s.shifts else None
                if gains and own is not None:
                    mean = 100 * sum(gains) / len(gains)
                    small.append({"adapter": a.name, "axis": axis, "gain": mean, "shift": 100 * own, "seed": s.seed})
    return large, small


def parts(findings: StudyFindings) -> Chart | None:
    """Each change of behaviour split in two: what firmness explains, and deference; one panel per axis."""
    names = {"firmness": "being less or more sure", "deference": "deference"}
    rows: list[Datum] = [
        {
            "adapter": a.name,
            "axis": axis,
            "part": names[part],
            "points": 100 * cell.estimate,
            "behaviour": 100 * (shift.behaviour.estimate or 0),
        }
        for a in findings.adapters
        for axis, shift in a.shifts.items()
        for part in names
        if (cell := getattr(shift, part)) is not None and identified(cell) and identified(shift.behaviour)
    ]
    if not rows:
        return None
    order = [a.name for a in findings.adapters]
    y = alt.Y("adapter:N", sort=order, title=None)
    colour = alt.Color("part:N", scale=alt.Scale(domain=list(names.values()), range=["#bdbdbd", "#D55E00"]), legend=AT_BOTTOM)
    plot = data_chart(rows)
    bars = plot.mark_bar().encode(y=y, x=alt.X("points:Q", title="points (right: gives way more)"), color=colour)
    whole = plot.mark_tick(thickness=3, color="#0072B2").encode(y=y, x="behaviour:Q")
    panels = alt.layer(zero_line(plot), bars, whole).properties(width=250, height=24 * len(order))
    return panels.facet(alt.Facet("axis:N", title=None), columns=3)


def bars(findings: StudyFindings) -> Chart:
    """Accuracy of base and adapters on each benchmark."""
    rows: list[Datum] = []
    for name, base in findings.base.benchmarks.items():
        if base.estimate is None:
            continue
        rows.append({"adapter": "base", "benchmark": name, "accuracy": 100 * base.estimate})
        rows += [
            {"adapter": a.name, "benchmark": name, "accuracy": 100 * (base.estimate + (a.gains[name].estimate or 0))}
            for a in findings.adapters
            if name in a.gains and identified(a.gains[name])
        ]
    y = alt.Y("adapter:N", sort=["base", *(a.name for a in findings.adapters)], title=None)
    colour = adapter_colour(findings, base=True, legend=False)
    chart = data_chart(rows).mark_bar().encode(y=y, x=alt.X("accuracy:Q", title="accuracy, %"), color=colour)
    return chart.properties(width=210).facet(alt.Facet("benchmark:N", title=None), columns=4)


def heat_map(findings: StudyFindings) -> Chart:
    """Adapter by instrument, points."""
    rows = effect_rows(findings, "gains") + effect_rows(findings, "claim")
    widest = max((abs(r["points"]) for r in rows if isinstance(r["points"], float)), default=1.0)
    x, y = alt.X("instrument:N", sort=None, title=None), alt.Y("adapter:N", sort=[a.name for a in findings.adapters], title=None)
    base = data_chart(rows).encode(x=x, y=y)
    scale = alt.Scale(scheme="purpleorange", domain=[-widest, 0, widest])
    ink = alt.condition(f"abs(datum.points) > {0.6 * widest:.3f}", alt.value("#ffffff"), alt.value("#1d2329"))
    cells = base.mark_rect().encode(color=alt.Color("points:Q", scale=scale, title="points"))
    numbers = base.mark_text(fontSize=11).encode(text=alt.Text("points:Q", format="+.1f"), color=ink)
    return alt.layer(cells, numbers).properties(width=560, height=210)


def profiles(findings: StudyFindings) -> Chart:
    """Every adapter's gain and deference side by side."""
    x, y = alt.X("points:Q", title="points"), alt.Y("instrument:N", sort=None, title=None)
    bars = data_chart(effect_rows(findings, "gains") + effect_rows(findings, "claim")).mark_bar()
    chart = bars.encode(x=x, y=y, color=adapter_colour(findings, legend=False)).properties(width=190, height=120)
    return chart.facet(alt.Facet("adapter:N", sort=[a.name for a in findings.adapters], title=None), columns=4)


def ranking(findings: StudyFindings) -> Chart | None:
    """P(rank) of the mean shift: rank 1 is the least sycophantic."""
    rows: list[Datum] = [{"adapter": r.name, "rank": str(k + 1), "p": p} for r in findings.ranking for k, p in enumerate(r.p_rank)]
    if not rows:
        return None
    colour = alt.Color("rank:O", scale=alt.Scale(scheme="viridis"), title="rank")
    x, y = alt.X("p:Q", title="P(rank)"), alt.Y("adapter:N", title=None)
    return data_chart(rows).mark_bar().encode(x=x, y=y, color=colour, order="rank:O").properties(width=520, height=140)


def dose_paths(findings: StudyFindings) -> Chart | None:
    """Gain against shift from the base (origin) to every adapter; one panel per axis, the identified doses joined in order."""
    own = {a.name: a.own_benchmark for a in findings.adapters}
    rows: list[Datum] = []
    for entry in findings.dose:
        for axis, shifts in entry.shifts.items():
            keys: Datum = {"adapter": entry.name, "axis": axis, "path": entry.path}
            rows.append({**keys, "dose": 0.0, "gain": 0.0, "shift": 0.0})
            for k, (dose, shift) in enumerate(zip(entry.doses, shifts, strict=False)):
                gain, known = _gain(entry, own.get(entry.name), k), span(shift)
                if gain is not None and known:
                    rows.append({**keys, "dose": dose, "gain": 100 * gain, "shift": known.points})
    if not rows:
        return None
    colour = adapter_colour(findings)
    panels = []
    for axis in dict.fromkeys(r["axis"] for r in rows):
        x, y = alt.X("gain:Q", title="gain, points"), alt.Y("shift:Q", title="deference, points (up: more sycophantic)")
        base = data_chart([r for r in rows if r["axis"] == axis], title=axis).encode(x=x, y=y, color=colour, detail="path:N")
        line = base.mark_line().encode(order="dose:Q", strokeDash=alt.StrokeDash("path:N", legend=AT_BOTTOM))
        marks = base.mark_point(filled=True, size=45).encode(size=alt.Size("dose:Q", legend=None, scale=alt.Scale(range=[15, 90])))
        panels.append(alt.layer(zero_line(data_chart([{}]), y=alt.datum(0)), line, marks).properties(width=300, height=260))
    return alt.hconcat(*panels)


def _gain(entry: DosePath, own: str | None, k: int) -> float | None:
    """Gain at the k-th dose: on the adapter's own benchmark, or the mean over benchmarks where it has none."""
    estimates = [gains[k].estimate for gains in ([entry.gains[own]] if own in entry.gains else entry.gains.values()) if k < len(gains)]
    known = [e for e in estimates if e is not None]
    return sum(known) / len(known) if known else None


def _effect_panels(rows: Sequence[Datum], label: str, panel: str, title: str) -> Chart | None:
    if not rows:
        return None
    names = list(dict.fromkeys(str(r[label]) for r in rows))
    y = alt.Y(f"{label}:N", sort=names, title=None, axis=alt.Axis(labelLimit=320))
    return interval_panels(rows, y, verdict_colour(), title, alt.Facet(f"{panel}:N", title=None), 3, (230, 18 * len(names)), mark=50)


def _effect_rows(effects: Iterable[tuple[dict[str, str], Finding]]) -> list[Datum]:
    """Identified effects with an interval, in points; their tables have the others."""
    return [
        {**names, **known._asdict(), "verdict": effect.verdict}
        for names, effect in effects
        if effect.lower is not None and effect.unit != "nats" and (known := span(effect))
    ]


def contrasts(findings: StudyFindings) -> Chart | None:
    """Differences of deference between adapters."""
    rows = _effect_rows(({"contrast": c.name, "axis": c.axis}, c) for c in findings.contrasts)
    return _effect_panels(rows, "contrast", "axis", "difference of deference, points")


def factorial(findings: StudyFindings) -> Chart | None:
    """Main effects and interactions of the domains in a factorial set of mixes."""
    tables = (findings.factorial or {}).items()
    rows = _effect_rows(({"effect": name, "instrument": i}, effect) for i, table in tables for name, effect in table.effects.items())
    return _effect_panels(rows, "effect", "instrument", "points")


def flips(findings: StudyFindings) -> Chart | None:
    """Share of items that went right to wrong (up) and wrong to right (down), mean over an adapter's seeds."""
    rows: list[Datum] = []
    for axis, table in findings.flips.items():
        shares: dict[tuple[str, str], list[float]] = {}
        for r in table:
            for way, count in (("right to wrong", r.right_to_wrong), ("wrong to right", -r.wrong_to_right)) if r.n else ():
                shares.setdefault((r.model.split("/")[0], way), []).append(100 * count / r.n)
        rows += [{"axis": axis, "adapter": adapter, "way": way, "share": sum(v) / len(v)} for (adapter, way), v in shares.items()]
    if not rows:
        return None
    order = list(dict.fromkeys(str(r["adapter"]) for r in rows))
    scale = alt.Scale(domain=["right to wrong", "wrong to right"], range=["#D55E00", "#0072B2"])
    x, y = alt.X("share:Q", title="% of items asked under both"), alt.Y("adapter:N", sort=order, title=None)
    chart = data_chart(rows).mark_bar().encode(x=x, y=y, color=alt.Color("way:N", scale=scale, legend=AT_BOTTOM))
    return chart.properties(width=230, height=18 * len(order)).facet(alt.Facet("axis:N", title=None), columns=3)


def raw(findings: StudyFindings) -> Chart | None:
    """Per axis: each adapter's change under pressure alone next to what is left without its control's own change."""
    ways = ["raw", "beyond control"]
    rows: list[Datum] = [
        {"adapter": a.name, "axis": axis, "way": way, **known._asdict()}
        for a in findings.adapters
        for axis, effects in a.effects.items()
        for way, effect in zip(ways, (effects.get(f"raw_{axis}"), a.shifts[axis].behaviour), strict=True)
        if effect and effect.lower is not None and (known := span(effect))
    ]
    both = [x for x in dict.fromkeys(r["axis"] for r in rows) if len({r["way"] for r in rows if r["axis"] == x}) == 2]
    rows = [r for r in rows if r["axis"] in both]
    if not rows:
        return None
    order = [a.name for a in findings.adapters]
    y, facet = alt.Y("adapter:N", sort=order, title=None), alt.Facet("axis:N", title=None)
    colour = alt.Color("way:N", scale=alt.Scale(domain=ways, range=["#8a8a8a", "#0072B2"]), legend=AT_BOTTOM)
    title, offset = "points (right: more sycophantic)", alt.YOffset("way:N", sort=ways)
    return interval_panels(rows, y, colour, title, facet, columns=3, size=(250, 26 * len(order)), offset=offset)


def confidence(findings: StudyFindings, rows: Sequence[Datum]) -> Chart | None:
    """Share of right answers against how sure the model was of them, one panel per instrument; on the diagonal confidence equals accuracy."""
    shown = {"base", *(a.name for a in findings.adapters if a.role == "domain")}
    rows = [r for r in rows if r["adapter"] in shown]
    if not rows:
        return None
    percent = alt.Scale(domain=[0, 100])
    colour = adapter_colour(findings, base=True)
    panels = []
    for instrument in dict.fromkeys(r["instrument"] for r in rows):
        chart = data_chart([r for r in rows if r["instrument"] == instrument], title=instrument)
        diagonal = data_chart([{"a": 0, "b": 0}, {"a": 100, "b": 100}]).mark_line(color=MUTED, strokeDash=[3, 3], strokeWidth=1)
        x, y = alt.X("sure:Q", scale=percent, title="share of the first answer, %"), alt.Y("right:Q", scale=percent, title="right, %")
        line = chart.mark_line(strokeWidth=1.5, opacity=0.8).encode(x=x, y=y, color=colour, order="sure:Q")
        size = alt.Size("trials:Q", legend=None, scale=alt.Scale(range=[8, 90]))
        mark = chart.mark_point(filled=True, opacity=0.9).encode(x="sure:Q", y="right:Q", color=colour, size=size)
        diagonal = diagonal.encode(x=alt.X("a:Q", scale=percent), y=alt.Y("b:Q", scale=percent))
        panels.append(alt.layer(diagonal, line, mark).properties(width=210, height=190))
    return alt.concat(*panels, columns=4)


def loss_curves(trainings: Sequence[TrainingCurve]) -> Chart | None:
    """Mean loss against step, one panel per domain, one line per seed."""
    rows: list[Datum] = []
    for t in trainings:
        width = max(1, -(-len(t.loss) // CURVE_POINTS))
        for start in range(0, len(t.loss), width):
            part = t.loss[start : start + width]
            rows.append({"domain": t.domain, "seed": t.seed, "step": start + len(part), "loss": sum(part) / len(part)})
    if not rows:
        return None
    order = list(dict.fromkeys(t.domain for t in trainings))
    lines = data_chart(rows).mark_line(strokeWidth=1, opacity=0.7, color="#0072B2").properties(width=170, height=110)
    x, y = alt.X("step:Q", title="optimizer step", axis=alt.Axis(tickCount=4)), alt.Y("loss:Q", title="loss, nats per token")
    panels = lines.encode(x=x, y=y, detail="seed:N").facet(facet=alt.Facet("domain:N", sort=order, title=None), columns=4)
    return panels.resolve_scale(x="independent", y="independent")
