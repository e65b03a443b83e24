"""A comparison of studies as text of 80 columns, Markdown, CSV, JSON, a page, or a picture."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.analysis import replication
from holdfast.escape import csv_cell, markdown, plain
from holdfast.report import figures, paper
from holdfast.report.charts import MUTED, PALETTE
from holdfast.report.finished import Finished
from holdfast.report.numbers import identified, points

WIDTH = 80
PARTS = (("gains", "Gains"), ("shifts", "Shifts"))
NUMBERS = ("estimate", "lower", "upper", "p_holm", "n", "num_seeds", "coverage", "verdict", "negligible")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`letters`: how the studies are called in tables; `settings`: the settings in which they differ, one value a study."""

    studies: list[tuple[str, dict[str, Any]]]
    rows: list[dict[str, Any]]
    refused: list[dict[str, Any]]
    settings: dict[str, list[Any]]

    @property
    def letters(self) -> list[str]:
        return [name for name, _ in self.studies]

    def about(self) -> list[str]:
        """One line a study: what it is."""
        return [f"{letter}: {_about(findings)}" for letter, findings in self.studies]

    def counts(self) -> dict[str, dict[str, float]]:
        return {part: replication.counts(self.rows, part) for part, _ in PARTS}


def side_by_side(sources: Sequence[Finished]) -> Comparison:
    """Studies lettered A, B, ... in the order they are given."""
    letters = [_letter(k) for k in range(len(sources))]
    studies = [(letter, s.findings) for letter, s in zip(letters, sources, strict=True)]
    return Comparison(studies, replication.replicate(studies), replication.refused(studies), _differing(sources))


def _letter(k: int) -> str:
    return chr(65 + k) if k < 26 else f"{chr(64 + k // 26)}{chr(65 + k % 26)}"


def _about(findings: dict[str, Any]) -> str:
    study, seeds = findings["study"], {c["num_seeds"] for a in findings["adapters"] for p in ("gains", "shifts") for c in a[p].values()}
    title = f" ({study['title']})" if study.get("title") else ""
    many = (
        "unknown seeds"
        if not seeds
        else f"{min(seeds)} to {max(seeds)} seeds"
        if len(seeds) > 1
        else f"{(one := seeds.pop())} seed{'s' * (one != 1)}"
    )
    return f"study {study['name']}{title}, base {findings['base']['name']}, {len(findings['adapters'])} adapters, {many}, band +-{100 * study['equivalence_band']:g} points"


def _differing(sources: Sequence[Finished]) -> dict[str, list[Any]]:
    """Settings of the studies' own files that are not the same in all. Of a domain or an instrument that some study lacks: which have it."""
    flat = [_settings(s.folder) for s in sources]
    if not all(flat):
        return {}
    parts = [{_part(name) for name in settings} for settings in flat]
    found: dict[str, list[Any]] = {}
    for name in dict.fromkeys(name for settings in flat for name in settings):
        part = _part(name)
        if not all(part in p for p in parts):
            found[part] = ["there" if part in p else "absent" for p in parts]
        elif len({settings.get(name) for settings in flat}) > 1:
            found[name] = [settings.get(name) for settings in flat]
    return found


def _part(name: str) -> str:
    """The domain or instrument that a setting belongs to, else its section."""
    first, _, rest = name.partition(".")
    return f"{first}.{rest.split('.')[0]}" if first in ("domains", "instruments") else first


def _settings(folder: Path | None) -> dict[str, str]:
    from holdfast.config import load_study
    from holdfast.errors import HoldfastError

    file = folder / "study.yaml" if folder is not None else None
    if file is None or not file.is_file():
        return {}
    try:
        tree = load_study(str(file), []).model_dump(mode="json")
    except HoldfastError:
        return {}
    out: dict[str, str] = {}
    _flatten(tree, "", out)
    return {k: plain(v) for k, v in out.items() if k != "name"}


def _flatten(tree: Any, name: str, out: dict[str, str]) -> None:
    if isinstance(tree, dict):
        for key, value in tree.items():
            _flatten(value, f"{name}.{key}" if name else str(key), out)
    elif isinstance(tree, list):
        for k, value in enumerate(tree):
            own = value.get("name") or value.get("kind") if isinstance(value, dict) else None
            _flatten(value, f"{name}.{own or k}", out)
    else:
        out[name] = json.dumps(tree, ensure_ascii=False)


