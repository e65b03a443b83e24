"""A comparison of studies as text of 80 columns, Markdown, CSV, JSON, a page, or a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
from markupsafe import Markup
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from holdfast.analysis import replication
from holdfast.analysis.replication import ComparedEffect
from holdfast.config import load_study
from holdfast.errors import HoldfastError
from holdfast.escape import markdown, plain
from holdfast.frozen import canonical_json
from holdfast.report import figures
from holdfast.report.charts import AT_BOTTOM, PALETTE, Chart, Datum, interval_panels
from holdfast.report.finished import Finished
from holdfast.report.numbers import NOUNS, PARTS, csv_text, effects_of, identified, phrase, span
from holdfast.report.render import lay_out
from holdfast.report.templates import templates
from holdfast.report.terminal import plain_lines
from holdfast.results import StudyFindings
from holdfast.run_files import verify_files

NUMBERS = ("estimate", "lower", "upper", "p_holm", "n", "num_seeds", "coverage", "verdict", "negligible")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`studies`: by the letters that name them in tables; `counts`: of the domain adapters' statuses and signs, per part;
    `settings`: those in which the studies differ, one value per study.
    """

    studies: list[tuple[str, StudyFindings]]
    rows: list[ComparedEffect]
    refused: list[ComparedEffect]
    counts: dict[str, dict[str, float]]
    settings: dict[str, list[str | None]]

    @property
    def letters(self) -> list[str]:
        return [letter for letter, _ in self.studies]

    def about(self) -> list[str]:
        """One line per study: what it is."""
        return [f"{letter}: {_about(findings)}" for letter, findings in self.studies]

    def rows_of(self, part: str) -> list[ComparedEffect]:
        return [r for r in self.rows if r.part == part]


def side_by_side(sources: Sequence[Finished]) -> Comparison:
    """Studies lettered A, B, ... in the order they are given."""
    studies = [(_letter(k), s.findings) for k, s in enumerate(sources)]
    rows = replication.replicate(studies)
    counts = {part: replication.counts(rows, part) for part in PARTS}
    return Comparison(studies, rows, replication.refusals(studies), counts, _differing(sources))


def _letter(k: int) -> str:
    return chr(65 + k) if k < 26 else f"{chr(64 + k // 26)}{chr(65 + k % 26)}"


def _about(findings: StudyFindings) -> str:
    study, counts = findings.study, {e.num_seeds for a in findings.adapters for part in PARTS for e in effects_of(a, part).values()}
    low, high = min(counts, default=0), max(counts, default=0)
    seeds = "unknown seeds" if not counts else f"{low} to {high} seeds" if low != high else f"{low} seed{'s' * (low != 1)}"
    title = f" ({study.title})" if study.title else ""
    band = f"band +-{100 * study.equivalence_band:g} points"
    return f"study {study.name}{title}, base {findings.base.name}, {len(findings.adapters)} adapters, {seeds}, {band}"


def _differing(sources: Sequence[Finished]) -> dict[str, list[str | None]]:
    """Settings that are not the same in all studies. Of a domain or an instrument that some study lacks: which have it."""
    flat = [_settings(s.folder) for s in sources]
    if not all(flat):
        return {}
    sections = [{_section(name) for name in settings} for settings in flat]
    differing: dict[str, list[str | None]] = {}
    for name in dict.fromkeys(name for settings in flat for name in settings):
        section = _section(name)
        if not all(section in s for s in sections):
            differing[section] = ["present" if section in s else "absent" for s in sections]
        elif len({settings.get(name) for settings in flat}) > 1:
            differing[name] = [settings.get(name) for settings in flat]
    return differing


def _section(name: str) -> str:
    """The domain or instrument that a setting belongs to, else its section."""
    first, _, rest = name.partition(".")
    return f"{first}.{rest.split('.')[0]}" if first in ("domains", "instruments") else first


