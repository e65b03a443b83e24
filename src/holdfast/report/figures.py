"""Every picture of the report as files for a paper: SVG, PDF and PNG, for one column and for two, fonts inside."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import vl_convert

from holdfast.escape import one_line
from holdfast.report import paper
from holdfast.report.captions import PICTURES
from holdfast.store import write_atomic

FORMATS = ("svg", "pdf", "png")
DPI = 600


def write_figures(
    charts: dict[str, Any],
    out: Path,
    formats: Sequence[str] = FORMATS,
    columns: Sequence[int] = (1, 2),
    step: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write `out/NAME-{1,2}col.{svg,pdf,png}` of every chart; the files in order. PNG at `DPI` dots an inch."""
    files = []
    for name, chart in charts.items():
        for k in columns:
            svg, _ = paper.lay_out(chart.to_dict(), k)
            for kind in formats:
                file = out / f"{name}-{k}col.{kind}"
                write_atomic(file, convert(svg, kind, PICTURES.get(name, name)))
                files.append(file)
            if step is not None:
                step(f"{name}-{k}col")
    return files


def convert(svg: str, kind: str, title: str) -> bytes:
    """A picture laid out by `paper` in one of `FORMATS`."""
    if kind == "pdf":
        return vl_convert.svg_to_pdf(svg)
    if kind == "png":
        return vl_convert.svg_to_png(svg, ppi=DPI)
    return standalone(svg, title).encode()


def standalone(svg: str, title: str) -> str:
    """SVG in inches with its fonts inside (Arimo, letter for letter as wide as Liberation Sans and Arial, which other programs may take)."""
    weights = [400, *([700] if 'font-weight="bold"' in svg else [])]
    faces = "".join(
        f"@font-face{{font-family:Arimo;font-weight:{w};src:url(data:font/woff2;base64,{_font(w)}) format('woff2')}}" for w in weights
    )
    head = f"<title>{one_line(title).replace('&', '&amp;').replace('<', '&lt;')}</title><style>{faces}</style>"
    svg = svg.replace(f'font-family="{paper.FONT}"', f"font-family=\"Arimo, '{paper.FONT}', Arial, Helvetica, sans-serif\"")
    inches = lambda found: f'width="{float(found[1]) / 72:.4f}in" height="{float(found[2]) / 72:.4f}in"'  # noqa: E731
    svg = re.sub(r'width="([\d.]+)" height="([\d.]+)"', inches, svg, count=1)
    return re.sub(r"(<svg [^>]*>)", lambda found: found[1] + head, svg, count=1)


def _font(weight: int) -> str:
    return base64.b64encode(
        resources.files("holdfast").joinpath("report", "fonts", f"arimo-latin-{weight}-normal.woff2").read_bytes()
    ).decode()


def charts_of(findings: dict[str, Any], folder: Path | None, names: Iterable[str] | None = None) -> dict[str, Any]:
    """The report's charts. `folder`: where a run's transcripts and trainings lie; `names`: of the pictures that are wanted, else all."""
    from holdfast.report import page, render, training

    wanted = None if names is None else set(names)
    records, sure = [], []
    if folder is not None:
        records = training.trainings(folder) if wanted is None or "curves" in wanted else []
        sure = _sure(folder / "transcripts.jsonl.gz", findings) if wanted is None or "confidence" in wanted else []
    found = page.pictures(findings, records, sure)
    found = {name: chart for name, chart in found.items() if wanted is None or name in wanted}
    return {name: chart for name, chart in found.items() if render.rows(chart)}


def _sure(transcripts: Path, findings: dict[str, Any]) -> list[dict[str, Any]]:
    """How sure each model was, and how often it was right."""
    if not transcripts.is_file():
        return []
    from holdfast.report import library
    from holdfast.report.confidence import Confidence
    from holdfast.report.transcripts import Prompts, models

    sure, prompts = Confidence(), Prompts()
    for model in models(transcripts, prompts):
        mine = library.about(model.name)
        if not mine["dose"]:
            sure.add(mine["adapter"], model, prompts)
    return sure.rows()
