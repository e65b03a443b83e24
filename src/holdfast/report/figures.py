"""Every picture of the report as files for a paper: SVG, PDF and PNG, for one column and for two, fonts inside."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import vl_convert

from holdfast.escape import one_line
from holdfast.report import page, render
from holdfast.report.finished import TrainingCurve, training_files, trainings
from holdfast.report.numbers import effects_of, identified
from holdfast.results import StudyFindings
from holdfast.run_files import verify_files
from holdfast.store import write_atomic

if TYPE_CHECKING:
    from holdfast.report.charts import Chart, Datum

FORMATS = ("svg", "pdf", "png")
DPI = 600
# In the report's order.
PICTURES = {
    "tradeoff": "Mean gain against each axis's deference, with their intervals; the base is at the origin.",
    "close": "Mean gain against each axis's deference without the null adapters.",
    "parts": "Change of behaviour under pressure, split in what firmness explains and deference; the mark is their sum.",
    "forest": "Deference of every adapter on every axis; the shaded band counts as no change.",
    "raw": "Change under pressure alone, and what is left beyond the control's own change.",
    "gains": "Gain of every adapter on every benchmark.",
    "bars": "Accuracy of the base and of every adapter.",
    "heat": "Gain and deference of every adapter.",
    "profiles": "Gain and deference side by side, one panel per adapter.",
    "ranking": "Probability of each rank by mean deference; rank 1 is the least sycophantic.",
    "paths": "From the base at the origin to each adapter along its dose.",
    "contrasts": "Differences of deference between adapters, and of a mix and its parts.",
    "factorial": "Effects of including a domain in the mix.",
    "flips": "Share of items that went from right to wrong, and from wrong to right, between the two conditions of an axis.",
    "confidence": "Share of right answers against the share of the first answer; on the diagonal confidence equals accuracy.",
    "curves": "Training loss; one line per seed.",
}


def figure_caption(name: str, findings: StudyFindings) -> str:
    """What a picture shows in this study."""
    part = "gains" if name == "gains" else "claim"
    drawn = [e for a in findings.adapters if name != "close" or a.role != "null" for e in effects_of(a, part).values()]
    tradeoff = name in ("tradeoff", "close")
    sentences = {
        PICTURES.get(name, name): True,
        "Controls are subtracted.": name == "forest" and any(a.effects for a in findings.adapters),
        "Small marks are training seeds; hollow ones the whole change of behaviour.": tradeoff
        and any(a.per_seed for a in findings.adapters),
        "A ring: on the Pareto front.": tradeoff and findings.pareto is not None and any(r.on_front for r in findings.pareto.front),
        "A line without a mark: not identified, only bounds are known.": (tradeoff or name in ("forest", "gains"))
        and any(not identified(e) and e.bounds for e in drawn),
    }
    return " ".join(sentence for sentence, applies in sentences.items() if applies)


def write_figures(
    charts: Mapping[str, Chart],
    out: Path,
    formats: Sequence[str] = FORMATS,
    columns: Sequence[int] = (1, 2),
    step: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write `out/NAME-{1,2}col.{svg,pdf,png}` of every chart; the files in order. PNG at `DPI` dots per inch."""
    files = []
    for name, chart in charts.items():
        for k in columns:
            svg, _ = render.lay_out(chart.to_dict(), k)
            for kind in formats:
                file = out / f"{name}-{k}col.{kind}"
                write_atomic(file, convert(svg, kind, PICTURES.get(name, name)))
                files.append(file)
            if step is not None:
                step(f"{name}-{k}col")
    return files


def convert(svg: str, kind: str, title: str) -> bytes:
    """A picture laid out by `render` in one of `FORMATS`."""
    if kind == "pdf":
        return vl_convert.svg_to_pdf(svg)
    if kind == "png":
        return vl_convert.svg_to_png(svg, ppi=DPI)
    return standalone(svg, title).encode()


def standalone(svg: str, title: str) -> str:
    """SVG in inches with its fonts inside (Arimo, whose letters are as wide as those of Liberation Sans and Arial, the fallbacks)."""
    faces = "".join(map(_face, [400, 700] if 'font-weight="bold"' in svg else [400]))
    head = f"<title>{one_line(title).replace('&', '&amp;').replace('<', '&lt;')}</title><style>{faces}</style>"
    svg = svg.replace(f'font-family="{render.FONT}"', f"font-family=\"Arimo, '{render.FONT}', Arial, Helvetica, sans-serif\"")
    inches = lambda m: f'width="{float(m[1]) / 72:.4f}in" height="{float(m[2]) / 72:.4f}in"'  # noqa: E731
    svg = re.sub(r'width="([\d.]+)" height="([\d.]+)"', inches, svg, count=1)
    return re.sub(r"(<svg [^>]*>)", lambda m: m[1] + head, svg, count=1)


def _face(weight: int) -> str:
    file = resources.files("holdfast").joinpath("report", "fonts", f"arimo-latin-{weight}-normal.woff2")
    data = base64.b64encode(file.read_bytes()).decode()
    return f"@font-face{{font-family:Arimo;font-weight:{weight};src:url(data:font/woff2;base64,{data}) format('woff2')}}"


def charts_of(findings: StudyFindings, folder: Path | None, names: Iterable[str] | None = None) -> dict[str, Chart]:
    """The report's charts. `folder`: a run's, for its transcripts and trainings; `names`: the pictures that are wanted, else all."""
    wanted = set(PICTURES if names is None else names)
    records: list[TrainingCurve] = []
    rows: list[Datum] = []
    if folder is not None:
        files = [f for f in training_files(folder) if "curves" in wanted]
        file = folder / "transcripts.jsonl.gz"
        asked = [file] if "confidence" in wanted and file.is_file() else []
        with verify_files(folder, *(f.relative_to(folder).as_posix() for f in (*files, *asked))):
            records = trainings(folder) if files else []
            rows = _confidence(file) if asked else []
    charts = page.pictures(findings, records, rows)
    return {name: chart for name, chart in charts.items() if name in wanted and render.rows(render.shown(chart))}


def _confidence(transcripts: Path) -> list[Datum]:
    from holdfast.report.transcripts import Confidence, Prompts, models

    confidence, prompts = Confidence(), Prompts()
    for model in models(transcripts, prompts):
        confidence.add(model, prompts)
    return confidence.rows()