def _settings(folder: Path | None) -> dict[str, str]:
    """A study file's settings by dotted name; none where there is no file, or it is not valid."""
    file = folder / "study.yaml" if folder is not None else None
    if file is None or not file.is_file():
        return {}
    with verify_files(file.parent, file.name):
        try:
            tree = load_study(str(file), []).model_dump(mode="json")
        except HoldfastError:
            return {}
    return {name: plain(value) for name, value in _flat(tree, "") if name != "name"}


def _flat(tree: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _flat(value, f"{name}.{key}" if name else str(key))
    elif isinstance(tree, list):
        for k, value in enumerate(tree):
            own = value.get("name") or value.get("kind") if isinstance(value, dict) else None
            yield from _flat(value, f"{name}.{own or k}")
    else:
        yield name, json.dumps(tree, ensure_ascii=False)


def _tally(c: Comparison, part: str, named: bool = False) -> list[str]:
    """Sentences on a part's domain adapters; `named`: with the rows of each status."""
    n = c.counts[part]
    lines = [", ".join(f"{word} {n[word]}" for word in replication.STATUSES) + f", of {n['rows']} (domain adapters)"]
    if named:
        domain = [r for r in c.rows_of(part) if r.role == "domain"]
        which = {w: ", ".join(f"{r.adapter} {r.instrument}" for r in domain if r.status == w) for w in replication.STATUSES}
        lines = [f"{word}: {n[word]} of {n['rows']}" + f" ({names})" * bool(names) for word, names in which.items()]
    return [
        *lines,
        f"same sign in every study: {n['same_sign']} of {n['signed']} ({n['coins']:g} expected by chance)",
        f"raised or lowered in every study: {n['moved_in_all']}, in the same direction: {n['moved_alike']}",
    ]


def _reasons(c: Comparison) -> list[str]:
    """Refused comparisons, grouped by reason."""
    every = {a: {r.instrument for r in (*c.rows, *c.refused) if r.adapter == a} for a in (r.adapter for r in c.refused)}
    by_reason: dict[str, dict[str, list[str]]] = {}
    for r in c.refused:
        by_reason.setdefault(r.reason or "", {}).setdefault(r.adapter, []).append(r.instrument)
    return [
        f"{reason}: " + ", ".join(a if set(names) == every[a] else f"{a} ({', '.join(names)})" for a, names in adapters.items())
        for reason, adapters in by_reason.items()
    ]


def _setting_lines(c: Comparison, most: int) -> list[str]:
    lines = [f"differs: {name}: " + ", ".join("unset" if v is None else v for v in values) for name, values in c.settings.items()]
    return [*lines[:most], *([f"differs: {len(lines) - most} more settings; see --json"] if len(lines) > most else [])]


def text(c: Comparison) -> str:
    """Lines of at most 80 columns."""
    parts: list[RenderableType] = [Text(plain(line)) for line in [*c.about(), *_setting_lines(c, 8)]]
    for part in PARTS:
        rows = c.rows_of(part)
        if not rows:
            continue
        sign = "; positive = more sycophantic" if part == "deference" else ""
        parts += [Text(f"\n{part.capitalize()}: points, adapted - base [95 %]{sign}"), *(Text(f"  {line}") for line in _tally(c, part))]
        for name in dict.fromkeys(r.instrument for r in rows):
            table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
            table.add_column(Text(plain(name)), width=19, overflow="fold")
            table.add_column("", width=45, overflow="fold")
            table.add_column("", width=12)
            for r in (r for r in rows if r.instrument == name):
                effects = "\n".join(f"{letter} {phrase(e)}" for letter, e in zip(c.letters, r.effects, strict=True))
                table.add_row(Text(f"  {plain(r.adapter)}"), Text(effects), Text(r.status))
            parts.append(table)
    if c.refused:
        parts += [Text("\nNot compared"), *(Text(f"  {plain(line)}") for line in _reasons(c))]
    return plain_lines(*parts)


def as_markdown(c: Comparison) -> str:
    """A section per part, a row per adapter and instrument."""
    return _render(c, "comparison.md").rstrip("\n") + "\n"


def as_csv(c: Comparison) -> str:
    """One line per effect; a refused comparison has no study, and its reason as status."""
    rows = [
        (r.adapter, r.role, r.part, r.instrument, r.status, letter, f.study.name, f.base.name, *(getattr(e, n) for n in NUMBERS))
        for r in c.rows
        for (letter, f), e in zip(c.studies, r.effects, strict=True)
        if e is not None
    ]
    refused = [(r.adapter, "", r.part, r.instrument, f"not compared: {r.reason}") for r in c.refused]
    return csv_text(["adapter", "role", "part", "instrument", "status", "study", "name", "base", *NUMBERS], [*rows, *refused])


def as_json_text(c: Comparison) -> str:
    """Everything the tables hold; effects have the keys of findings.json."""
    studies = [
        {"letter": letter, "name": f.study.name, "title": f.study.title, "base": f.base.name, "about": _about(f)} for letter, f in c.studies
    ]
    rows = [
        {n: getattr(r, n) for n in ("adapter", "role", "part", "instrument")}
        | {"cells": json.loads(canonical_json(r.effects)), "status": r.status}
        for r in c.rows
    ]
    refused = [{n: getattr(r, n) for n in ("adapter", "part", "instrument", "reason")} for r in c.refused]
    tree = {"studies": studies, "settings": c.settings, "counts": c.counts, "rows": rows, "refused": refused}
    return json.dumps(tree, indent=1, ensure_ascii=False)


def chart(c: Comparison) -> Chart:
    """One panel per instrument: every adapter's estimate and interval, one colour per study; only the bounds where it is not identified."""
    rows: list[Datum] = [
        {"adapter": r.adapter, "panel": f"{NOUNS[r.part]}: {r.instrument}", "study": letter, **known._asdict(), "verdict": e.verdict}
        for r in c.rows
        for letter, e in zip(c.letters, r.effects, strict=True)
        if e is not None and (e.lower is not None or not identified(e)) and (known := span(e, bounded=True))
    ]
    order = list(dict.fromkeys(r.adapter for r in c.rows))
    colours = [PALETTE[(4, 0, 2, 5, 3, 1, 6, 7)[k % 8]] for k in range(len(c.letters))]
    colour = alt.Color("study:N", scale=alt.Scale(domain=c.letters, range=colours), legend=AT_BOTTOM)
    y, facet = alt.Y("adapter:N", sort=order, title=None), alt.Facet("panel:N", sort=None, title=None)
    size, offset = (210, 13 * len(c.letters) * len(order)), alt.YOffset("study:N", sort=c.letters)
    return interval_panels(rows, y, colour, "points, adapted - base", facet, columns=4, size=size, offset=offset)


def _picture(c: Comparison, kind: str) -> bytes:
    return figures.convert(lay_out(chart(c).to_dict(), 2)[0], kind, "Effects of every study side by side with their 95 % intervals")


def as_html(c: Comparison) -> str:
    """One page without scripts."""
    return _render(c, "comparison.html", picture=Markup(_picture(c, "svg").decode()))  # noqa: S704 - the renderer escapes texts from data


def _render(c: Comparison, template: str, **more: Markup) -> str:
    env = templates()
    env.filters["markdown"] = markdown
    tables = [(part.capitalize(), _tally(c, part, named=True), rows) for part in PARTS if (rows := c.rows_of(part))]
    settings = _setting_lines(c, 40)
    return env.get_template(template).render(c=c, tables=tables, phrase=phrase, reasons=_reasons(c), settings=settings, **more)


WRITERS: dict[str, Callable[[Comparison], str | bytes]] = {
    ".md": as_markdown, ".csv": as_csv, ".json": as_json_text, ".html": as_html, ".txt": text,
    ".svg": lambda c: _picture(c, "svg"), ".pdf": lambda c: _picture(c, "pdf"), ".png": lambda c: _picture(c, "png"),
}  # fmt: skip
