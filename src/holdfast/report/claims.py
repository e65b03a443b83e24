"""The report's part on a published study: its claims, the points, every model's levels and the correlations."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup


def section(findings: dict[str, Any]) -> Markup:
    """HTML; empty for a study that quotes no claims. Text from files is escaped."""
    if not findings.get("claims"):
        return Markup("")
    env = Environment(autoescape=True, undefined=StrictUndefined)
    env.globals.update(href=lambda pointer: href(findings, pointer))
    models = [
        ("base", {**findings["base"]["benchmarks"], **findings["base"]["axes"]}),
        *((a["name"], a["levels"]) for a in findings["adapters"]),
    ]
    source = resources.files("holdfast").joinpath("report", "claims.html").read_text(encoding="utf-8")
    return Markup(env.from_string(source).render(f=findings, models=models))  # noqa: S704


def href(findings: dict[str, Any], pointer: str) -> str | None:
    """The page's anchor of an evidence pointer; None where the page holds none."""
    kind, _, rest = pointer.partition("/" if pointer.startswith("points/") else ": ")
    if kind == "points":
        return f"#point-{rest}"
    if kind == "findings":
        adapter, _, name = rest.partition(", ")
        known = next((a for a in findings["adapters"] if a["name"] == adapter), None)
        return f"#{adapter}-{name}" if known and name in {**known["gains"], **known["shifts"]} else "#overview"
    return {"audit": "#audit", "correlation": "#correlations", "contrasts": "#contrasts", "tables": "#levels"}.get(kind)
