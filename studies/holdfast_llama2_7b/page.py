"""Make the documentation page of a published study: `python -m holdfast_llama2_7b.page [NAME] [FILE]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from holdfast.errors import HoldfastError
from holdfast.escape import markdown
from holdfast.store import write_atomic
from holdfast_llama2_7b import analyse, shipped
from holdfast_llama2_7b.terminal import counted

NAME = "llama2-7b"
HEAD = """# {title}

A published study of what fine-tuning does to sycophancy, analysed again from its own result files: source {source}. This page is made
by `python -m holdfast_llama2_7b.page`; the same, with every interval and pointer, comes from

```sh
holdfast analyze published:{name}
```

Fractions are the study's own scale. A positive change of an axis is more sycophantic. One training run an adapter and no answers item by
item: intervals are over items alone, with the two models taken as unpaired, and no change is called raised or lowered.
"""


def table(header: list[str], rows: list[list[Any]]) -> list[str]:
    line = lambda cells: "| " + " | ".join(cells) + " |"  # noqa: E731
    return [line(header), line(["---"] * len(header)), *(line([markdown(c) for c in row]) for row in rows), ""]


def render(name: str = NAME) -> str:
    """The page's text, every number of it from the analysis."""
    f = analyse(shipped(name), name).findings
    source = f["study"]["source"]
    head = HEAD.format(
        title=markdown(f["study"]["title"]),
        name=name,
        source=f"{source['repository']}, commit {source['commit']}, licence {source['licence']}",
    )
    claims = [[c["text"], c["status"], c["reason"]] for c in f["claims"]]
    points = [[p["number"], p["title"], x["status"], x["text"], x["how"]] for p in f["points"] for x in p["parts"]]
    r = lambda v: "unknown" if v is None else f"{v:+.3f}"  # noqa: E731
    correlations = [
        [f"{c['benchmark']} x {c['axis']}", r(c["published"]), r(c["levels"]["r"]), r(c["changes"]["r"]), f"{c['changes']['p']:.3f}"]
        for c in f["correlation"]["cells"]
    ]
    first = f["correlation"]["cells"][0]
    lines = [
        head,
        *(f"- {markdown(line)}" for line in counted(f)),
        "",
        "## What becomes of each claim",
        "",
        *table(["claim", "status", "reason"], claims),
        "## What must be said of the study",
        "",
        *table(["", "point", "status", "what", "how it was found"], points),
        "## Changes",
        "",
        "Points, adapted - base, with 95 % intervals over items; bounds where too few answers could be read.",
        "",
        *table(
            ["adapter", *f["study"]["instruments"]],
            [[a["name"], *(_cell(c) for c in (*a["gains"].values(), *a["shifts"].values()))] for a in f["adapters"]],
        ),
        "## Correlations of gain and shift",
        "",
        f"{markdown(f['correlation'].get('refused', 'Described below'))}: {first['levels']['n']} points on levels with the base, {first['changes']['n']} on changes "
        f"(critical r {first['changes']['critical_r']:.3f}).",
        "",
        *table(["benchmark x axis", "published", "levels", "changes", "p of changes"], correlations),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _cell(c: dict[str, Any]) -> str:
    shown = lambda v: f"{100 * v:+.1f}"  # noqa: E731
    if c["estimate"] is None:
        return f"bounds ({shown(c['bounds'][0])}, {shown(c['bounds'][1])}) {c['verdict'].replace('_', ' ')}"
    return f"{shown(c['estimate'])} ({shown(c['lower'])}, {shown(c['upper'])}) {c['verdict'].replace('_', ' ')}"


def main(arguments: list[str]) -> int:
    name = arguments[0] if arguments else NAME
    out = Path(arguments[1]) if len(arguments) > 1 else Path("docs") / f"published-{name}.md"
    try:
        text = render(name)
    except HoldfastError as error:
        print(f"page: {error}", file=sys.stderr)
        return 2
    write_atomic(out, text.encode())
    print(f"{out} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
