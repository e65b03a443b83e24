"""Tables for LaTeX: booktabs, `table` for one column and `table*` for two; text from data stays text."""

from __future__ import annotations

import re
from typing import Any

from holdfast.escape import latex
from holdfast.report.numbers import identified
from holdfast.report.tables.captions import caption
from holdfast.report.tables.collect import Cell, Effects, Row, Words

MARKS = {
    "raised": r"\uparrow",
    "lowered": r"\downarrow",
    "unchanged": "=",
    "inconclusive": "?",
    "not_identified": r"\dagger",
    "refused": r"\ddagger",
    "negligible": r"\circ",
}
SIDE = {True: 3, False: 4}  # instruments beside each other in two columns, with and without items and coverage
LINES = 56  # of a one-column table, then another is begun
CHUNK = 12  # letters of a name after which a line may break


def table(t: Effects | Words, findings: dict[str, Any], columns: int) -> str:
    """One or more floats, complete, for a document that loads booktabs and array."""
    said = caption(t, findings, lambda word: f"$^{{{MARKS[word]}}}$", latex)
    said = said.replace(" %", r"~\%").replace("+/-", r"$\pm$")
    return _words(t, said, columns) if isinstance(t, Words) else (_wide if columns == 2 else _tall)(t, said)


def _float(t: Effects | Words, said: str, body: str, columns: int, part: int = 0) -> str:
    env = "table*" if columns == 2 else "table"
    label = f"tab:{t.name}" + (f"-{part + 1}" if part else "")
    size = r"\scriptsize" if columns == 1 or isinstance(t, Words) or len(t.instruments) > SIDE[False] - 1 else r"\footnotesize"
    head = said if not part else f"{latex(t.title)}, continued."
    return f"\\begin{{{env}}}[t]\n\\centering\n\\caption{{{head}}}\n\\label{{{label}}}\n{size}\n\\setlength{{\\tabcolsep}}{{2.5pt}}\n{body}\n\\end{{{env}}}\n"


