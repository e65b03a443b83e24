"""A calibration for people: a table of 80 columns, two charts, a page of HTML and one of Markdown. Every number comes from the result."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterable
from importlib import resources
from typing import TYPE_CHECKING

from holdfast.instruments import available
from holdfast_calibration.records import Calibration, MetricRow, StudyRates
from holdfast_calibration.run import COVERAGE_LIMITS, limits
from holdfast_calibration.simulate import CLAIMS

if TYPE_CHECKING:
    import altair as alt

WIDTH = 80
KINDS = {"level": "levels of a model", "change": "gains, shifts and effects of adapters"}


def _in_nats(row: MetricRow) -> bool:
    """Whether a metric is a difference of log-likelihoods, which is on another scale than the shares next to it."""
    name, _, metric = row.metric.partition(" ")
    return any(c.name == metric and c.unit == "nats" for c in available()[name].contrasts)


def _percent(part: StudyRates, name: str) -> str:
    r = part.rates.get(name)
    return "-" if not r or r.rate is None or r.se is None else f"{100 * r.rate:.1f} ± {100 * r.se:.1f}"


def recovery_lines(calibration: Calibration) -> list[str]:
    """One line per instrument: how many metrics were planted, recovered, inside their 95 % interval, and the largest error."""
    groups: dict[str, list[MetricRow]] = {}
    for row in calibration.recovery.rows:
        groups.setdefault(f"{row.questionnaire} {row.metric.split()[0]}", []).append(row)
    out = [f"{'planted against recovered':28s}{'metrics':>9s}{'recovered':>11s}{'in 95 %':>9s}{'exact':>8s}{'worst error':>13s}"]
    for label, rows in groups.items():
        chance, exact = [r for r in rows if r.model != "certain"], [r for r in rows if r.model == "certain"]
        certain = f"{sum(r.inside for r in exact)}/{len(exact)}"
        worst = max(_error(r) for r in chance if not _in_nats(r))
        out.append(
            f"{label:28s}{len(rows):9d}{sum(r.recovered_it for r in rows):11d}"
            f"{100 * sum(r.inside for r in chance) / len(chance):9.0f}{certain:>8s}{worst:13.3f}"
        )
    return out


def _error(row: MetricRow) -> float:
    return 0.0 if row.recovered is None or row.planted is None else abs(row.recovered - row.planted)


def study_lines(calibration: Calibration) -> list[str]:
    """Per scenario: coverage without and with effects, family-wise false verdicts, false equivalence; per cent with Monte Carlo errors."""
    out = [f"{'studies, per cent':22s}{'coverage':>11s}{'with effects':>13s}{'false verdict':>14s}{'wrong unchanged':>18s}"]
    for null, edge in _pairs(calibration):
        out.append(
            f"{null.scenario:22s}{_percent(null, 'coverage'):>11s}{_percent(edge, 'coverage'):>13s}"
            f"{_percent(null, 'false_verdict'):>14s}{_percent(edge, 'false_unchanged'):>18s}"
        )
    paired = [p for p in _parts(calibration) if (r := p.rates.get("pair_false_verdict")) and r.rate is not None]
    out.append("adapters that differ only in seed, studies with any verdict between two:")
    out += [f"  {p.scenario:20s}{_percent(p, 'pair_false_verdict'):>11s}" for p in paired]
    worst = [(r.rate, n) for n, _ in _pairs(calibration) if (r := n.rates["worst_coverage"]).rate is not None]
    least = min(worst, key=lambda pair: pair[0])[1]
    out.append(f"the domain covered least: {_percent(least, 'worst_coverage')} ({least.scenario})")
    return out


def _parts(calibration: Calibration) -> tuple[StudyRates, ...]:
    return (*calibration.studies, *calibration.whole)


def _pairs(calibration: Calibration) -> list[tuple[StudyRates, StudyRates]]:
    """(without effects, with effects) of every scenario."""
    parts = _parts(calibration)
    edge = {p.scenario: p for p in parts if p.truth == "edge"}
    return [(p, edge[p.scenario]) for p in parts if p.truth == "null"]


def text(calibration: Calibration) -> str:
    """What a terminal shows."""
    lines = [*recovery_lines(calibration), "", *study_lines(calibration), "", *organism_lines(calibration)]
    lines += _folded(f"known limit: {p}" for p in limits(calibration))
    if calibration.problems:
        lines += [f"{len(calibration.problems)} beyond what is promised:", *_folded(f"  {p}" for p in calibration.problems)]
    else:
        lines.append("every planted value recovered; every rate within its limit")
    return "\n".join(lines)


def organism_lines(calibration: Calibration) -> list[str]:
    """Trained organisms, where there are any: planted rate and what was recovered, by axis."""
    axes = (calibration.organisms or {"axes": {}})["axes"]
    lines = [
        f"  {axis:12s} planted {c['rate']:.3f}  recovered {c['yield']['recovered']['estimate']:.3f}"
        for axis, cells in axes.items()
        for c in cells
    ]
    return ["trained organisms:", *lines, ""] if lines else []


def _folded(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent="    ")]


def charts(calibration: Calibration) -> tuple[str, str]:
    """(planted against recovered with the diagonal; coverage by scenario with the promised band), each as SVG."""
    from holdfast.report.render import svg

    return svg(_planted_chart(calibration)), svg(_coverage_chart(calibration))


def _planted_chart(calibration: Calibration) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    rows = [
        {"planted": r.planted, "recovered": r.recovered, "what": KINDS[r.kind], "metric": r.metric}
        for r in calibration.recovery.rows
        if r.recovered is not None and not _in_nats(r)
    ]
    ends = alt.Chart(alt.Data(values=[{"x": -1, "y": -1}, {"x": 1, "y": 1}]))
    diagonal = ends.mark_line(color="#888888", strokeDash=[4, 3]).encode(x="x:Q", y="y:Q")
    color = alt.Color("what:N", scale=alt.Scale(range=["#0072B2", "#D55E00"]), legend=alt.Legend(orient="bottom", title=None))
    points = alt.Chart(alt.Data(values=rows)).mark_circle(size=22, opacity=0.55)
    shown = points.encode(x=alt.X("planted:Q", title="planted"), y=alt.Y("recovered:Q", title="recovered"), color=color)
    return alt.layer(diagonal, shown).properties(width=460, height=420)


def _coverage_chart(calibration: Calibration) -> alt.LayerChart | alt.FacetChart:
    import altair as alt

    rates = [(p, c.rate, c.se) for p in _parts(calibration) if (c := p.rates["coverage"])]
    rows = [
        {
            "scenario": p.scenario, "truth": {"null": "no effect", "edge": "effects"}[p.truth], "coverage": 100 * rate,
            "low": 100 * (rate - 2 * se), "high": 100 * (rate + 2 * se),
        }
        for p, rate, se in rates
        if rate is not None and se is not None
    ]  # fmt: skip
    order = list(dict.fromkeys(r["scenario"] for r in rows))
    low, high = (100 * x for x in COVERAGE_LIMITS)
    scale = alt.Scale(domain=[min(90.0, *(r["low"] for r in rows)), max(100.0, *(r["high"] for r in rows))])
    zone = alt.Chart(alt.Data(values=[{"a": low, "b": high}])).mark_rect(color="#dff0e6").encode(x=alt.X("a:Q", scale=scale), x2="b:Q")
    color = alt.Color("truth:N", scale=alt.Scale(range=["#D55E00", "#0072B2"]), legend=alt.Legend(orient="bottom", title=None))
    y, offset = alt.Y("scenario:N", sort=order, title=None), alt.YOffset("truth:N")
    base = alt.Chart(alt.Data(values=rows)).encode(y=y, yOffset=offset, color=color)
    bar = base.mark_rule(size=2).encode(x=alt.X("low:Q", title="95 % intervals that hold the truth, per cent"), x2="high:Q")
    point = base.mark_point(filled=True, size=50).encode(x="coverage:Q")
    return alt.layer(zone, bar, point).properties(width=460, height=32 * len(order))


def _template(name: str) -> str:
    return resources.files("holdfast_calibration").joinpath(name).read_text(encoding="utf-8")


def page(calibration: Calibration) -> str:
    """One offline HTML page."""
    planted, coverage = charts(calibration)
    return _template("page.html").format(planted=planted, coverage=coverage, numbers=html.escape(text(calibration)))


NO_ORGANISMS = (
    "None in this run. [Organisms](organisms.md) are trained with `python -m experiments.organisms --out OUT/organisms`; `holdfast calibrate -o OUT` then "
    "includes `OUT/organisms/organisms.json`, unless `--no-organisms` is given."
)


def markdown(calibration: Calibration) -> str:
    """The page of the documentation; its numbers are all rendered from the result."""
    rows = calibration.recovery.rows
    chance = [r for r in rows if r.model != "certain"]
    verdicts = [(model, v) for q in calibration.recovery.verdicts.values() for model, mine in q.items() for v in mine.values()]
    same = [v in CLAIMS for model, v in verdicts if model == "same"]
    changed = [v in CLAIMS for model, v in verdicts if model in ("more", "less")]
    organisms = "\n".join(organism_lines(calibration)).rstrip()
    return _template("page.md").format(
        **calibration.settings.model_dump(),
        recovery="\n".join(recovery_lines(calibration)),
        num_recovered=sum(r.recovered_it for r in rows),
        num_metrics=len(rows),
        num_chance=len(chance),
        share=100 * sum(r.inside for r in chance) / len(chance),
        error=100 * math.sqrt(0.95 * 0.05 / len(chance)),
        num_changed=len(changed),
        num_claimed=sum(changed),
        num_same=len(same),
        num_false=sum(same),
        studies="\n".join(study_lines(calibration)),
        scenarios="\n".join(_scenario_row(null, edge) for null, edge in _pairs(calibration)),
        organisms=f"```\n{organisms}\n```" if organisms else NO_ORGANISMS,
        problems="\n".join([f"- {p}." for p in calibration.problems or ["None"]] + [f"- Known limit: {p}." for p in limits(calibration)]),
    )


def _scenario_row(null: StudyRates, edge: StudyRates) -> str:
    cells = [(null, "coverage"), (null, "worst_coverage"), (null, "unchanged"), (edge, "detected"), (null, "width")]
    return f"| {null.scenario} | {null.says} | {' | '.join(_percent(part, name) for part, name in cells)} |"