def _tally(c: Comparison, part: str, named: bool = False) -> list[str]:
    """Sentences on a part's domain adapters; `named`: with the rows of each status."""
    n, mine = c.counts()[part], [r for r in c.rows if r["part"] == part and r["role"] == "domain"]
    which = {word: ", ".join(f"{r['adapter']} {r['instrument']}" for r in mine if r["status"] == word) for word in replication.STATUSES}
    each = [f"{word}: {n[word]} of {n['rows']}" + f" ({which[word]})" * bool(which[word]) for word in replication.STATUSES]
    return [
        *(each if named else [", ".join(f"{word} {n[word]}" for word in replication.STATUSES) + f", of {n['rows']} (domain adapters)"]),
        f"one sign in every study: {n['same_sign']} of {n['signed']} (if every sign were a coin's: {n['coins']:g})",
        f"raised or lowered in every study: {n['moved_in_all']}, in one direction: {n['moved_alike']}",
    ]


def _reasons(c: Comparison) -> list[str]:
    """Refused comparisons, put together by reason."""
    whole = {a: {r["instrument"] for r in (*c.rows, *c.refused) if r["adapter"] == a} for a in (r["adapter"] for r in c.refused)}
    by: dict[str, dict[str, list[str]]] = {}
    for r in c.refused:
        by.setdefault(r["reason"], {}).setdefault(r["adapter"], []).append(r["instrument"])
    return [
        f"{reason}: " + ", ".join(a if set(names) == whole[a] else f"{a} ({', '.join(names)})" for a, names in who.items())
        for reason, who in by.items()
    ]


def _settings_said(c: Comparison, most: int) -> list[str]:
    said = [f"{name}: " + ", ".join("unset" if v is None else str(v) for v in values) for name, values in c.settings.items()]
    return [
        *(f"differs: {line}" for line in said[:most]),
        *([f"differs: {len(said) - most} more settings; see --json"] if len(said) > most else []),
    ]


