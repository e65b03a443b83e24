"""A two-column paper that includes the main tables and pictures: a place to start from, and the proof that they compile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.escape import latex
from holdfast.report.figures import CAPTIONS

HEAD = r"""% Compile in this folder: pdflatex paper (or tectonic paper.tex). Pictures come from `holdfast figures`.
\documentclass[10pt,twocolumn]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp,lmodern,array,booktabs,graphicx}
\usepackage[letterpaper,textwidth=6.75in,textheight=9.3in,columnsep=0.25in]{geometry}
\usepackage[font=footnotesize,labelfont=bf,skip=3pt]{caption}
\renewcommand{\topfraction}{0.98}\renewcommand{\dbltopfraction}{0.98}\renewcommand{\bottomfraction}{0.9}\renewcommand{\textfraction}{0.01}
\renewcommand{\floatpagefraction}{0.7}\renewcommand{\dblfloatpagefraction}{0.7}
\setcounter{topnumber}{6}\setcounter{dbltopnumber}{6}\setcounter{totalnumber}{9}
\setlength{\floatsep}{7pt}\setlength{\dblfloatsep}{7pt}\setlength{\textfloatsep}{9pt}\setlength{\dbltextfloatsep}{9pt}
% A picture lies here or in ../figures; nothing is drawn where there is none.
\newcommand{\picture}[1]{\IfFileExists{#1.pdf}{\includegraphics{#1.pdf}}{\IfFileExists{../figures/#1.pdf}{\includegraphics{../figures/#1.pdf}}%
  {\fbox{\footnotesize no picture yet: holdfast figures}}}}
\sloppy\emergencystretch=1em
"""


def paper(findings: dict[str, Any], audit: Sequence[dict[str, Any]], tables: set[str]) -> str:
    """LaTeX. `tables`: names of those that were written in the forms that are included."""
    study = findings["study"]
    lead = study.get("lead") or (
        f"Adapters of {findings['base']['name']}: gain is the change in benchmark accuracy, shift the change in an axis's excess effect, adapted minus base, in percentage "
        "points; a positive shift is more sycophantic. Intervals cross training seeds and items; families are Holm-adjusted."
    )
    warned = list(dict.fromkeys(e["claim"] for e in audit if e["level"] in ("refuse", "warn") and e["check"] != "published_claim"))
    refused = findings.get("correlation", {}).get("refused")
    claims = "claims" in tables
    parts = [
        HEAD,
        rf"\title{{{latex(study.get('title') or study['name'])}}}",
        rf"\author{{study {latex(study['name'])}, base {latex(findings['base']['name'])}}}",
        "\\date{}\n\\begin{document}\n\\maketitle",
        latex(lead),
        "\\section*{What was found}\n" + _list(r["text"] for r in findings["recommendation"]),
        _figure("forest", 1),
        _input("additivity", 1, tables),
        "\\section*{What may not be concluded}\n" + _list([*([f"Correlation of gain and shift: {refused}."] if refused else []), *(f"{w}." for w in warned)]),
        _figure("tradeoff", 2),
        _input("shifts", 2, tables),
        _input("gains", 2, tables),
        _input("claims", 2, tables) if claims else "",
        r"\end{document}",
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def _list(sentences: Any) -> str:
    items = "\n".join(rf"\item {latex(s)}" for s in sentences)
    return f"\\begin{{itemize}}\\setlength{{\\itemsep}}{{0pt}}\\setlength{{\\parskip}}{{0pt}}\\small\n{items}\n\\end{{itemize}}" if items else ""


def _figure(name: str, columns: int) -> str:
    env = "figure*" if columns == 2 else "figure"
    return f"\\begin{{{env}}}[t]\n\\centering\n\\picture{{{name}-{columns}col}}\n\\caption{{{latex(CAPTIONS[name])}}}\n\\label{{fig:{name}}}\n\\end{{{env}}}"


def _input(name: str, columns: int, tables: set[str]) -> str:
    return rf"\IfFileExists{{{name}-{columns}col.tex}}{{\input{{{name}-{columns}col}}}}{{}}" if name in tables else ""
