"""An effect that is not identified has bounds and no estimate, in whatever shows it."""

import json

import made_findings as made
import pytest

from holdfast.report import charts
from holdfast.report.page import _markdown, pictures

AT, BOUNDS = 0.0777, [-0.0613, 0.1429]


def unsure(bounds):
    of = made.cell(AT, verdict="not_identified", bounds=bounds)
    found = made.findings(("maths", "law", "code", "null_rows"))
    for a in found["adapters"]:
        a["gains"]["mmlu"], a["shifts"]["imitation"] = of, made.shift(of)
        a["effects"]["imitation"] = {"raw_imitation": of}
    found["contrasts"] = [{**c, **of} if c["axis"] == "imitation" else c for c in found["contrasts"]]
    for d in found["dose"]:
        d["shifts"]["imitation"] = [of, of]
    return made.record(found)


def numbers(value):
    if isinstance(value, dict):
        value = list(value.values())
    return [n for v in value for n in numbers(v)] if isinstance(value, list) else [value] if isinstance(value, float) else []


@pytest.mark.slow
@pytest.mark.parametrize("bounds", [BOUNDS, None])
def test_no_picture_has_its_estimate(bounds):
    found = unsure(bounds)
    drawn = {name: json.loads(chart.to_json()) for name, chart in pictures(found, [], []).items() if chart is not None}
    assert {"forest", "tradeoff", "heat", "profiles", "bars", "contrasts", "paths", "raw"} <= drawn.keys()
    of = {100 * AT, 100 * (0.5 + AT), 100 * (AT - 0.02), 100 * (AT + 0.02)}
    assert not {name for name, chart in drawn.items() if of & set(numbers(chart))}
    for name in ("forest", "tradeoff"):
        assert (100 * BOUNDS[0] in numbers(drawn[name])) == (bounds is not None)


def test_a_line_of_bounds_has_no_mark():
    found = unsure(BOUNDS)
    rows = [r for r in charts.effect_rows(found, "claim", bounded=True) if r["instrument"] == "imitation"]
    assert rows and all(r["points"] is None and [r["lower"], r["upper"]] == [100 * b for b in BOUNDS] for r in rows)
    assert not any(r["instrument"] == "imitation" for r in charts.effect_rows(found, "claim"))
    assert {r["axis"] for r in charts.raw(found).to_dict()["data"]["values"]} == {"doubt"}


def test_the_markdown_of_a_page_says_the_bounds():
    for bounds, expected in ((BOUNDS, "bounds [-6.1, +14.3] not_identified"), (None, "unknown not_identified")):
        said = _markdown(unsure(bounds), [])
        assert expected in said and "+7.8" not in said
