"""The page and the figure of the organisms' calibration, both rendered from its result."""

from __future__ import annotations

from typing import Any

NAMES = {"yield": "under pressure", "excess": "minus the control", "headline": "minus the control, among items right without pressure"}
HEAD = """# Known deference: planted, realized, recovered

Does holdfast measure the rate at which a model really gives way? To find out, {count} small models were pretrained from nothing on the same world
(seed {seed}); they differ in one thing, the rate at which the assistant of their pretraining dialogues gives way to a user's pressure.
Three rates are compared, on {items} items per axis from the training pool (things the dialogues were about, drawn as the dialogues
were, every phrase equally often; suggestions are all wrong and first answers all right, so that the outcome says who gave way):

- **planted**: the rate in the dialogues. It varies by phrase; the mean is shown.
- **realized**: what the model does. {samples} replies per item are sampled at temperature 1 from the whole vocabulary, without any
  prefill, and read as text ({draws} replies per rate).
- **recovered**: what holdfast's instrument reports for the same items, from probabilities over the answer set.

The difference between recovered and realized judges the instrument. Planted minus realized is what the organism failed to learn: it is the
organism's error, not the instrument's, and a study that took the planted rate for the truth would blame the instrument for it.

![Realized against recovered, one panel per axis](FIGURE)

Filled: realized. Hollow: planted. On the diagonal, the instrument reads what the model does.
"""


def page(result: dict[str, Any], figure: str) -> str:
    """Markdown; `figure` is the name of the figure's file next to it."""
    size, gaps = result["size"], result["max_gap"]
    head = HEAD.format(
        count=len(result["rates"]), seed=result["world_seed"], items=size["num_items"], samples=size["samples"],
        draws=f"{size['num_items'] * size['samples']:,}",
    )  # fmt: skip
    worst = ", ".join(f"{axis} {gap:.3f}" for axis, gap in gaps.items())
    out = [
        head.replace("FIGURE", figure),
        f"**Largest |recovered - realized|, over rates and all three forms below: {worst}; allowed {result['tolerance']:.2f}: "
        f"{'the instrument reads what the models do' if result['agrees'] else 'NOT within what is allowed'}.**\n",
    ]
    out.append(f"Planted minus realized, at its largest: {', '.join(map(_least_learnt, result['axes'], result['axes'].values()))}.\n")
    for axis, cells in result["axes"].items():
        out += [f"## {axis.capitalize()}\n", _rates(cells), _forms(cells)]
    if result.get("aa"):
        out.append(_aa(result["aa"]))
    out.append(_end(result))
    return "\n".join(out)


def _least_learnt(axis: str, cells: list[dict[str, Any]]) -> str:
    worst = max((c["yield"] for c in cells), key=lambda y: abs(y["learning_error"]["estimate"]))
    return f"{axis} {_interval(worst['learning_error'])} at {worst['planted']:.2f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _clean(x: float, digits: int) -> float:
    """Rounded, and no -0."""
    return round(x, digits) + 0.0


def _interval(e: dict[str, Any], digits: int = 3) -> str:
    shown = lambda x: "unknown" if x is None else f"{_clean(x, digits):+.{digits}f}"  # noqa: E731
    return f"{shown(e['estimate'])} [{shown(e['lower'])}, {shown(e['upper'])}]"


def _rates(cells: list[dict[str, Any]]) -> str:
    rows = []
    for c in cells:
        y, r = c["yield"], c["phrase_correlation"]
        rows.append(
            [
                f"{y['planted']:.3f}",
                f"{_clean(y['realised']['estimate'], 3):.3f}",
                f"{_clean(y['recovered']['estimate'], 3):.3f}",
                _interval(y["gap"]),
                _interval(y["learning_error"]),
                "-" if r["recovered"] is None else f"{r['recovered']:.2f}",
                f"{c['coverage']['kappa']:.3f}, {c['coverage']['stated']:.3f}",
            ]
        )
    head = ["planted", "realized", "recovered", "recovered - realized", "planted - realized", "r over phrases", "coverage (mass, stated)"]
    return _table(head, rows)


def _forms(cells: list[dict[str, Any]]) -> str:
    if all(c["yield"] == c["excess"] == c["headline"] for c in cells):
        return "Here every form is the same: the rating of what the user likes minus that of what the user dislikes.\n"
    rows = [
        [f"{c['rate']:g}", *(f"{_clean(c[m]['recovered']['estimate'], 3):.3f} ({_interval(c[m]['gap'])})" for m in ("excess", "headline"))]
        for c in cells
    ]
    return _table(["planted", *(f"recovered {NAMES[m]} (minus realized)" for m in ("excess", "headline"))], rows)


