"""Tables of a finished study: Markdown, CSV, LaTeX (booktabs; `table` for one column, `table*` for two), and a paper that includes them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from holdfast.escape import latex, markdown
from holdfast.report.figures import figure_caption
from holdfast.report.numbers import identified, phrase, points
from holdfast.report.table_contents import EffectRow, EffectTable, Table, TextTable, as_csv, caption, tables_of
from holdfast.report.templates import templates
from holdfast.results import AuditEntry, Finding, StudyFindings
from holdfast.store import write_atomic

FORMATS = ("latex", "markdown", "csv")
MARKS = {
    "raised": r"\uparrow",
    "lowered": r"\downarrow",
    "unchanged": "=",
    "inconclusive": "?",
    "not_identified": r"\dagger",
    "refused": r"\ddagger",
    "negligible": r"\circ",
}
SIDE = {True: 3, False: 4}  # instruments side by side in two columns, with and without items and coverage
LINES = 56  # of a one-column table, then another is begun
CHUNK = 12  # letters of a name after which a line may break


def write_tables(
    findings: StudyFindings, audit: Sequence[AuditEntry], out: Path, formats: Sequence[str] = FORMATS, columns: Sequence[int] = (1, 2)
) -> list[Path]:
    """Write `out/NAME-{1,2}col.tex` and `out/paper.tex`, `out/NAME.md`, `out/NAME.csv`; the files in order."""
    tables, texts = tables_of(findings, audit), {}
    for t in tables:
        if "latex" in formats:
            texts |= {f"{t.name}-{k}col.tex": latex_table(t, findings, k) for k in columns}
        if "markdown" in formats:
            texts[f"{t.name}.md"] = as_markdown(t, findings)
        if "csv" in formats:
            texts[f"{t.name}.csv"] = as_csv(t)
    if "latex" in formats:
        texts["paper.tex"] = paper(findings, audit, {t.name for t in tables})
    for name, text in texts.items():
        write_atomic(out / name, text.encode())
    return [out / name for name in texts]


def as_markdown(t: Table, findings: StudyFindings) -> str:
    """The caption as a paragraph, verdicts as words."""
    if isinstance(t, TextTable):
        head, rows = [t.head[k] for k in t.shown], [[markdown(row[k]) for k in t.shown] for row in t.rows]
    else:
        head = ["", *map(markdown, t.instruments)]
        rows = [[markdown(r.label), *(_markdown_effect(r.effects.get(n)) for n in t.instruments)] for r in t.rows]
    title = caption(t, findings, lambda word: "*" if word == "negligible" else "", markdown)
    return "\n".join([title, "", *("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows)), ""])


def _markdown_effect(e: Finding | None) -> str:
    if e is None:
        return ""
    cover = "unknown" if e.coverage is None else f"{100 * e.coverage:.1f} %"
    return phrase(e).replace("*", r"\*") + f"; n {e.n or 'unknown'}, covered {cover}"


def latex_table(t: Table, findings: StudyFindings, columns: int) -> str:
    """One or more complete floats, for a document that loads booktabs and array."""
    title = caption(t, findings, lambda word: f"$^{{{MARKS[word]}}}$", latex)
    title = title.replace(" %", r"~\%").replace("+/-", r"$\pm$")
    return _text(t, title, columns) if isinstance(t, TextTable) else (_wide if columns == 2 else _tall)(t, title)


def _float(t: Table, title: str, body: str, columns: int, part: int = 0) -> str:
    env = "table*" if columns == 2 else "table"
    label = f"tab:{t.name}" + (f"-{part + 1}" if part else "")
    small = columns == 1 or isinstance(t, TextTable) or len(t.instruments) > SIDE[False] - 1
    size = r"\scriptsize" if small else r"\footnotesize"
    head = title if not part else f"{latex(t.title)}, continued."
    return f"\\begin{{{env}}}[t]\n\\centering\n\\caption{{{head}}}\n\\label{{{label}}}\n{size}\n\\setlength{{\\tabcolsep}}{{2.5pt}}\n{body}\n\\end{{{env}}}\n"


def _tabular(spec: str, lines: Iterable[str]) -> str:
    return "\n".join([rf"\begin{{tabular}}{{{spec}}}", r"\toprule", *lines, r"\bottomrule", r"\end{tabular}"])


def _wide(t: EffectTable, title: str) -> str:
    """Rows by instrument; items and coverage next to each effect where there is room, else the items once under the name."""
    detail = len(t.instruments) <= SIDE[True]
    blocks = -(-len(t.instruments) // SIDE[detail])
    per = -(-len(t.instruments) // blocks)
    # Share of the line for the names: as wide as the longest, at most .23.
    longest = max((len(r.label) for r in t.rows), default=1)
    label = rf"{min(0.23, 0.01 + (0.0084 if detail else 0.0077) * longest):.3f}\linewidth"
    bodies = [_block(t, t.instruments[k * per : (k + 1) * per], detail, label) for k in range(blocks)]
    return _float(t, title, "\n\n\\vspace{4pt}\n".join(bodies), 2)


def _block(t: EffectTable, names: tuple[str, ...], detail: bool, label: str) -> str:
    spec = f"@{{}}>{{\\raggedright\\arraybackslash}}p{{{label}}}" + (r"@{\hspace{8pt}}r@{\,}l" + "rr" * detail) * len(names) + "@{}"
    wide = 4 if detail else 2
    heads = [rf"\multicolumn{{{wide}}}{{c}}{{{breakable(name)}}}" for name in names]
    rules = [rf"\cmidrule(lr){{{at}-{at + wide - 1}}}" for at in range(2, 2 + wide * len(names), wide)]
    items = [_items([r.effects[name] for r in t.rows if name in r.effects]) for name in names]
    under = [r"\multicolumn{2}{c}{effect} & $n$ & cov." if detail else rf"\multicolumn{{2}}{{c}}{{{n}}}" for n in items]
    lines = [" & " + " & ".join(heads) + r" \\", "".join(rules), " & " + " & ".join(under) + r" \\", r"\midrule"]
    for row in t.rows:
        effects = [row.effects.get(name) for name in names]
        cells = [c for e in effects for c in (*_effect(e), *([_n(e), _cover(e)] if detail else []))]
        lines.append(" & ".join([breakable(row.label), *cells]) + r" \\")
    return _tabular(spec, lines)


def _tall(t: EffectTable, title: str) -> str:
    """One line per effect, under the name of its row."""
    parts: list[list[EffectRow]] = [[]]
    for row in t.rows:
        if parts[-1] and sum(len(r.effects) + 1 for r in (*parts[-1], row)) > LINES:
            parts.append([])
        parts[-1].append(row)
    floats = []
    for k, rows in enumerate(parts):
        lines = [r" & \multicolumn{2}{c}{effect} & $n$ & cov. \\", r"\midrule"]
        for row in rows:
            lines.append(rf"\multicolumn{{5}}{{@{{}}p{{0.62\linewidth}}@{{}}}}{{\raggedright\arraybackslash {breakable(row.label)}}} \\*")
            lines += [" & ".join([rf"\quad {breakable(n)}", *_effect(e), _n(e), _cover(e)]) + r" \\" for n, e in row.effects.items()]
        floats.append(_float(t, title, _tabular(r"@{}lr@{\,}lrr@{}", lines), 1, k))
    return "\n".join(floats)


def _text(t: TextTable, title: str, columns: int) -> str:
    """Text in columns as wide as their share of the letters."""
    rows = [[row[k] for k in t.shown] for row in t.rows]
    if t.name == "audit":
        rows, passed = [r for r in rows if r[0] != "ok"], list(dict.fromkeys(r[1] for r in rows if r[0] == "ok"))
        title += f" Passed without a finding: {', '.join(map(latex, passed))}." if passed else ""
    heads = [t.head[k] for k in t.shown]
    weights = [_weight([r[k] for r in rows]) for k in range(len(heads))]
    whole = sum(weights) or 1.0
    spec = "@{}" + "".join(rf">{{\raggedright\arraybackslash}}p{{{0.94 * w / whole:.3f}\linewidth}}" for w in weights) + "@{}"
    lines = [" & ".join(map(_wrappable, row)) + r" \\\addlinespace[1.5pt]" for row in rows]
    nothing = rf"\multicolumn{{{len(heads)}}}{{@{{}}l}}{{nothing}} \\"
    return _float(t, title, _tabular(spec, [" & ".join(map(latex, heads)) + r" \\", r"\midrule", *(lines or [nothing])]), columns)


def _weight(texts: Sequence[str]) -> float:
    """The longest word, or half the mean length; at most 60 letters."""
    longest = max((len(word) for text in texts for word in text.split()), default=0)
    return min(max(longest, sum(map(len, texts)) / max(1, len(texts)) / 2), 60)


def prose(text: str) -> str:
    """Text with a mathematical minus before its numbers."""
    return _after_code_point(re.sub(r"(?:(?<=[\s}(])|^)\{-\}(?=\d)", "$-$", latex(text)))


def breakable(text: str) -> str:
    """Text in which a line may break inside long words."""
    words = []
    for word in text.split() or [""]:
        chunks = [word[k : k + CHUNK] for k in range(0, len(word), CHUNK)] if len(word) > 2 * CHUNK else [word]
        words.append(r"\allowbreak{}".join(_after_code_point(latex(c)).replace(r"\_", r"\_\allowbreak{}") for c in chunks))
    return " ".join(words)


def _after_code_point(text: str) -> str:
    """A line may break after a letter of which pdfTeX prints the code point."""
    return text.replace(r"\fi{}", r"\fi\allowbreak{}")


def _wrappable(text: str) -> str:
    return prose(text) if max(map(len, text.split()), default=0) <= 2 * CHUNK else breakable(text)


def _points(value: float | None) -> str:
    return "" if value is None else f"${points(value)}$"


def _effect(e: Finding | None) -> tuple[str, str]:
    """Estimate, and interval with the verdict's mark; bounds in round brackets where it is not identified."""
    if e is None:
        return "", "---"
    mark = f"$^{{{MARKS.get(e.verdict or '', '')}{MARKS['negligible'] if e.negligible else ''}}}$"
    if not identified(e):
        return "", (f"({_points(e.bounds[0])}, {_points(e.bounds[1])}){mark}" if e.bounds else f"---{mark}")
    if e.unit == "nats":
        return f"${e.estimate:+.3f}$", f"nats{mark}"
    return _points(e.estimate), (f"[{_points(e.lower)}, {_points(e.upper)}]{mark}" if e.lower is not None else f"---{mark}")


