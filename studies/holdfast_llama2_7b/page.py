"""Make the documentation page of the study: `python -m holdfast_llama2_7b.page [FILE]`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from holdfast.errors import HoldfastError
from holdfast.escape import markdown
from holdfast.results import Finding
from holdfast.store import write_atomic
from holdfast_llama2_7b.analysis import analyze
from holdfast_llama2_7b.output import Value, published_cells, tables_of, tally
from holdfast_llama2_7b.tables import NAME

TEXT = """# {title}

A published study of what fine-tuning does to sycophancy, analyzed again from its own result files: source {source}. This page is made
by `python -m holdfast_llama2_7b.page`; the same, with every interval and pointer, comes from

```sh
holdfast analyze published:{name}
```

Fractions are the study's own scale. A positive change of an axis means giving way more; the study has behaviour only, which is not split
into firmness and deference. There is one training run per adapter and there are no answers per item: intervals are over items only, with the two models taken
as unpaired, and no change is called raised or lowered.

{tally}

## Status of each claim

{claims}
## Required audit points

{points}
## Changes

Points, adapted - base, with 95 % intervals over items in square brackets; where too few answers could be read, bounds in round brackets.

{changes}
## Correlations of gain and shift

Levels give {num_levels} points, the base included; changes give {num_changes} (critical r {critical_r:.3f}): {refused}.

{correlations}"""


def _table(header: Sequence[str], rows: Sequence[Sequence[Value]]) -> str:
    lines = [header, ["---"] * len(header), *([markdown(c) for c in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def render() -> str:
    """The page's text, every number of it from the analysis."""
    f = analyze().findings
    source, tables, cells = f.study.source or {}, tables_of(f), published_cells(f)
    r = lambda v: "unknown" if v is None else f"{v:+.3f}"  # noqa: E731
    correlations = [[f"{c.benchmark} x {c.axis}", r(c.published), r(c.levels.r), r(c.changes.r), f"{c.changes.p:.3f}"] for c in cells]
    return TEXT.format(
        title=markdown(f.study.title),
        source=f"{source['repository']}, commit {source['commit']}, licence {source['licence']}",
        name=NAME,
        tally="\n".join(f"- {markdown(line)}" for line in tally(f)),
        claims=_table(["claim", "status", "reason"], [[c.text, c.status, c.reason] for c in f.claims]),
        points=_table(["", "point", "status", "what", "how it was found"], tables["points"]),
        changes=_table(
            ["adapter", *f.study.instruments],
            [[a.name, *(_cell(c) for c in (*a.gains.values(), *(s.behaviour for s in a.shifts.values())))] for a in f.adapters],
        ),
        refused=markdown(f.correlation.refused or "Described below"),
        num_levels=cells[0].levels.n,
        num_changes=cells[0].changes.n,
        critical_r=cells[0].changes.critical_r,
        correlations=_table(["benchmark x axis", "published", "levels", "changes", "p of changes"], correlations),
    )


def _cell(c: Finding) -> str:
    shown = lambda v: f"{100 * v:+.1f}"  # noqa: E731
    verdict = (c.verdict or "").replace("_", " ")
    if c.estimate is None:
        low, high = c.bounds or (None, None)
        return f"bounds ({shown(low)}, {shown(high)}) {verdict}"
    return f"{shown(c.estimate)} [{shown(c.lower)}, {shown(c.upper)}] {verdict}"


def main(arguments: list[str]) -> int:
    out = Path(arguments[0]) if arguments else Path("docs") / f"published-{NAME}.md"
    try:
        text = render()
    except HoldfastError as error:
        print(f"page: {error}", file=sys.stderr)
        return 2
    write_atomic(out, text.encode())
    print(f"{out} written")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