def _said(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "not measured"
    word, bounds = cell["verdict"].replace("_", " ") + "*" * bool(cell["negligible"]), cell["bounds"] if "bounds" in cell else None
    if not identified(cell):
        return (f"({points(bounds[0])}, {points(bounds[1])}) " if bounds else "") + word
    return f"{points(cell['estimate'])} [{points(cell['lower'])}, {points(cell['upper'])}] {word}"


def text(c: Comparison) -> str:
    """Lines of at most 80 columns."""
    console = Console(file=io.StringIO(), width=WIDTH, no_color=True, force_terminal=False)
    for line in [*c.about(), *_settings_said(c, 8)]:
        console.print(Text(plain(line)))
    for part, title in PARTS:
        mine = [r for r in c.rows if r["part"] == part]
        if not mine:
            continue
        console.print(Text(f"\n{title}: points, adapted - base [95 %]" + ("; positive = more sycophantic" if part == "shifts" else "")))
        for line in _tally(c, part):
            console.print(Text(f"  {line}"))
        for name in dict.fromkeys(r["instrument"] for r in mine):
            table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
            table.add_column(Text(plain(name)), width=19, overflow="fold")
            table.add_column("", width=45, overflow="fold")
            table.add_column("", width=12)
            for r in mine:
                if r["instrument"] == name:
                    cells = "\n".join(f"{letter} {_said(cell)}" for letter, cell in zip(c.letters, r["cells"], strict=True))
                    table.add_row(Text(f"  {plain(r['adapter'])}"), Text(cells), Text(r["status"]))
            console.print(table)
    if c.refused:
        console.print(Text("\nNot compared"))
        for line in _reasons(c):
            console.print(Text(f"  {plain(line)}"))
    return "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())


def as_markdown(c: Comparison) -> str:
    lines = [*(f"- {markdown(line)}" for line in c.about()), *(f"- {markdown(line)}" for line in _settings_said(c, 40)), ""]
    for part, title in PARTS:
        mine = [r for r in c.rows if r["part"] == part]
        if not mine:
            continue
        lines += [
            f"## {title}",
            "",
            "Points, adapted - base, 95 % intervals" + ("; a positive shift is more sycophantic." if part == "shifts" else "."),
            "",
        ]
        lines += [*(f"- {markdown(line)}" for line in _tally(c, part, named=True)), ""]
        lines += ["| adapter | instrument | " + " | ".join(c.letters) + " | |", "|" + " --- |" * (len(c.letters) + 3)]
        for r in mine:
            cells = " | ".join(markdown(_said(x)).replace("\\[", "[").replace("\\]", "]") for x in r["cells"])
            lines.append(f"| {markdown(r['adapter'])} | {markdown(r['instrument'])} | {cells} | {r['status']} |")
        lines.append("")
    if c.refused:
        lines += ["## Not compared", "", *(f"- {markdown(line)}" for line in _reasons(c)), ""]
    return "\n".join(lines)


def as_csv(c: Comparison) -> str:
    """One line a cell; a refused comparison has no study and its reason as status."""
    stream = io.StringIO()
    rows = csv.writer(stream, lineterminator="\n")
    rows.writerow(["adapter", "role", "part", "instrument", "status", "study", "name", "base", *NUMBERS])
    for r in c.rows:
        for (letter, findings), cell in zip(c.studies, r["cells"], strict=True):
            if cell is not None:
                of = (
                    r["adapter"],
                    r["role"],
                    r["part"],
                    r["instrument"],
                    r["status"],
                    letter,
                    findings["study"]["name"],
                    findings["base"]["name"],
                )
                rows.writerow([*(csv_cell(v) for v in of), *(csv_cell(cell.get(n)) for n in NUMBERS)])
    for r in c.refused:
        rows.writerow([csv_cell(r["adapter"]), "", r["part"], csv_cell(r["instrument"]), csv_cell(f"not compared: {r['reason']}")])
    return stream.getvalue()


def as_json_text(c: Comparison) -> str:
    studies = [
        {"letter": letter, "name": f["study"]["name"], "title": f["study"].get("title"), "base": f["base"]["name"], "about": _about(f)}
        for letter, f in c.studies
    ]
    found = {"studies": studies, "settings": c.settings, "counts": c.counts(), "rows": c.rows, "refused": c.refused}
    return json.dumps(found, indent=1, ensure_ascii=False)


def chart(c: Comparison) -> Any:
    """One panel an instrument: every adapter's estimate and interval, one colour a study; bounds alone where nothing is identified."""
    rows = []
    for r in c.rows:
        for letter, cell in zip(c.letters, r["cells"], strict=True):
            if cell is None:
                continue
            unknown = not identified(cell)
            low, high = (cell.get("bounds") or (None, None)) if unknown else (cell["lower"], cell["upper"])
            if low is not None and high is not None:
                panel = f"{r['part'][:-1]}: {r['instrument']}"
                rows.append({"adapter": r["adapter"], "panel": panel, "study": letter, "points": None if unknown else 100 * cell["estimate"],
                             "lower": 100 * low, "upper": 100 * high, "verdict": cell["verdict"]})  # fmt: skip
    order = list(dict.fromkeys(r["adapter"] for r in c.rows))
    colour = alt.Color(
        "study:N", scale=alt.Scale(domain=c.letters, range=[PALETTE[(4, 0, 2, 5, 3, 1, 6, 7)[k % 8]] for k in range(len(c.letters))]),
        legend=alt.Legend(orient="bottom", title=None),
    )  # fmt: skip
    plot = alt.Chart(alt.Data(values=rows))
    base = plot.encode(y=alt.Y("adapter:N", sort=order, title=None), yOffset=alt.YOffset("study:N", sort=c.letters), color=colour)
    zero = plot.mark_rule(color=MUTED, strokeDash=[3, 3]).encode(x=alt.datum(0))
    rule = base.mark_rule(size=2).encode(x=alt.X("lower:Q", title="points, adapted - base"), x2="upper:Q")
    point = base.mark_point(filled=True, size=45).encode(x="points:Q")
    panels = alt.layer(zero, rule, point).properties(width=210, height=13 * len(c.letters) * len(order))
    return panels.facet(alt.Facet("panel:N", sort=None, title=None), columns=4).resolve_scale(x="independent")


def _picture(c: Comparison, kind: str) -> bytes:
    return figures.convert(paper.lay_out(chart(c).to_dict(), 2)[0], kind, "Effects of every study side by side with their 95 % intervals")


def as_html(c: Comparison) -> str:
    env = Environment(loader=PackageLoader("holdfast", "report"), autoescape=True, undefined=StrictUndefined)
    tables = [(title, part, _tally(c, part, named=True), [r for r in c.rows if r["part"] == part]) for part, title in PARTS]
    picture = Markup(_picture(c, "svg").decode())  # noqa: S704 - made here, texts of data escaped by the renderer
    return env.get_template("comparison.html").render(c=c, tables=tables, said=_said, reasons=_reasons(c), picture=picture, zip=zip)


WRITERS: dict[str, Callable[[Comparison], str | bytes]] = {
    ".md": as_markdown, ".csv": as_csv, ".json": as_json_text, ".html": as_html, ".txt": text,
    ".svg": lambda c: _picture(c, "svg"), ".pdf": lambda c: _picture(c, "pdf"), ".png": lambda c: _picture(c, "png"),
}  # fmt: skip