def _wide(t: Effects, said: str) -> str:
    """Rows by instrument; items and coverage beside each effect where there is room, else the items once under the name."""
    detail = len(t.instruments) <= SIDE[True]
    side = SIDE[detail]
    blocks = -(-len(t.instruments) // side)
    per = -(-len(t.instruments) // blocks)
    label = _label_width(t.rows, 0.0084 if detail else 0.0077, 0.23)
    bodies = [_block(t, t.instruments[k * per : (k + 1) * per], detail, label) for k in range(blocks)]
    return _float(t, said, "\n\n\\vspace{4pt}\n".join(bodies), 2)


def _block(t: Effects, names: tuple[str, ...], detail: bool, label: str) -> str:
    spec = f"@{{}}>{{\\raggedright\\arraybackslash}}p{{{label}}}" + (r"@{\hspace{8pt}}r@{\,}l" + "rr" * detail) * len(names) + "@{}"
    wide, at, rules, heads, under = (4 if detail else 2), 2, [], [], []
    for name in names:
        cells = [r.cells[name] for r in t.rows if name in r.cells]
        heads.append(rf"\multicolumn{{{wide}}}{{c}}{{{name_(name)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + wide - 1}}}")
        under.append(r"\multicolumn{2}{c}{effect} & $n$ & cov." if detail else rf"\multicolumn{{2}}{{c}}{{{_items(cells)}}}")
        at += wide
    lines = [
        rf"\begin{{tabular}}{{{spec}}}",
        r"\toprule",
        " & " + " & ".join(heads) + r" \\",
        "".join(rules),
        " & " + " & ".join(under) + r" \\",
        r"\midrule",
    ]
    for row in t.rows:
        parts = [name_(row.label)]
        for name in names:
            c = row.cells.get(name)
            parts += [*_effect(c), *([_n(c), _cover(c)] if detail else [])]
        lines.append(" & ".join(parts) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def _tall(t: Effects, said: str) -> str:
    """One line an effect, under the name of its row."""
    parts: list[list[Row]] = [[]]
    for row in t.rows:
        if parts[-1] and sum(len(r.cells) + 1 for r in (*parts[-1], row)) > LINES:
            parts.append([])
        parts[-1].append(row)
    out = []
    for k, rows in enumerate(parts):
        lines = [r"\begin{tabular}{@{}lr@{\,}lrr@{}}", r"\toprule", r" & \multicolumn{2}{c}{effect} & $n$ & cov. \\", r"\midrule"]
        for row in rows:
            lines.append(rf"\multicolumn{{5}}{{@{{}}p{{0.62\linewidth}}@{{}}}}{{\raggedright\arraybackslash {name_(row.label)}}} \\*")
            lines += [" & ".join([rf"\quad {name_(n)}", *_effect(c), _n(c), _cover(c)]) + r" \\" for n, c in row.cells.items()]
        out.append(_float(t, said, "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]), 1, k))
    return "\n".join(out)


def _words(t: Words, said: str, columns: int) -> str:
    """Text in columns as wide as their share of the letters."""
    rows = [[row[k] for k in t.shown] for row in t.rows]
    if t.name == "audit":
        rows, passed = [r for r in rows if r[0] != "ok"], list(dict.fromkeys(r[1] for r in rows if r[0] == "ok"))
        said += f" Passed without a finding: {', '.join(map(latex, passed))}." if passed else ""
    heads = [t.head[k] for k in t.shown]
    weigh = [
        min(
            max(
                max((len(w) for w in " ".join(r[k] for r in rows).split()), default=0), sum(len(r[k]) for r in rows) / max(1, len(rows)) / 2
            ),
            60,
        )
        for k in range(len(heads))
    ]
    whole = sum(weigh) or 1.0
    spec = "@{}" + "".join(rf">{{\raggedright\arraybackslash}}p{{{0.94 * w / whole:.3f}\linewidth}}" for w in weigh) + "@{}"
    lines = [rf"\begin{{tabular}}{{{spec}}}", r"\toprule", " & ".join(map(latex, heads)) + r" \\", r"\midrule"]
    lines += [" & ".join(map(_said, row)) + r" \\\addlinespace[1.5pt]" for row in rows] or [
        rf"\multicolumn{{{len(heads)}}}{{@{{}}l}}{{nothing}} \\"
    ]
    return _float(t, said, "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]), columns)


def prose(text: Any) -> str:
    """Text with the minus of mathematics before its numbers."""
    return _broken(re.sub(r"(?:(?<=[\s}(])|^)\{-\}(?=\d)", "$-$", latex(text)))


def name_(text: Any) -> str:
    """Text in which a line may break inside long words."""
    words = []
    for word in str(text).split() or [""]:
        chunks = [word[k : k + CHUNK] for k in range(0, len(word), CHUNK)] if len(word) > 2 * CHUNK else [word]
        words.append(r"\allowbreak{}".join(_broken(latex(c)).replace(r"\_", r"\_\allowbreak{}") for c in chunks))
    return " ".join(words)


def _broken(text: str) -> str:
    """A line may break after a letter of which pdfTeX prints the code point."""
    return text.replace(r"\fi{}", r"\fi\allowbreak{}")


def _said(text: str) -> str:
    return prose(text) if max(map(len, text.split()), default=0) <= 2 * CHUNK else name_(text)


def _label_width(rows: tuple[Row, ...], letter: float, most: float) -> str:
    """Share of the line: as wide as the longest name, at most `most`. `letter`: share of one."""
    longest = max((len(r.label) for r in rows), default=1)
    return rf"{min(most, 0.01 + letter * longest):.3f}\linewidth"


def points(value: float | None) -> str:
    return "" if value is None else f"${100 * value:+.1f}$"


def _effect(c: Cell | None) -> tuple[str, str]:
    """Estimate, and interval with the verdict's mark; bounds in round brackets where nothing is identified."""
    if c is None:
        return "", "---"
    mark = f"$^{{{MARKS.get(c['verdict'], '')}{MARKS['negligible'] if c['negligible'] else ''}}}$"
    bounds = c["bounds"]
    if not identified(c):
        return "", (f"({points(bounds[0])}, {points(bounds[1])}){mark}" if bounds else f"---{mark}")
    if c.get("unit") == "nats":
        return f"${c['estimate']:+.3f}$", f"nats{mark}"
    return points(c["estimate"]), (f"[{points(c['lower'])}, {points(c['upper'])}]{mark}" if c["lower"] is not None else f"---{mark}")


def _n(c: Cell | None) -> str:
    return "" if c is None else f"{c['n']}" if c["n"] else "---"


def _cover(c: Cell | None) -> str:
    return "" if c is None else "---" if c["coverage"] is None else f"{100 * c['coverage']:.1f}"


def _items(cells: list[Cell]) -> str:
    known = sorted({c["n"] for c in cells if c["n"]})
    return "" if not known else f"$n={known[0]}$" if len(known) == 1 else f"$n={known[0]}$--{known[-1]}"
