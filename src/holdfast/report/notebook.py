"""Findings in a notebook: one table whose text is escaped and whose colours come with words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jinja2 import Environment

if TYPE_CHECKING:
    from holdfast.findings import Findings

# Worse is red and better is blue: a gain that was lowered, a shift that was raised.
WORSE, BETTER = "#b3261e", "#1f5fa8"
COLOURS = {"gain": {"raised": BETTER, "lowered": WORSE}, "shift": {"raised": WORSE, "lowered": BETTER}}

_TEMPLATE = Environment(autoescape=True).from_string(
    """\
<table>
<caption style="text-align:left">{{ name }}, base {{ base }}: percentage points, adapted - base [interval]; a positive shift is more sycophantic{%- if page %};
 report: {{ page }}{% endif %}</caption>
<thead><tr><th></th>{% for part, i in columns %}<th>{{ part }} {{ i }}</th>{% endfor %}</tr></thead>
<tbody>
{% for a in adapters %}<tr><th>{{ a.name }}{% if a.role != "domain" %} ({{ a.role }}){% endif %}</th>
{%- for part, i in columns %}{% set c = a[part ~ "s"].get(i) %}<td>
{%- if c is none or c is undefined %}not measured
{%- elif c.estimate is none or c.verdict == "not_identified" -%}
<span style="color:{{ colours[part].get(c.verdict, 'inherit') }}">{{ c.verdict | replace("_", " ") }}</span>
{%- else %}{{ "%+.1f" | format(100 * c.estimate) }}
{%- if c.lower is not none %} [{{ "%+.1f" | format(100 * c.lower) }}, {{ "%+.1f" | format(100 * c.upper) }}]{% endif %} {# -#}
<span style="color:{{ colours[part].get(c.verdict, 'inherit') }}">{{ c.verdict | replace("_", " ") }}</span>{% endif %}</td>{% endfor %}</tr>
{% endfor %}</tbody>
</table>
{% if refused %}<p>May not be concluded:</p><ul>{% for claim in refused %}<li>{{ claim }}</li>{% endfor %}</ul>{% endif %}"""
)


def table(findings: Findings) -> str:
    """HTML of all gains and shifts, and what the audit refuses."""
    return _TEMPLATE.render(
        name=findings["study"]["name"],
        base=findings["study"]["base"],
        page=findings.report,
        columns=[("gain", n) for n in findings["base"]["benchmarks"]] + [("shift", n) for n in findings["base"]["axes"]],
        adapters=findings["adapters"],
        colours=COLOURS,
        refused=list(dict.fromkeys(e["claim"] for e in findings.audit if e["level"] == "refuse")),
    )
