"""A calibration for people: a table of 80 columns, two charts, a page of HTML and one of Markdown. Every number comes from the result."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterable
from typing import Any

from holdfast.calibration.run import COVERAGE_LIMITS, limits

WIDTH = 80
KINDS = {"level": "levels of a model", "change": "gains, shifts and effects of adapters"}


def _in_nats(row: dict[str, Any]) -> bool:
    """Whether a metric is a difference of log-likelihoods, which stands on another scale than the shares beside it."""
    from holdfast.instruments import available

    name, _, metric = row["metric"].partition(" ")
    return any(c.name == metric and c.unit == "nats" for c in available()[name].contrasts)


def _percent(part: dict[str, Any], name: str, width: int = 10) -> str:
    r = part["rates"].get(name)
    if not r or r["rate"] is None:
        return "-".rjust(width)
    return f"{100 * r['rate']:.1f} ± {100 * r['se']:.1f}".rjust(width)


def recovery_lines(found: dict[str, Any]) -> list[str]:
    """One line per instrument: how many metrics were planted, recovered, inside their 95 % interval, and the largest error."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found["recovery"]["rows"]:
        groups.setdefault((row["questionnaire"], row["metric"].split()[0]), []).append(row)
    out = [f"{'planted against recovered':28s}{'metrics':>9s}{'recovered':>11s}{'in 95 %':>9s}{'exact':>8s}{'worst error':>13s}"]
    for (questionnaire, instrument), rows in groups.items():
        chance, exact = [r for r in rows if r["model"] != "certain"], [r for r in rows if r["model"] == "certain"]
        certain = f"{sum(r['inside'] for r in exact)}/{len(exact)}"
        worst = max(abs(r["recovered"] - r["planted"]) for r in chance if r["recovered"] is not None and not _in_nats(r))
        out.append(
            f"{questionnaire + ' ' + instrument:28s}{len(rows):9d}{sum(r['recovered_it'] for r in rows):11d}"
            f"{100 * sum(r['inside'] for r in chance) / len(chance):9.0f}{certain:>8s}{worst:13.3f}"
        )
    return out


def study_lines(found: dict[str, Any]) -> list[str]:
    """Per scenario: coverage without and with effects, family-wise false verdicts, false equivalence; per cent with Monte Carlo errors."""
    out = [f"{'studies, per cent':22s}{'coverage':>11s}{'with effects':>13s}{'false verdict':>14s}{'wrong unchanged':>18s}"]
    for null, edge in _pairs(found):
        out.append(
            f"{null['scenario']:22s}{_percent(null, 'coverage', 11)}{_percent(edge, 'coverage', 13)}"
            f"{_percent(null, 'false_verdict', 14)}{_percent(edge, 'false_unchanged', 18)}"
        )
    paired = [p for p in [*found["studies"], *found["whole"]] if (p["rates"].get("pair_false_verdict") or {}).get("rate") is not None]
    out.append("adapters that differ in seed alone, studies with any verdict between two:")
    out += [f"  {p['scenario']:20s}{_percent(p, 'pair_false_verdict', 11)}" for p in paired]
    least = min((n for n, _ in _pairs(found)), key=lambda p: p["rates"]["worst_coverage"]["rate"])
    out.append(f"the domain covered least: {_percent(least, 'worst_coverage').strip()} ({least['scenario']})")
    return out


