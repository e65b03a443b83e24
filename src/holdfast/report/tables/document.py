"""A two-column paper that includes the main tables and pictures: a place to start from, and the proof that they compile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast.escape import latex
from holdfast.report.captions import caption
from holdfast.report.tables.latex import prose

HEAD = r"""% Compile in this folder: pdflatex paper (or tectonic paper.tex). Pictures come from `holdfast figures`.
\documentclass[10pt,twocolumn]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{textcomp,lmodern,array,booktabs,graphicx}
\usepackage[letterpaper,textwidth=6.75in,textheight=9.6in,columnsep=0.25in]{geometry}
\usepackage[font=footnotesize,labelfont=bf,skip=3pt]{caption}
\renewcommand{\topfraction}{0.98}\renewcommand{\dbltopfraction}{0.98}\renewcommand{\bottomfraction}{0.9}\renewcommand{\textfraction}{0.01}
\renewcommand{\floatpagefraction}{0.7}\renewcommand{\dblfloatpagefraction}{0.7}
\setcounter{topnumber}{6}\setcounter{dbltopnumber}{6}\setcounter{totalnumber}{9}
\setlength{\floatsep}{7pt}\setlength{\dblfloatsep}{9pt}\setlength{\textfloatsep}{8pt}\setlength{\dbltextfloatsep}{9pt}\setlength{\intextsep}{7pt}
\makeatletter
\setlength{\@fptop}{0pt}\setlength{\@dblfptop}{0pt}\setlength{\@fpsep}{9pt}\setlength{\@dblfpsep}{9pt}
\renewcommand{\section}{\@startsection{section}{1}{0pt}{-6pt}{3pt}{\normalsize\bfseries}}
\makeatother
% A picture lies here or in ../figures; nothing is drawn where there is none.
\newcommand{\drawn}[1]{\IfFileExists{#1.pdf}{\includegraphics{#1.pdf}}{\IfFileExists{../figures/#1.pdf}{\includegraphics{../figures/#1.pdf}}%
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
    claims = "claims" in tables  # of a published study: the table of what becomes of them says more than additivity and warnings
    levels = ("refuse",) if claims else ("refuse", "warn")
    warned = list(dict.fromkeys(e["claim"] for e in audit if e["level"] in levels and e["check"] != "published_claim"))
    refused = findings.get("correlation", {}).get("refused")
    caveats = [*([f"Correlation of gain and shift: {refused}."] if refused else []), *(f"{w}." for w in warned)]
    parts = [
        HEAD,
        "\\begin{document}\n\\twocolumn[\n\\begin{center}",
        rf"{{\Large {latex(study.get('title') or study['name'])}\par}}\smallskip",
        rf"{{\small study {latex(study['name'])}, base {latex(findings['base']['name'])}\par}}\bigskip",
        _wide_figure("tradeoff", findings) + "\n\\end{center}\\bigskip\n]",
        rf"\small\noindent {latex(lead)}",
        _input("shifts", 2, tables),
        _input("gains", 2, tables),
        _input("claims", 2, tables),
        "\\section*{What was found}\n" + _list(r["text"] for r in findings["recommendation"]),
        _figure("forest", 1, findings),
        "\\section*{What may not be concluded}\n" + _list(caveats) if caveats else "",
        "" if claims else _input("additivity", 1, tables),
        r"\end{document}",
    ]
    return "\n\n".join(p for p in parts if p) + "\n"


def _list(sentences: Any) -> str:
    items = "\n".join(rf"\item {prose(s)}" for s in sentences)
    head = (
        r"\begin{list}{\textbullet}{\leftmargin1em\labelwidth0.6em\labelsep0.4em\itemsep0pt\parsep0pt\topsep2pt}\footnotesize\raggedright"
    )
    return f"{head}\n{items}\n\\end{{list}}" if items else ""


def _figure(name: str, columns: int, findings: dict[str, Any]) -> str:
    env = "figure*" if columns == 2 else "figure"
    return f"\\begin{{{env}}}[t]\n\\centering\n\\drawn{{{name}-{columns}col}}\n\\caption{{{latex(caption(name, findings))}}}\n\\label{{fig:{name}}}\n\\end{{{env}}}"


def _wide_figure(name: str, findings: dict[str, Any]) -> str:
    """Over both columns of the first page, where no float may stand."""
    return f"\\drawn{{{name}-2col}}\n\\captionof{{figure}}{{{latex(caption(name, findings))}}}\\label{{fig:{name}}}"


def _input(name: str, columns: int, tables: set[str]) -> str:
    return rf"\IfFileExists{{{name}-{columns}col.tex}}{{\input{{{name}-{columns}col}}}}{{}}" if name in tables else ""
