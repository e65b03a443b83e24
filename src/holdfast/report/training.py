"""What the trainings left: rows kept, shortened and dropped, steps, loss; and the loss curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import altair as alt

POINTS = 80  # a curve is averaged down to at most this many marks


def trainings(out: Path) -> list[dict[str, Any]]:
    """One record per trained adapter under `out/adapters`, in name order; identity adapters are left out."""
    found = []
    for file in sorted((out / "adapters").glob("*-seed*/training.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
        if record.get("loss"):
            domain, _, seed = file.parent.name.rpartition("-seed")
            found.append({"domain": domain, "seed": int(seed), **record})
    return found


def table(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a domain: counts of seed 0, mean loss (nats a token) of the first and the last tenth of steps over seeds."""
    rows = []
    for domain in dict.fromkeys(r["domain"] for r in records):
        mine = [r for r in records if r["domain"] == domain]
        tenth = max(1, len(mine[0]["loss"]) // 10)
        mean = lambda part: sum(sum(part(r["loss"])) / tenth for r in mine) / len(mine)  # noqa: B023, E731
        first = mine[0]
        rows.append(
            {
                "domain": domain,
                "seeds": len(mine),
                "rows": first["num_examples"],
                "truncated": first["num_truncated"],
                "dropped": first["num_dropped"],
                "steps": first["num_steps"],
                "tokens": first["num_tokens"],
                "parameters": first["trainable_parameters"],
                "first": mean(lambda loss: loss[:tenth]),  # noqa: B023
                "last": mean(lambda loss: loss[-tenth:]),  # noqa: B023
            }
        )
    return rows


def curves(records: list[dict[str, Any]]) -> Any:
    """Mean loss against step, one panel a domain, one line a seed."""
    rows = []
    for r in records:
        width = max(1, -(-len(r["loss"]) // POINTS))
        for start in range(0, len(r["loss"]), width):
            part = r["loss"][start : start + width]
            rows.append({"domain": r["domain"], "seed": r["seed"], "step": start + len(part), "loss": sum(part) / len(part)})
    order = list(dict.fromkeys(r["domain"] for r in records))
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=1, opacity=0.7, color="#0072B2")
        .encode(
            x=alt.X("step:Q", title="optimiser step", axis=alt.Axis(tickCount=4)),
            y=alt.Y("loss:Q", title="loss, nats a token"),
            detail="seed:N",
        )
        .properties(width=170, height=110)
        .facet(facet=alt.Facet("domain:N", sort=order, title=None), columns=4)
        .resolve_scale(x="independent", y="independent")
    )
    return chart if rows else None