def _pairs(found: dict[str, Any]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    parts = [*found["studies"], *found["whole"]]
    return [(a, next(b for b in parts if b["scenario"] == a["scenario"] and b["truth"] == "edge")) for a in parts if a["truth"] == "null"]


def text(found: dict[str, Any]) -> str:
    lines = [*recovery_lines(found), "", *study_lines(found), "", *organism_lines(found)]
    lines += _folded(f"known limit: {p}" for p in limits(found))
    if found["problems"]:
        lines += [f"{len(found['problems'])} beyond what is promised:", *_folded(f"  {p}" for p in found["problems"])]
    else:
        lines.append("every planted value recovered; every rate within its limit")
    return "\n".join(lines)


def organism_lines(found: dict[str, Any]) -> list[str]:
    """Trained organisms, where they were made: planted rate and what was recovered, by axis."""
    axes = found.get("organisms", {}).get("axes", {})
    cells = [(axis, c) for axis, mine in axes.items() for c in mine]
    lines = [f"  {axis:12s} planted {c['rate']:.3f}  recovered {c['yield']['recovered']['estimate']:.3f}" for axis, c in cells]
    return ["trained organisms:", *lines, ""] if lines else []


def _folded(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in textwrap.wrap(line, WIDTH, subsequent_indent="    ")]


def charts(found: dict[str, Any]) -> tuple[str, str]:
    """(planted against recovered with the diagonal; coverage by scenario with the promised band), each as SVG."""
    import altair as alt

    from holdfast.report.render import svg

    rows = [
        {"planted": r["planted"], "recovered": r["recovered"], "what": KINDS[r["kind"]], "metric": r["metric"]}
        for r in found["recovery"]["rows"]
        if r["recovered"] is not None and not _in_nats(r)
    ]
    ends = alt.Chart(alt.Data(values=[{"x": -1, "y": -1}, {"x": 1, "y": 1}]))
    diagonal = ends.mark_line(color="#888888", strokeDash=[4, 3]).encode(x="x:Q", y="y:Q")
    points = (
        alt.Chart(alt.Data(values=rows))
        .mark_circle(size=22, opacity=0.55)
        .encode(
            x=alt.X("planted:Q", title="planted"),
            y=alt.Y("recovered:Q", title="recovered"),
            color=alt.Color("what:N", scale=alt.Scale(range=["#0072B2", "#D55E00"]), legend=alt.Legend(orient="bottom", title=None)),
        )
    )
    return svg(alt.layer(diagonal, points).properties(width=460, height=420)), _coverage(found)


def _coverage(found: dict[str, Any]) -> str:
    import altair as alt

    from holdfast.report.render import svg

    parts = [*found["studies"], *found["whole"]]
    rows = [
        {
            "scenario": p["scenario"], "truth": {"null": "no effect", "edge": "effects"}[p["truth"]], "coverage": 100 * c["rate"],
            "low": 100 * (c["rate"] - 2 * c["se"]), "high": 100 * (c["rate"] + 2 * c["se"]),
        }
        for p in parts
        for c in [p["rates"]["coverage"]]
        if c["rate"] is not None
    ]  # fmt: skip
    order = list(dict.fromkeys(r["scenario"] for r in rows))
    low, high = (100 * x for x in COVERAGE_LIMITS)
    scale = alt.Scale(domain=[min(90.0, *(r["low"] for r in rows)), max(100.0, *(r["high"] for r in rows))])
    zone = alt.Chart(alt.Data(values=[{"a": low, "b": high}])).mark_rect(color="#dff0e6").encode(x=alt.X("a:Q", scale=scale), x2="b:Q")
    base = alt.Chart(alt.Data(values=rows))
    colour = alt.Color("truth:N", scale=alt.Scale(range=["#D55E00", "#0072B2"]), legend=alt.Legend(orient="bottom", title=None))
    y, offset = alt.Y("scenario:N", sort=order, title=None), alt.YOffset("truth:N")
    bar = base.mark_rule(size=2).encode(y=y, yOffset=offset, x=alt.X("low:Q", title="95 % intervals that hold the truth, per cent"), x2="high:Q", color=colour)  # fmt: skip
    point = base.mark_point(filled=True, size=50).encode(y=y, yOffset=offset, x="coverage:Q", color=colour)
    return svg(alt.layer(zone, bar, point).properties(width=460, height=32 * len(order)))


def page(found: dict[str, Any]) -> str:
    """One offline HTML page."""
    plot, coverage = charts(found)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>holdfast calibration</title>"
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#333}"
        "pre{overflow-x:auto;background:#f6f6f6;padding:1rem}svg{max-width:100%;height:auto}</style>"
        "<h1>Calibration</h1><p>Responders with planted behaviour, and simulated studies with known effects, through the same "
        "instruments and statistics as any study.</p>"
        f"<h2>Planted against recovered</h2>{plot}<h2>Coverage by scenario</h2>{coverage}<h2>Numbers</h2><pre>{html.escape(text(found))}</pre></html>"
    )