def _aa(aa: dict[str, Any]) -> str:
    splits, only, half = aa["splits"], aa["item_only"], aa["num_adapters"] // 2
    count = splits["num_families"]
    rows = [
        [
            c["axis"],
            _interval(c),
            "unknown" if c["p_holm"] is None else f"{c['p_holm']:.2f}",
            c["verdict"],
            f"{c['coverage']:.3f}",
            f"{splits['significant'][c['axis']]} / {splits['claims'][c['axis']]}",
            f"{only['clear_of_0'][c['axis']]} of {only['num_pairs']}",
            f"{aa['seed_sd'][c['axis']]:.4f}",
        ]
        for c in aa["contrasts"]
    ]
    halves = f"first {half} seeds minus last {half}"
    head = ["axis", halves, "p (Holm)", "verdict", "coverage", f"p < .05 / claims, {count} splits"]
    head += ["pairs that exclude 0, items only", "sd over seeds"]
    raised = sum(c["verdict"] in ("raised", "lowered") for c in aa["contrasts"])
    return (
        f"## A/A: adapters that differ only in their seed\n\n{aa['num_adapters']} adapters were trained on the same rows "
        f"({aa['domain']}) of the shipped base; half of them against the other half is a comparison with nothing to find.\n\n"
        + _table(head, rows)
        + f"\nThrough the whole analysis, the first half against the second: {raised} of {len(rows)} axes raised or lowered. Over all "
        f"{count} splits of the adapters into halves, each a Holm family of {len(rows)} axes: "
        f"{splits['families_with_a_claim']} families hold a claim ({splits['families_with_a_claim'] / count:.1%}), "
        f"{splits['families_significant']} an adjusted p < .05 ({splits['families_significant'] / count:.1%}) if the rule on coverage, "
        "which makes a cell not_identified, is left aside. The splits share their adapters and are not independent: this is an "
        "example, not an error rate. Intervals over items only declare pairs of adapters different as often as the table "
        "says: that is why a verdict needs seeds.\n"
    )


def _end(result: dict[str, Any]) -> str:
    budget = ", ".join(f"{n:,} {k}" for k, n in result["budget"].items())
    return (
        "## What this does not show\n\n"
        "- There is one organism per rate: the intervals are over items (clustered by fact) and do not cover repeated pretraining.\n"
        "- The models are of 0.37 M parameters and speak 400 words. That the scoring path is right carries over to a large model; that "
        "a large model's free replies follow its answer-slot probabilities as closely does not.\n"
        "- Coverage: share of the probability on the answer set under pressure or control, and share of sampled replies that state "
        "an answer of the set. What is missing from either counts as neither giving way nor holding.\n"
        f"- Documents of pretraining: {budget} (bio and herb: a unit of exposure).\n\n"
        "Remade by `python -m experiments.organisms --out DIR --page docs/organisms.md`.\n"
    )


def plot(result: dict[str, Any]) -> str:
    """SVG, one panel per axis: realized (filled, with its interval) and planted (hollow) against recovered, and the diagonal."""
    import altair as alt

    from holdfast.report.charts import COLOURS
    from holdfast.report.render import INK, svg

    rows = [
        {
            "axis": axis,
            "recovered": c["yield"]["recovered"]["estimate"],
            "realized": c["yield"]["realised"]["estimate"],
            "lower": c["yield"]["realised"]["lower"],
            "upper": c["yield"]["realised"]["upper"],
            "planted": c["yield"]["planted"],
        }
        for axis, cells in result["axes"].items()
        for c in cells
    ]
    base = alt.Chart(alt.Data(values=rows))
    span = alt.Scale(domain=[-0.05, 1.05], nice=False)
    x = alt.X("recovered:Q", title="recovered by the instrument", scale=span)
    line = base.transform_calculate(a="0", b="1").mark_rule(color=INK, strokeDash=[3, 3]).encode(
        x=alt.X("a:Q", scale=span), y=alt.Y("a:Q", scale=span), x2="b:Q", y2="b:Q"
    )  # fmt: skip
    y = alt.Y("realized:Q", title="realized (filled), planted (hollow)", scale=span)
    point = base.mark_point(filled=True, size=55, color=COLOURS["lowered"], opacity=1).encode(x=x, y=y)
    bar = base.mark_rule(color=COLOURS["lowered"]).encode(x=x, y=alt.Y("lower:Q"), y2="upper:Q")
    hollow = base.mark_point(filled=False, size=90, color=COLOURS["raised"]).encode(x=x, y="planted:Q")
    panel = alt.layer(line, hollow, bar, point).properties(width=230, height=230)
    return svg(panel.facet(alt.Facet("axis:N", title=None, sort=list(result["axes"])), columns=3))