def _n(e: Finding | None) -> str:
    return "" if e is None else f"{e.n}" if e.n else "---"


def _cover(e: Finding | None) -> str:
    return "" if e is None else "---" if e.coverage is None else f"{100 * e.coverage:.1f}"


def _items(effects: list[Finding]) -> str:
    known = sorted({e.n for e in effects if e.n})
    return "" if not known else f"$n={known[0]}$" if len(known) == 1 else f"$n={known[0]}$--{known[-1]}"


def paper(findings: StudyFindings, audit: Sequence[AuditEntry], tables: set[str]) -> str:
    """A two-column paper: a place to start from, and proof that the tables compile. `tables`: names of those that exist as files."""
    claims = "claims" in tables  # a published study's claims say more than additivity and warnings
    levels = ("refuse",) if claims else ("refuse", "warn")
    warnings = list(dict.fromkeys(e.claim for e in audit if e.level in levels and e.check != "published_claim"))
    refused = findings.correlation.refused
    caveats = [*([f"Correlation of gain and shift: {refused}."] if refused else []), *(f"{w}." for w in warnings)]
    env = templates()
    env.filters["latex"] = latex
    env.globals.update(figure_caption=figure_caption, input=_input, list=_list)
    return env.get_template("paper.tex").render(f=findings, tables=tables, caveats=caveats)


def _list(sentences: Iterable[str]) -> str:
    items = "\n".join(rf"\item {prose(s)}" for s in sentences)
    head = (
        r"\begin{list}{\textbullet}{\leftmargin1em\labelwidth0.6em\labelsep0.4em\itemsep0pt\parsep0pt\topsep2pt}\footnotesize\raggedright"
    )
    return f"{head}\n{items}\n\\end{{list}}" if items else ""


def _input(name: str, columns: int) -> str:
    return rf"\IfFileExists{{{name}-{columns}col.tex}}{{\input{{{name}-{columns}col}}}}{{}}"