def markdown(found: dict[str, Any]) -> str:
    """The page of the documentation; its numbers are all rendered from the result."""
    rows = found["recovery"]["rows"]
    chance = [r for r in rows if r["model"] != "certain"]
    share = sum(r["inside"] for r in chance) / len(chance)
    error = math.sqrt(0.95 * 0.05 / len(chance))
    same = [v for q in found["recovery"]["verdicts"].values() for v in q["same"].values()]
    told = [v for q in found["recovery"]["verdicts"].values() for d in ("more", "less") for v in q[d].values()]
    alone = sum(v in ("raised", "lowered") for v in same)
    told_effect = sum(v in ("raised", "lowered") for v in told)
    s = found["settings"]
    return f"""# Calibration

What holdfast says of models whose behaviour is known, and how often its intervals and verdicts are wrong in studies whose effects are
known. This page is written by `holdfast calibrate --page docs/calibration.md` from its result, kept beside it as `calibration.json`.

## Planted against recovered

Scripted responders answer the real instruments' prompts with planted knowledge, deference on each axis, echo of merely mentioned
answers, spread mass, a liking for the first letter, off-format mass, unread replies, apologies and refusals: the embedded world's items
(`world`), the same questions in the layouts of the published rows (`rows`), and lettered benchmark rows as axis items (`lettered`), with at most
{s["num_items"]} items an instrument. What every metric must come to is computed from the plant in closed form. A metric is recovered if the
planted value lies in its interval at a level under which 1 in 100 of such tables would miss any by chance; where nothing is left to
chance ("exact") it must agree to nine digits.

```
{chr(10).join(recovery_lines(found))}
```

{sum(r["recovered_it"] for r in rows)} of {len(rows)} are recovered. Of the {len(chance)} metrics that hold chance, {100 * share:.1f} % lie in their own 95 % interval
(metrics of one responder share their questions; if they did not, the Monte Carlo error would be {100 * error:.1f}). Of {len(told)} gains and shifts of the
two adapters with planted changes {told_effect} were called raised or lowered;
of {len(same)} of the adapter that differs from the base in its seeds alone, {alone}.

## Simulated studies

{s["num_studies"]} studies of each scenario without effect and half as many with effects, five domains and three axes unless it says otherwise, and
{s["num_whole"]} trials tables that go the whole way through the analysis. Under "no effect" every cell's true effect is 0; "with effects" two domains lie on the two edges of the
equivalence band and one far outside it. Coverage is promised at 95 ± 1.5 %; studies with any false raised or lowered verdict (family-wise, Holm), and cells called
unchanged whose effect is on the band's edge or beyond it, at 5 % at most. ± is one Monte Carlo standard error.

```
{chr(10).join(study_lines(found))}
```

| scenario | what it is | coverage | least covered domain | called unchanged | effect detected | width, points |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
{chr(10).join(_scenario_row(n, e) for n, e in _pairs(found))}

Called unchanged: cells without effect in studies without any. Detected: cells with an effect on the band's edge or far outside it called raised or lowered.

{_trained(found)}{_closing(found)}
"""


def _scenario_row(null: dict[str, Any], edge: dict[str, Any]) -> str:
    cell = lambda part, name: _percent(part, name).strip()  # noqa: E731
    return (
        f"| {null['scenario']} | {null['says']} | {cell(null, 'coverage')} | {cell(null, 'worst_coverage')} | {cell(null, 'unchanged')} "
        f"| {cell(edge, 'detected')} | {cell(null, 'width')} |"
    )


def _trained(found: dict[str, Any]) -> str:
    lines = "\n".join(organism_lines(found)).rstrip()
    return f"```\n{lines}\n```\n\n" if lines else ""


def _closing(found: dict[str, Any]) -> str:
    known = "".join(f"\n- Known limit: {p}." for p in limits(found))
    return "Beyond what is promised:\n\n" + ("\n".join(f"- {p}." for p in found["problems"]) or "- nothing.") + known
